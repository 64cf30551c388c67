"""What depth costs: multiply-adds, share of a style-training step, pair sampling."""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fststyle.benchmark import OurStep, alternate, print_table, write_json
from fststyle.config import BenchDepthConfig
from fststyle.data.pairs import differences, sample_pairs
from fststyle.depth_network import depth_extractor
from fststyle.losses import ranking_loss
from fststyle.networks.calibration import calibration_images
from fststyle.networks.depth_head import LAYERS, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features
from fststyle.training.device import (
    DTYPES,
    autocast,
    find_device,
    find_precision,
    keep_freed_memory,
)

KNOWN = 0.08
"""Part of a KITTI crop's pixels whose depth is known."""


def bench_depth(config: BenchDepthConfig) -> None:
    """``fststyle bench depth``: prints tables, and writes JSON where asked to."""
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    torch.manual_seed(0)
    extractor, _ = depth_extractor(config.vgg_weights)
    extractor.to(device)
    size = config.image_size
    images = calibration_images(config.batch_size + 1, size).to(device)
    batch = images[:-1].contiguous(memory_format=torch.channels_last)
    costs = costs_per_pixel(extractor, size, device)  # before the step makes its weights bfloat16
    style = OurStep(TransformNet().to(device), extractor, images[-1:], precision)
    head, hourglass = VGGDepthHead(), HourglassDepth()
    for network in (head, hourglass):
        network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    terms: dict[str, Callable[[], object]] = {
        "vgg_head": lambda: head_term(head, extractor, batch, precision),
        "hourglass": lambda: image_term(hourglass, batch, precision),
        "hourglass, pooled by 2": lambda: image_term(
            nn.Sequential(nn.AvgPool2d(2), hourglass), batch, precision
        ),
    }
    features = features_only(extractor, batch, precision)
    seconds = alternate(
        {"style step": lambda: style(batch), **terms, "features": features}, config.repeats, device
    )
    # The style step makes these features anyway; the head's term is timed with them and less them.
    shared = statistics.median(seconds.pop("features"))
    rows = []
    for name, times in seconds.items():
        median = statistics.median(times) - (shared if name == "vgg_head" else 0)
        rows.append(
            {
                "what": name,
                "multiply-adds per pixel": costs.get(name),
                "seconds": median,
                "part of a style step": median / statistics.median(seconds["style step"]),
            }
        )
    print(f"{size} px, batch {config.batch_size}, {device.type}, {precision}")
    print_table(rows)
    sampling = sampling_share(extractor, precision, config.repeats, device)
    print(
        f"KITTI-rule pairs, batch 8 at 224x288: {sampling['sampling']:.3f} s of a"
        f" {sampling['vgg_head']:.2f} s step (vgg_head), {sampling['hourglass']:.2f} s (hourglass)"
    )
    write_json(
        config.json,
        {
            "depth": rows,
            "image_size": size,
            "batch_size": config.batch_size,
            "precision": precision,
            "sampling": sampling,
        },
    )


def costs_per_pixel(extractor: VGG19Features, size: int, device: torch.device) -> dict[str, float]:
    """Multiply-adds of one forward pass per pixel of the image."""

    def count(run: Callable[[], object]) -> float:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        return counter.get_total_flops() / 2 / size**2

    image = torch.rand(1, 3, size, size, device=device)
    features = extractor(image, LAYERS)
    head, hourglass = VGGDepthHead().to(device).eval(), HourglassDepth().to(device).eval()
    whole = count(lambda: hourglass(image))
    return {
        "vgg_head": count(lambda: head(features)),
        "hourglass": whole,
        "hourglass, pooled by 2": whole / 4,
        "VGG-19 to relu4_3": count(lambda: extractor(image, LAYERS)),
    }


def image_term(network: nn.Module, batch: Tensor, precision: str) -> None:
    """Depth of a content without gradient, of an output with the gradient to it."""
    output = batch.clone().requires_grad_()
    with autocast(batch.device, precision):
        with torch.no_grad():
            target = network(batch)
        loss = (network(output) - target).float().square().mean()
    loss.backward()


def features_only(
    extractor: VGG19Features, batch: Tensor, precision: str
) -> Callable[[], dict[str, Tensor]]:
    """The features that ``head_term`` starts from."""

    @torch.no_grad()
    def run() -> dict[str, Tensor]:
        with autocast(batch.device, precision):
            return extractor(batch, LAYERS)

    return run


def head_term(head: VGGDepthHead, extractor: VGG19Features, batch: Tensor, precision: str) -> None:
    """As ``image_term``, from VGG-19's features and back to them."""
    features = features_only(extractor, batch, precision)()
    output = {name: maps.detach().requires_grad_() for name, maps in features.items()}
    with autocast(batch.device, precision):
        with torch.no_grad():
            target = head(features)
        loss = (head(output) - target).float().square().mean()
    loss.backward()


def sampling_share(
    extractor: VGG19Features, precision: str, repeats: int, device: torch.device
) -> dict[str, float]:
    """Seconds of the thesis's pair sampling, and of the training steps it is a part of."""
    images = calibration_images(8, 288)[:, :, :224].to(device)
    images = images.contiguous(memory_format=torch.channels_last)
    depth = torch.rand(8, 1, 224, 288, device=device)
    depth[torch.rand_like(depth) > KNOWN] = float("nan")
    pairs = sample_pairs(depth, 3000, max_distance=40)
    extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)

    def step(network: nn.Module) -> Callable[[], None]:
        network.to(device).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)

        def run() -> None:
            with autocast(device, precision):
                given: Any = images
                if isinstance(network, VGGDepthHead):
                    with torch.no_grad():
                        given = extractor(images, LAYERS)
                d = differences(network(given), pairs)
            ranking_loss(d, pairs.order, pairs.valid).backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    seconds = alternate(
        {
            "sampling": lambda: sample_pairs(depth, 3000, max_distance=40),
            "vgg_head": step(VGGDepthHead()),
            "hourglass": step(HourglassDepth()),
        },
        repeats,
        device,
    )
    return {name: statistics.median(times) for name, times in seconds.items()}
