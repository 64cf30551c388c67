"""Per-image optimization beside a loop written straight from the paper."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor
from tqdm import trange

from fststyle.benchmarks.baselines import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    PlainDescent,
    calibrated_extractor,
)
from fststyle.benchmarks.timing import alternate, median_ratio, print_table, write_json
from fststyle.checkpoints import STYLE, load
from fststyle.config import BenchOptimizeConfig, parse_size
from fststyle.config.calls import from_settings
from fststyle.images.io import read_image
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.calibration import calibration_images
from fststyle.optimization.lbfgs import LBFGS
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.files import check_free_options
from fststyle.utils.tensors import as_tensor

WEIGHTS = {"content": 1.0, "style": 4.0}


@from_settings(BenchOptimizeConfig)
def bench_optimize(config: BenchOptimizeConfig) -> None:
    """``fststyle bench optimize``: prints a table, and writes JSON where asked to."""
    check_free_options(config, "json")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    size = parse_size(config.size)
    drawn = calibration_images(2, max(size))[..., : size[0], : size[1]]
    content = _cut(config.content, size) if config.content else drawn[:1]
    painting = _cut(config.style, size) if config.style else drawn[1:]
    content, painting = content.to(device), painting.to(device)

    loss_fn = calibrated_extractor("vgg19", device, config.vgg_weights)
    plain = PlainDescent(loss_fn, content, painting, WEIGHTS, config.history)
    frozen = calibrated_extractor("vgg19", device, config.vgg_weights)
    objective = StyleObjective(frozen, [painting], CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS)
    frozen.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    ours = OurDescent(objective, content, precision, config.history)
    runs: dict[str, PlainDescent | OurDescent] = {"plain": plain, "fststyle": ours}
    steps: dict[str, Callable[[], object]] = {name: run.step for name, run in runs.items()}
    seconds = {name: list[float]() for name in runs}
    for _ in trange(max(1, config.steps // ROUND), unit="round", desc=f"{ROUND} steps of each"):
        for name, times in alternate(steps, ROUND - 1, device).items():
            seconds[name] += times
    rows: list[dict[str, Any]] = [
        {
            "loop": name,
            "precision": "fp32" if name == "plain" else precision,
            "seconds": statistics.median(seconds[name]),
            "times plain": median_ratio(seconds["plain"], seconds[name]),
            "steps": runs[name].steps,
            # Of what is written: clamped, by the plain loop's own loss.
            "final loss": plain.loss_of(runs[name].picture),
            "unclamped": plain.loss_of(runs[name].image),
        }
        for name in runs
    ]
    print(f"{size[0]}×{size[1]}, {device.type}, L-BFGS with {config.history} pairs")
    print_table(rows)
    result = {"optimize": rows, "size": size, "history": config.history}
    least = rows[0]["final loss"]
    reached = next((i for i, loss in enumerate(ours.curve) if loss <= least), None)
    print(f"fststyle reaches the plain loop's final loss after {reached} steps of {plain.steps}")
    result["steps_from_photo"] = reached
    if config.network:
        network = load(config.network, STYLE).network
        with torch.inference_mode():
            start = network.to(device)(content).clamp(0, 1)
        from_network = OurDescent(objective, content, precision, config.history, start.clone())
        while from_network.steps < plain.steps and plain.loss_of(from_network.picture) > least:
            from_network.step()
        print(
            f"from {config.network.name}'s picture fststyle reaches the plain loop's final loss"
            f" after {from_network.steps} steps of {plain.steps}"
        )
        result["steps_from_network"] = from_network.steps
    write_json(config.json, result)


ROUND = 10


def _cut(path: Path, size: tuple[int, int]) -> Tensor:
    image = read_image(path, srgb=True)
    return as_tensor(ImageOps.fit(image, size[::-1], Image.Resampling.BICUBIC))


class OurDescent:
    """The descent that ``optimize`` runs."""

    def __init__(
        self,
        objective: StyleObjective,
        content: Tensor,
        precision: str,
        history: int,
        start: Tensor | None = None,
    ) -> None:
        self.objective, self.precision, self.steps = objective, precision, 0
        self.curve: list[float] = []
        self.device = content.device
        with autocast(self.device, precision):
            self.targets = objective.targets(content.contiguous(memory_format=torch.channels_last))
        start = content if start is None else start
        self.image = start.clone(memory_format=torch.contiguous_format)
        self.optimizer = LBFGS(self.image, history=history)

    def step(self) -> None:
        """One gradient, one step."""
        image = self.image.detach().requires_grad_()
        with autocast(self.device, self.precision):
            terms = self.objective.compare(
                image.contiguous(memory_format=torch.channels_last), self.targets
            )
        loss = self.objective.weighted_sum(terms)
        (gradient,) = torch.autograd.grad(loss, image)
        self.curve.append(loss.item())
        self.optimizer.step(gradient)
        self.steps += 1

    @property
    def picture(self) -> Tensor:
        """What would be written."""
        return self.image
