"""Speed, measured side by side in one run: machines differ and drift, ratios hold."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import fststyle
from fststyle.checkpoints.loss_network import load_loss_network
from fststyle.checkpoints.vgg import load_vgg19_state
from fststyle.config import BenchTrainConfig, StyleTrainConfig
from fststyle.data.photos import PhotoCrops, SampleNumbers, photo_loader
from fststyle.images.io import find_images
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.calibration import calibrate, calibration_images
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.networks.vgg import VGG19Features
from fststyle.utils import figures
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision, keep_freed_memory
from fststyle.utils.figures import check_free_options

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
WEIGHTS = {"content": 1.0, "style": 2.0}


def bench_train(config: BenchTrainConfig) -> None:
    """``fststyle bench train``: prints a table, and writes JSON where asked to."""
    check_free_options(config, "json")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    keep_freed_memory()
    state, _ = load_vgg19_state(config.vgg_weights)
    pictures = calibration_images(config.batch_size + 1, config.image_size).to(device)
    batch, painting = pictures[:-1], pictures[-1:]

    def extractor(weights: Mapping[str, Tensor]) -> VGG19Features:
        built = VGG19Features(weights, STYLE_LAYERS).to(device)
        calibrate(built)
        return built

    def objective(weights: Mapping[str, Tensor]) -> StyleObjective:
        frozen = extractor(weights)
        made = StyleObjective(frozen, [painting], CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS)
        frozen.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
        return made

    torch.manual_seed(0)
    network = TransformNet(config.width).to(device)
    plain = PlainStep(network, extractor(state), painting)
    ours = OurStep(network, objective(state), precision)
    small_state, _ = load_loss_network("small", None)
    small = OurStep(TransformNet(config.width).to(device), objective(small_state), precision)
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


class PlainStep:
    """The step as the paper has it, in float32 and NCHW: content, too, runs through the whole
    extractor, upsampling, normalization, Gram matrices and losses are PyTorch's own."""

    def __init__(self, network: TransformNet, extractor: VGG19Features, painting: Tensor) -> None:
        self.network = plain_network(network)
        self.extractor = extractor
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        with torch.no_grad():
            features = extractor(painting, STYLE_LAYERS)
        self.grams = {name: self._gram(maps) for name, maps in features.items()}

    @staticmethod
    def _gram(features: Tensor) -> Tensor:
        n, c, h, w = features.shape
        flat = features.view(n, c, h * w)
        return flat.bmm(flat.transpose(1, 2)) / (c * h * w)

    def _terms(self, content: Tensor) -> dict[str, Tensor]:
        output = self.network(content) * OUTPUT_SCALE + OUTPUT_CENTRE
        with torch.no_grad():
            targets = self.extractor(content, STYLE_LAYERS)
        features = self.extractor(output, STYLE_LAYERS)
        style = torch.zeros((), device=content.device)
        for name in STYLE_LAYERS:
            gram = self._gram(features[name])
            difference = F.mse_loss(gram, self.grams[name].expand_as(gram), reduction="sum")
            style = style + difference / len(content)
        return {"content": F.mse_loss(features["relu2_2"], targets["relu2_2"]), "style": style}

    def losses(self, content: Tensor) -> dict[str, float]:
        """Unweighted terms on N×3×H×W images in [0,1], with no step taken."""
        with torch.no_grad():
            return {name: term.item() for name, term in self._terms(content).items()}

    def __call__(self, content: Tensor) -> None:
        self.optimizer.zero_grad()
        terms = self._terms(content)
        (terms["content"] + WEIGHTS["style"] * terms["style"]).backward()
        self.optimizer.step()


def plain_network(network: TransformNet) -> nn.Sequential:
    """A copy of ``network`` out of PyTorch's own layers, without its last scaling."""

    def conv(of: nn.Conv2d) -> list[nn.Module]:
        out, into, size, _ = of.weight.shape
        copy = nn.Conv2d(into, out, size, of.stride[0])
        copy.load_state_dict(of.state_dict())
        return [nn.ReflectionPad2d(size // 2), copy]

    def norm(of: nn.Module) -> nn.Module:
        assert isinstance(of.weight, Tensor)
        copy = nn.InstanceNorm2d(len(of.weight), affine=True)
        copy.load_state_dict(of.state_dict())
        return copy

    class Sum(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return x + super().forward(x)

    layers: list[nn.Module] = []
    for down in (network.down1, network.down2, network.down3):
        layers += [*conv(down.conv), norm(down.norm), nn.ReLU()]
    for block in network.residuals:
        first, second = block.conv1, block.conv2
        inside = [*conv(first.conv), norm(first.norm), nn.ReLU()]  # type: ignore[union-attr,arg-type]
        inside += [*conv(second.conv), norm(second.norm)]  # type: ignore[union-attr,arg-type]
        layers.append(Sum(*inside))
    for up in (network.up1, network.up2):
        layers += [nn.Upsample(scale_factor=2), *conv(up.conv), norm(up.norm), nn.ReLU()]
    layers += conv(network.out.conv)
    return nn.Sequential(*layers).to(next(network.parameters()).device)


class OurStep:
    """One optimizer step as ``train`` takes it; ``content_weights`` as ``StyleObjective`` takes
    them."""

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
    loader = iter(photo_loader(crops, SampleNumbers(0, batch_size, 1, 0, 1), 1, False))
    next(loader)
    started = time.perf_counter()
    for _ in range(batches):
        next(loader)
    return batches * batch_size / (time.perf_counter() - started)


def alternate(
    actions: Mapping[str, Callable[[], object]], repeats: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each action, ``repeats`` times in turn, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for repeat in range(repeats + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if repeat > 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def multiply_adds(run: Callable[[], object]) -> float:
    """Of one forward pass."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops() / 2


def median_ratio(baseline: Sequence[float], other: Sequence[float]) -> float:
    """How many times as fast ``other`` is, as the median over the rounds."""
    return statistics.median(a / b for a, b in zip(baseline, other, strict=True))


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Columns by the first row's keys; numbers to three digits."""
    cells = [list(rows[0])]
    cells += [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


def write_json(file: Path | None, result: Mapping[str, Any]) -> None:
    """``result`` with date, hardware and versions."""
    if file is None:
        return
    described = {"date": date.today().isoformat(), "hardware": hardware(), **result}
    figures.write_json(file, described)


def hardware() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        cpu = names[0] if names else cpu
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "fststyle": fststyle.__version__,
    }
