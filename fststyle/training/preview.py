"""``fststyle preview``: what a painting gives with several settings, before it is trained."""

import shlex
import time
from itertools import product

import torch
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from fststyle.checkpoints import STYLE, load
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
from fststyle.training.optimizers import Muon
from fststyle.training.shifts import phase_crop
from fststyle.utils.device import (
    DTYPES,
    autocast,
    find_device,
    find_precision,
    keep_freed_memory,
    training_format,
)
from fststyle.utils.files import check_free_options
from fststyle.utils.schedules import decay
from fststyle.utils.signals import watch_signals

RATE = 1e-3
"""Muon's, as in a training; it falls to zero over the second half of each cell."""
GAIN = 0.2
"""How fast the content loss's weight moves: photos that stay the same shake its error less than
crops do."""
LEAST_STEPS = 5
"""Of each setting, however little time there is."""
FIRST_SHARE = 3
"""Of the first setting in the time, in parts of another's: it begins with no painting's network."""


@from_settings(PreviewConfig)
def preview(config: PreviewConfig) -> int:
    """A sheet of content errors by sizes of the painting: ``fststyle preview``.

    The network that trainings begin with is fitted to the few photos that are shown, to one setting
    after another: strokes are then a network's, as after a training, and photos that are seen again
    and again take a style much sooner. Returns 0, or 130 when stopped: the sheet then holds what
    was done.

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
    fitting = Fitting(content, precision)
    cells = list(product(config.style_size, config.content_error))
    share = 60 * config.minutes / (len(cells) + FIRST_SHARE - 1)
    rows: dict[int, list[Image.Image]] = {}
    bar = tqdm(total=60 * config.minutes, bar_format=SECONDS_BAR)
    with bar, watch_signals() as stop:
        due = 0.0
        for size, error in cells:
            with autocast(device, precision):
                sized = objective.restyled(sized_paintings([painting], [size], device))
            seconds = share if rows else FIRST_SHARE * share
            begun, steps, passed = time.perf_counter(), 0, 0.0
            while (passed < seconds or steps < LEAST_STEPS) and not stop.requested:
                fitting.step(sized, error, max(0.0, decay(passed, seconds, 0.5)))
                steps, passed = steps + 1, time.perf_counter() - begun
                bar.update(due + min(passed, seconds) - bar.n)
            if stop.requested:
                break
            due += seconds
            options = f"--content-error {error:g} --style-size {size}"
            rows.setdefault(size, []).append(captioned(beside(fitting.pictures()), options))
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


class Fitting:
    """A network, begun with the base, that is fitted to ``content``, N×3×H×W in [0,1]."""

    def __init__(self, content: Tensor, precision: str) -> None:
        self.content, self.precision = content, precision
        self.layout = training_format(content.device, precision)
        self.network = load("base_32", STYLE).network.to(content.device)
        self.network.train().to(memory_format=self.layout)
        self.optimizer = Muon(self.network, RATE)
        self.scaler = torch.amp.GradScaler(content.device.type, enabled=precision == "fp16")
        self.weight = torch.tensor(FIRST, device=content.device)
        self.steps = 0

    def step(self, objective: StyleObjective, error: float, part: float) -> None:
        """One step, at this part of ``RATE``, towards a content error."""
        content = self.content.contiguous(memory_format=self.layout)
        with autocast(content.device, self.precision):
            terms = objective(
                phase_crop(self.network(content), self.steps),
                phase_crop(self.content, self.steps),
            )
        objective.weights["content"] = self.weight
        self.optimizer.param_groups[0]["lr"] = self.optimizer.param_groups[1]["lr"] = RATE * part
        self.optimizer.zero_grad()
        self.scaler.scale(objective.weighted_sum(terms)).backward()
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.scaler.is_enabled() or norm.isfinite():  # the scaler looks for itself
            self.scaler.step(self.optimizer)
        self.scaler.update()
        self.weight = follow(self.weight, objective.content_error(terms), error, GAIN)
        self.steps += 1

    @torch.no_grad()
    def pictures(self) -> Tensor:
        """N×3×H×W in [0,1]: what the network makes of the content by now."""
        with autocast(self.content.device, self.precision):
            return self.network(self.content).float().clamp(0, 1)


def beside(images: Tensor) -> Image.Image:
    """N×3×H×W in [0,1], one beside the other."""
    row = torch.cat(list(images.detach().float().cpu()), 2)
    return Image.fromarray(to_uint8(row.permute(1, 2, 0).numpy()))
