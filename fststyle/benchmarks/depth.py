"""What depth costs: multiply-adds, steps of every method of style training, pair sampling."""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from fststyle.benchmarks.baselines import CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS
from fststyle.benchmarks.timing import (
    alternate,
    median_ratio,
    multiply_adds,
    print_table,
    write_json,
)
from fststyle.benchmarks.train import OurStep
from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import SHIPPED, depth_extractor
from fststyle.checkpoints.files import load_card
from fststyle.config import BenchDepthConfig
from fststyle.config.calls import from_settings
from fststyle.data.depth.pairs import differences, sample_pairs
from fststyle.depth.estimator import training_size
from fststyle.losses.depth import for_loss
from fststyle.losses.functional import ranking_loss
from fststyle.losses.perceptual import StyleObjective
from fststyle.losses.weight_maps import content_weights, gradient_weight_map
from fststyle.networks.calibration import calibration_images
from fststyle.networks.depth_head import LAYERS, VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.files import check_free_options

SAMPLED = (8, 224, 288)
"""Batch, height and width where pairs are sampled: those of ``depth train``."""
KNOWN = 0.08
"""Part of a KITTI crop's pixels whose depth is known."""


@from_settings(BenchDepthConfig)
def bench_depth(config: BenchDepthConfig) -> None:
    """``fststyle bench depth``: prints tables, and writes JSON where asked to."""
    check_free_options(config, "json")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    torch.manual_seed(0)
    extractor, _ = depth_extractor(config.vgg_weights)
    extractor.to(device)
    size = config.image_size
    costs = costs_per_pixel(extractor, size, device)  # before the steps make its weights bfloat16
    steps = method_steps(extractor, size, config.batch_size, device, precision)
    seconds = alternate(steps, config.repeats, device)
    rows = [
        {
            "step": name,
            "seconds": statistics.median(times),
            "times plain": 1 / median_ratio(seconds["plain"], times),
        }
        for name, times in seconds.items()
    ]
    print(f"{size} px, batch {config.batch_size}, {device.type}, {precision}")
    print_table(rows)
    print_table(
        [{"multiply-adds per pixel": name, "forward": cost} for name, cost in costs.items()]
    )
    count, height, width = SAMPLED
    sampling = sampling_share(extractor, precision, config.repeats, device)
    print(
        f"KITTI-rule pairs, batch {count} at {height}x{width}: {sampling['sampling']:.3f} s of a"
        f" {sampling['vgg_head']:.2f} s step (vgg_head), {sampling['hourglass']:.2f} s (hourglass)"
    )
    write_json(
        config.json,
        {
            "steps": rows,
            "multiply_adds_per_pixel": costs,
            "image_size": size,
            "batch_size": config.batch_size,
            "precision": precision,
            "sampling": sampling,
        },
    )


def new_head() -> VGGDepthHead:
    """One built as that which ships, without training."""
    return VGGDepthHead(**load_card(SHIPPED / "vgg_head.safetensors").get("network", {}))


def method_steps(
    extractor: VGG19Features, size: int, batch_size: int, device: torch.device, precision: str
) -> dict[str, Callable[[], None]]:
    """Whole steps of style training on one batch, by method and depth network."""
    images = calibration_images(batch_size + 1, size).to(device)
    batch, painting = images[:-1].contiguous(memory_format=torch.channels_last), images[-1:]
    weight_map = gradient_weight_map(size, size, "vertical").expand(batch_size, -1, -1, -1)
    alphas = content_weights(weight_map.to(device), 1, 5)
    hourglass = load("hourglass", DEPTH)
    depths: dict[str, nn.Module | None] = {
        "plain": None,
        "weighted": None,
        "depth, vgg_head": VGGDepth(extractor, new_head().eval()),
        "combined, vgg_head": VGGDepth(extractor, new_head().eval()),
        "combined, hourglass": hourglass.network,
    }
    network = TransformNet().to(device)
    steps: dict[str, Callable[[], None]] = {}
    for name, depth in depths.items():
        frozen = None
        if depth is not None:
            depth.to(device).requires_grad_(False)
            frozen = for_loss(depth, training_size(hourglass.card), DTYPES[precision])
        weights = {**WEIGHTS, "depth": 0.0 if depth is None else 1.0}
        objective = StyleObjective(
            *(extractor, [painting], CONTENT_LAYERS, STYLE_LAYERS, weights), depth=frozen
        )
        weighted = name.startswith(("weighted", "combined"))
        step = OurStep(network, objective, precision, alphas if weighted else None)
        steps[name] = partial(step, batch)
    extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    return steps


def costs_per_pixel(extractor: VGG19Features, size: int, device: torch.device) -> dict[str, float]:
    """Multiply-adds of one forward pass per pixel of the image."""
    image = torch.rand(1, 3, size, size, device=device)
    features = extractor(image, LAYERS)
    head, hourglass = new_head().to(device).eval(), HourglassDepth().to(device).eval()
    return {
        "vgg_head": multiply_adds(lambda: head(features)) / size**2,
        "hourglass": multiply_adds(lambda: hourglass(image)) / size**2,
        "VGG-19 to relu4_3": multiply_adds(lambda: extractor(image, LAYERS)) / size**2,
    }


def sampling_share(
    extractor: VGG19Features, precision: str, repeats: int, device: torch.device
) -> dict[str, float]:
    """Seconds of the thesis's pair sampling, and of the training steps it is a part of."""
    count, height, width = SAMPLED
    images = calibration_images(count, max(height, width))[:, :, :height, :width].to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    depth = torch.rand(count, 1, height, width, device=device)
    depth[torch.rand_like(depth) > KNOWN] = float("nan")
    pairs = sample_pairs(depth, 3000, max_distance=40)
    extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)

    def step(network: nn.Module) -> Callable[[], None]:
        network.to(device).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)

        def run() -> None:
            with autocast(device, precision):
                network_input: Any = images
                if isinstance(network, VGGDepthHead):
                    with torch.no_grad():
                        network_input = extractor(images, LAYERS)
                gaps = differences(network(network_input), pairs)
            ranking_loss(gaps, pairs.order, pairs.valid).backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    seconds = alternate(
        {
            "sampling": lambda: sample_pairs(depth, 3000, max_distance=40),
            "vgg_head": step(new_head()),
            "hourglass": step(HourglassDepth()),
        },
        repeats,
        device,
    )
    return {name: statistics.median(times) for name, times in seconds.items()}
