"""``fststyle preview``: what a painting gives with several settings, before it is trained."""

import shlex
import time

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fststyle.config import PreviewConfig, StyleTrainConfig
from fststyle.config.calls import from_settings
from fststyle.data.photos import validation_images
from fststyle.images.find import find_images
from fststyle.images.geometry import resize
from fststyle.images.grid import captioned, sheet
from fststyle.images.io import check_writable, read_image, to_uint8, write_image
from fststyle.losses.build import build_objective, sized_paintings
from fststyle.losses.perceptual import StyleObjective
from fststyle.training.content_weight import FIRST, follow
from fststyle.training.loop import SECONDS_BAR, to_device
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.files import check_free_options
from fststyle.utils.schedules import decay
from fststyle.utils.signals import watch_signals

RATE = 0.03
"""Adam's, of values from 0 to 1; it falls to zero over the second half."""
GAIN = 0.2
"""How fast the content loss's weight moves: pictures that stay the same shake its error less than
crops do."""
LEAST_STEPS = 10
"""Of each setting, however little time there is."""


@from_settings(PreviewConfig)
def preview(config: PreviewConfig) -> int:
    """A sheet of content errors by sizes of the painting: ``fststyle preview``.

    The pixels of a few photos descend to the loss that a training with the same settings has, which
    shows what a network comes to. Returns 0, or 130 when stopped: the sheet then holds what was
    done.

    Raises ValueError or FileNotFoundError with the reason: a painting, photos or weights that
    cannot be used.
    """
    check_writable(config.output)
    check_free_options(config, "output")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    painting, side = read_image(config.style, srgb=True), config.image_size
    photos = validation_images(find_images(config.content), (side, side), config.photos)
    content = to_device(photos.images, device)
    asked = StyleTrainConfig(
        style=config.style,
        content=config.content,
        name="preview",
        method="plain",
        loss_network=config.loss_network,
        style_size=config.style_size[0],
    )
    objective, _ = build_objective(asked, config.vgg_weights, None, device, DTYPES[precision])
    cells = [(size, error) for size in config.style_size for error in config.content_error]
    seconds = 60 * config.minutes / len(cells)
    rows: dict[int, list[Image.Image]] = {}
    bar = tqdm(total=60 * config.minutes, bar_format=SECONDS_BAR)
    with bar, watch_signals() as stop:
        for number, (size, error) in enumerate(cells):
            with autocast(device, precision):
                sized = objective.restyled(sized_paintings([painting], [size], device))
            descent = Descent(sized, content, error, precision)
            begun, steps, passed = time.perf_counter(), 0, 0.0
            while (passed < seconds or steps < LEAST_STEPS) and not stop.requested:
                # The first step's time is not known before it.
                part = max(passed / seconds, steps / 1000) if steps else 0.0
                descent.step(max(decay(part, 1.0, 0.5), 0.02))
                steps, passed = steps + 1, time.perf_counter() - begun
                bar.update(min(bar.total, seconds * number + min(passed, seconds)) - bar.n)
            if stop.requested:
                break
            options = f"--content-error {error:g} --style-size {size}"
            rows.setdefault(size, []).append(captioned(beside(descent.image), options))
    first = [
        captioned(beside(content), "photos"),
        captioned(resize(painting, side / painting.height), "painting"),
    ]
    write_image(sheet([first, *rows.values()], height=first[0].height), config.output)
    style, folder = (shlex.quote(str(path)) for path in (config.style, config.content))
    print(
        f"{config.output}: to train what a picture shows, add the options below it to\n"
        f"fststyle train --style {style} --content {folder} --name {shlex.quote(config.style.stem)}"
    )
    return 130 if stop.requested else 0


class Descent:
    """Pictures of ``content``, N×3×H×W in [0,1], on their way to a content error."""

    def __init__(
        self, objective: StyleObjective, content: Tensor, error: float, precision: str
    ) -> None:
        self.objective, self.error, self.precision = objective, error, precision
        self.image = content.clone().requires_grad_()
        self.optimizer = torch.optim.Adam([self.image], RATE, betas=(0.9, 0.99))
        self.weight = torch.tensor(FIRST, device=content.device)
        with autocast(content.device, precision):
            self.targets = objective.targets(content)

    def step(self, part: float) -> None:
        """One step of Adam at this part of ``RATE``."""
        with autocast(self.image.device, self.precision):
            terms = self.objective.compare(self.image, self.targets)
        self.objective.weights["content"] = self.weight
        self.optimizer.param_groups[0]["lr"] = RATE * part
        self.optimizer.zero_grad()
        self.objective.weighted_sum(terms).backward()
        self.optimizer.step()
        self.weight = follow(self.weight, self.objective.content_error(terms), self.error, GAIN)
        with torch.no_grad():
            self.image.clamp_(0, 1)


def beside(images: Tensor) -> Image.Image:
    """N×3×H×W in [0,1], one beside the other."""
    row = torch.cat(list(images.detach().float().cpu()), 2)
    return Image.fromarray(to_uint8(row.permute(1, 2, 0).numpy()))
