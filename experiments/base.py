"""The networks that trainings begin with, ``checkpoints/base/``: one for many paintings each, with
kernels in common and norms for each painting and stroke size (conditional instance norm, Dumoulin
et al. 2017).

    python experiments/base.py paintings/ photos/ --width 32 --minutes 60

What ships is the network with the norms of one of the paintings: an ordinary style network. From it
a training of another painting is further after 40 steps than from the mean of all norms: relative
loss of The Scream 3.25 against 3.79, after 60 of Udnie 2.68 against 2.96. To train the norms alone
first gained 25 % after 15 steps, and nothing after 60. Goes on where it was stopped.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from fststyle.checkpoints.files import load_tensors, save_tensors
from fststyle.checkpoints.style import save_transform
from fststyle.config import StyleTrainConfig, to_json
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops, fingerprint
from fststyle.images.find import find_images
from fststyle.images.io import read_image
from fststyle.losses.build import build_objective, sized_paintings
from fststyle.losses.functional import relative_content_loss, relative_style_loss
from fststyle.networks.transform import InstanceNorm, TransformNet
from fststyle.training.content_weight import follow
from fststyle.training.loop import SECONDS_BAR, to_device
from fststyle.training.optimizers import Muon
from fststyle.training.shifts import phase_crop
from fststyle.training.state import TrainingState
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.files import sha256
from fststyle.utils.schedules import decay
from fststyle.utils.versions import versions

RATE, NORMS_RATE, DECAY = 1e-3, 2.0, 0.4
"""Adam's rate; what norms have in parts of it, since a step trains those of a few paintings only;
and the last part of the time over which both fall to zero."""
MEMORY, GAIN = 0.9, 0.05
"""Of a painting's content error from one of its steps to the next, and of its weight."""
FIXED = 60
"""Steps before the weights of the content losses follow: of photos that are not yet recognized an
error says nothing."""
NOTE = (
    "To begin trainings with: its kernels are for all of these paintings, its norms for one. Who"
    " made the photos it was trained on is told by PHOTOS.csv."
)
LICENCE = (
    "MIT, as far as the makers of fststyle are concerned. The paintings are in the public domain."
    " VGG-19, which judged the pictures: Oxford VGG, CC BY 4.0. The photos permit any use."
)
SAVED_EVERY = 120.0
"""Seconds."""


class ConditionalNorm(InstanceNorm):
    """Instance norm with a scale and a shift for every painting."""

    def __init__(self, channels: int, paintings: int) -> None:
        nn.Module.__init__(self)
        self.weights = nn.ParameterList(torch.ones(channels) for _ in range(paintings))
        self.biases = nn.ParameterList(torch.zeros(channels) for _ in range(paintings))
        self.rows: list[int] = []
        """The painting of each image of the batch."""

    def forward(self, x: Tensor) -> Tensor:
        images = (
            F.batch_norm(
                image, None, None, self.weights[row], self.biases[row], True, 0.0, self.eps
            )
            for image, row in zip(x.split(1), self.rows, strict=True)
        )
        return torch.cat(list(images))


def conditional(width: int, paintings: int) -> tuple[TransformNet, list[ConditionalNorm]]:
    """A network with norms for so many paintings, and these norms."""
    network = TransformNet(width)
    norms = []
    for module in list(network.modules()):
        norm = getattr(module, "norm", None)
        if isinstance(norm, InstanceNorm):
            norms.append(ConditionalNorm(len(norm.weight), paintings))
            module.norm = norms[-1]
    return network, norms


def with_norms_of(network: TransformNet, row: int) -> TransformNet:
    """An ordinary style network: with the norms of the painting number ``row``."""
    state, alone = network.state_dict(), TransformNet(network.width)
    names = {"weight": f"weights.{row}", "bias": f"biases.{row}"}
    tensors = {}
    for name in alone.state_dict():
        module, _, kind = name.rpartition(".")
        tensors[name] = state[f"{module}.{names[kind]}" if ".norm." in name else name]
    alone.load_state_dict(tensors)
    return alone


class BaseTask:
    """The network's loss, of a few of the paintings at every step; the
    weights of the paintings' content losses are kept in the training state's memory.
    """

    def __init__(self, config: StyleTrainConfig, norms: list[ConditionalNorm]) -> None:
        self.config, self.norms = config, norms
        self.device = find_device(config.device)
        self.precision = find_precision(config.precision, self.device)
        self.loss_fn, self.loss_network = build_objective(
            config, None, None, self.device, DTYPES[self.precision]
        )
        paintings = [read_image(path, srgb=True) for path in config.style]
        with autocast(self.device, self.precision):
            each = [
                self.loss_fn.restyled(sized_paintings([painting], [size], self.device))
                for painting in paintings
                for size in config.style_size
            ]
        self.styles = len(each)
        self.grams = {
            name: torch.stack([one.grams[name][0] for one in each]) for name in self.loss_fn.grams
        }

    def first_memory(self) -> dict[str, Tensor]:
        """By painting, the weight of the content loss and its running error."""
        weights = torch.ones(self.styles, device=self.device)
        return {"weights": weights, "errors": torch.full_like(weights, torch.nan)}

    def loss(self, state: TrainingState, images: Tensor) -> Tensor:
        """The mean loss of ``images``, N×3×H×W in [0,1], each in the style of another painting."""
        config, step = self.config, state.step
        order = torch.Generator().manual_seed(step)
        rows = torch.randperm(self.styles, generator=order)[: len(images)].tolist()
        for norm in self.norms:
            norm.rows = rows
        with autocast(self.device, self.precision):
            output = phase_crop(state.network(images), step, config.grid_shift)
            content = phase_crop(images, step, config.grid_shift)
            maps = self.loss_fn.maps(output)
            with torch.no_grad():
                targets = self.loss_fn.maps(content)
        (content_layer,) = config.content_layers
        losses = []
        for place, row in enumerate(rows):
            one = slice(place, place + 1)
            style = sum(
                factor * relative_style_loss(maps[layer][one], self.grams[layer][row])
                for layer, factor in zip(config.style_layers, config.layer_factors, strict=True)
            )
            error = relative_content_loss(maps[content_layer][one], targets[content_layer][one])
            losses.append(style + state.memory["weights"][row].clone() * error)
            if step >= FIXED:
                assert config.wanted_error is not None
                lead(state.memory, row, error.detach(), config.wanted_error)
        return torch.stack(losses).mean()


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("paintings", type=Path, help="folder of paintings")
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--without", nargs="*", default=[], help="paintings to leave out, by name")
    parser.add_argument("--norms", default="starry_night", help="painting whose norms ship")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--image-size", type=int, default=384)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--style-size", type=int, nargs="+", default=[640, 400])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--content-error", type=float, default=0.62)
    parser.add_argument("--threads", type=int, help="default: all cores")
    parser.add_argument("--output", type=Path, required=True, help="NAME.safetensors")
    return parser.parse_args()


def train(task: BaseTask, state: TrainingState, photos: list[Path], state_file: Path) -> None:
    """Steps until the time is over; the state is saved every ``SAVED_EVERY``."""
    config = task.config
    total = config.seconds
    assert total is not None
    crops = PhotoCrops(photos, config.crop_size, config.seed)
    numbers = SampleNumbers(state.samples, config.batch_size, 1, 0, 1)
    batches = load_batches(crops, numbers, config.workers or 0, task.device.type == "cuda")
    clock = saved = time.perf_counter()
    with tqdm(total=total, initial=state.seconds, bar_format=SECONDS_BAR) as bar:
        while state.seconds < total:
            for group in state.optimizer.param_groups:
                warm_up = (state.step + 1) / 20
                group["lr"] = RATE * min(1.0, warm_up, decay(state.seconds, total, DECAY))
            loss = task.loss(state, to_device(next(batches).images, task.device))
            loss.backward()
            if nn.utils.clip_grad_norm_(state.network.parameters(), math.inf).isfinite():
                state.optimizer.step()
            state.optimizer.zero_grad()
            state.step, state.samples = state.step + 1, state.samples + config.batch_size
            before, clock = clock, time.perf_counter()
            state.seconds += clock - before
            bar.update(min(state.seconds, total) - bar.n)
            bar.set_postfix_str(f"step {state.step} loss {loss.item():.3g}")
            if clock - saved > SAVED_EVERY or state.seconds >= total:
                saved = clock
                save_tensors(state_file, *state.capture())


def main() -> None:
    options = read_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    torch.manual_seed(0)
    paintings = [p for p in find_images(options.paintings) if p.stem not in options.without]
    photos = find_images(options.photos)
    config = StyleTrainConfig(
        style=paintings,
        content=options.photos,
        name=options.output.stem,
        method="plain",
        content_error=options.content_error,
        image_size=options.image_size,
        batch_size=options.batch_size,
        width=options.width,
        style_size=tuple(options.style_size),
        workers=options.workers,
        time=f"{options.minutes:g}m",
        lr=RATE,
        lr_decay=DECAY,
        init="none",
    )
    network, norms = conditional(options.width, len(paintings) * len(config.style_size))
    task = BaseTask(config, norms)
    network.to(task.device).to(memory_format=torch.channels_last)
    optimizer = Muon(network, RATE)
    optimizer.param_groups[1]["rate"] = NORMS_RATE
    scaler = torch.amp.GradScaler(task.device.type, enabled=False)
    state = TrainingState(network, optimizer, scaler)
    state.memory |= task.first_memory()
    state_file = options.output.with_suffix(".state")
    if state_file.exists():
        state.restore(*load_tensors(state_file))
    train(task, state, photos, state_file)
    card = {
        "style": [{"name": path.name, "sha256": sha256(path)} for path in paintings],
        "photo_order": fingerprint(photos, options.photos),
        "settings": to_json(config),
        "step": state.step,
        "loss_network": task.loss_network,
        "versions": versions(),
        "note": NOTE,
        "licence": LICENCE,
    }
    # The norms of the first size.
    row = [path.stem for path in paintings].index(options.norms) * len(config.style_size)
    save_transform(options.output, with_norms_of(network, row), card, half=True)


def lead(memory: dict[str, Tensor], row: int, error: Tensor, wanted: float) -> None:
    """Take up the content error of a picture in the style of the painting ``row``."""
    before = memory["errors"][row]
    mean = torch.where(before.isnan(), error, MEMORY * before + (1 - MEMORY) * error)
    memory["errors"][row] = mean
    memory["weights"][row] = follow(memory["weights"][row], mean, wanted, GAIN)


if __name__ == "__main__":
    main()
