"""Speed, measured side by side in one run: machines differ and drift, ratios hold."""

import statistics
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fststyle.benchmarks.baselines import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    WEIGHTS,
    PlainStep,
    calibrated_extractor,
)
from fststyle.benchmarks.timing import alternate, median_ratio, print_table, write_json
from fststyle.config import BenchTrainConfig, StyleTrainConfig
from fststyle.config.calls import from_settings
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
from fststyle.images.find import find_images
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.calibration import calibration_images
from fststyle.networks.transform import TransformNet
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.files import check_free_options


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
    print_table(rows)
    result = {"train": rows, "image_size": config.image_size, "batch_size": config.batch_size}
    if config.content is not None:
        rate = loader_rate(config.content, config.image_size, config.batch_size)
        needed = config.batch_size / statistics.median(seconds["fststyle"])
        print(f"reading: {rate:.0f} photos/s in one process, {rate / needed:.0f} times the need")
        result["photos_read_per_second"] = rate
    write_json(config.json, result)


class OurStep:
    """One optimizer step of ``train``; ``content_weights`` are ``StyleObjective``'s."""

    def __init__(
        self,
        network: TransformNet,
        objective: StyleObjective,
        precision: str,
        content_weights: Tensor | None = None,
    ) -> None:
        self.precision, self.objective = precision, objective
        self.content_weights = content_weights
        self.network = network.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
        self.device = next(network.parameters()).device
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")

    def _terms(self, content: Tensor) -> dict[str, Tensor]:
        content = content.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            output = self.network(content).contiguous(memory_format=torch.channels_last)
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
