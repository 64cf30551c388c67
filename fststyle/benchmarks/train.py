"""Speed, measured side by side in one run: machines differ and drift, ratios hold."""

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fststyle.benchmarks.baselines import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    WEIGHTS,
    PlainStep,
    calibrated_extractor,
)
from fststyle.benchmarks.race import race
from fststyle.benchmarks.timing import alternate, median_ratio, print_table, processor, write_json
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.loading import shipped
from fststyle.config import BenchTrainConfig, StyleTrainConfig
from fststyle.config.calls import from_settings
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops, evenly_spread, validation_images
from fststyle.images.find import find_images
from fststyle.images.io import read_image
from fststyle.losses.build import sized_paintings
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.calibration import calibration_images
from fststyle.networks.transform import TransformNet
from fststyle.training.optimizers import build_optimizer
from fststyle.utils.device import (
    DTYPES,
    autocast,
    find_device,
    find_precision,
    keep_freed_memory,
    training_format,
)
from fststyle.utils.files import check_free_options

VALIDATION_PHOTOS = 8


@from_settings(BenchTrainConfig)
def bench_train(config: BenchTrainConfig) -> None:
    """``fststyle bench train``: prints a table, and writes JSON where asked to."""
    check_free_options(config, "json")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    pictures = calibration_images(config.batch_size + 1, config.image_size).to(device)
    batch, painting = pictures[:-1], pictures[-1:]

    def objective(name: str) -> StyleObjective:
        frozen = calibrated_extractor(name, device, config.vgg_weights)
        loss_fn = StyleObjective(frozen, [painting], CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS)
        frozen.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
        return loss_fn

    torch.manual_seed(0)
    network = TransformNet(config.width).to(device)
    plain = PlainStep(network, calibrated_extractor("vgg19", device, config.vgg_weights), painting)
    ours = OurStep(network, objective("vgg19"), precision)
    small = OurStep(TransformNet(config.width).to(device), objective("small"), precision)
    steps: dict[str, PlainStep | OurStep] = {
        "plain": plain,
        "fststyle": ours,
        "fststyle, small": small,
    }
    losses = {name: step.losses(batch) for name, step in steps.items()}
    seconds = alternate(
        {name: partial(step, batch) for name, step in steps.items()}, config.repeats, device
    )
    rows = [
        {
            "step": name,
            "precision": "fp32" if name == "plain" else precision,
            "seconds": statistics.median(times),
            "photos/s": config.batch_size / statistics.median(times),
            "times plain": median_ratio(seconds["plain"], times),
            **losses[name],
        }
        for name, times in seconds.items()
    ]
    print(processor(device))
    print_table(rows)
    result = {"train": rows, "image_size": config.image_size, "batch_size": config.batch_size}
    if config.content is not None:
        rate = loader_rate(config.content, config.image_size, config.batch_size)
        needed = config.batch_size / statistics.median(seconds["fststyle"])
        print(f"reading: {rate:.0f} photos/s in one process, {rate / needed:.0f} times the need")
        result["photos_read_per_second"] = rate
    if config.race:
        assert config.content is not None and config.style is not None  # as the settings check
        result["race"] = _race(config, config.content, config.style, precision, device)
    write_json(config.json, result)


def _race(
    config: BenchTrainConfig, content: Path, style: Path, precision: str, device: torch.device
) -> list[dict[str, Any]]:
    """The plain step, and ours: with the same optimizer, with Muon, with Muon from the base."""
    files = find_images(content)
    size = config.image_size, config.image_size
    held = evenly_spread(files, VALIDATION_PHOTOS)[:VALIDATION_PHOTOS]
    val = validation_images(held, size, VALIDATION_PHOTOS)
    (painting,) = sized_paintings([read_image(style, srgb=True)], (512,), device)
    plain_vgg = calibrated_extractor("vgg19", device, config.vgg_weights)
    vgg = calibrated_extractor("vgg19", device, config.vgg_weights)
    objective = StyleObjective(vgg, [painting], CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS)
    vgg.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    torch.manual_seed(0)
    network = TransformNet(config.width).to(device)
    runners: dict[str, PlainStep | OurStep] = {
        "plain": PlainStep(network, plain_vgg, painting),
        "fststyle, adam": OurStep(copy.deepcopy(network), objective, precision),
        "fststyle, muon": OurStep(copy.deepcopy(network), objective, precision, optimizer="muon"),
    }
    base = shipped().get(f"base_{config.width}")
    if base is not None:
        begun = load(base, STYLE).network.train().to(device)
        runners["fststyle, muon, base"] = OurStep(begun, objective, precision, optimizer="muon")

    def loss_of(name: str) -> float:
        terms = runners[name].losses(val.images.to(device).float().div_(255))
        return sum(WEIGHTS[term] * value for term, value in terms.items())

    crops = PhotoCrops([file for file in files if file not in held] or files, size, seed=0)
    steps: dict[str, Callable[[Tensor], None]] = {**runners}
    rows = race(config.race, steps, loss_of, crops, config.batch_size, device)
    print_table(rows)
    return rows


class OurStep:
    """One optimizer step of ``train``; ``content_weights`` are ``StyleObjective``'s."""

    def __init__(
        self,
        network: TransformNet,
        objective: StyleObjective,
        precision: str,
        content_weights: Tensor | None = None,
        *,
        optimizer: str = "adam",
    ) -> None:
        self.precision, self.objective = precision, objective
        self.content_weights = content_weights
        self.device = next(network.parameters()).device
        self.layout = training_format(self.device, precision)
        self.network = network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.optimizer = build_optimizer(optimizer, self.network, 1e-3)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")

    def _terms(self, content: Tensor) -> dict[str, Tensor]:
        content = content.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            output = self.network(content.contiguous(memory_format=self.layout))
            output = output.contiguous(memory_format=torch.channels_last)
            return self.objective(
                output, content, self.content_weights, depth_part=StyleTrainConfig.depth_part
            )

    def losses(self, content: Tensor) -> dict[str, float]:
        """Unweighted terms on N×3×H×W images in [0,1], with no step taken."""
        with torch.no_grad():
            return {name: term.item() for name, term in self._terms(content).items()}

    def __call__(self, content: Tensor) -> None:
        loss = self.objective.weighted_sum(self._terms(content))
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()


def loader_rate(folder: Path, size: int, batch_size: int, batches: int = 40) -> float:
    """Photos per second that one process reads, crops and hands over."""
    crops = PhotoCrops(find_images(folder), (size, size), seed=0)
    loader = iter(load_batches(crops, SampleNumbers(0, batch_size, 1, 0, 1), 1, False))
    next(loader)
    started = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return batches * batch_size / (time.perf_counter() - started)
