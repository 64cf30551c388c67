"""The exported network beside torch, and what a whole process for one picture takes."""

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fststyle.benchmarks.baselines import plain_network
from fststyle.benchmarks.timing import (
    Memory,
    alternate,
    median_ratio,
    multiply_adds,
    percentiles,
    print_table,
    write_json,
)
from fststyle.checkpoints import STYLE, load
from fststyle.config import BenchInferConfig, parse_size
from fststyle.config.calls import from_settings
from fststyle.deployment.export import export_network
from fststyle.images.find import find_images
from fststyle.inference.stylizer import Stylizer
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.utils.device import find_device
from fststyle.utils.files import check_free_options

MAPPED = ", takes a map"


@from_settings(BenchInferConfig)
def bench_infer(config: BenchInferConfig) -> None:
    """``fststyle bench infer``: prints a table, and writes JSON where asked to."""
    check_free_options(config, "json")
    card: dict[str, Any] = {}
    network = TransformNet(config.width).eval()
    if config.checkpoint is not None:
        loaded = load(config.checkpoint, STYLE)
        network, card = loaded.network, loaded.card
    # The same weights without a map and with one, whichever they were trained for.
    versions = {
        kind: TransformNet(network.width, mapped=mapped).eval()
        for kind, mapped in (("", False), (MAPPED, True))
    }
    for version in versions.values():
        version.load_state_dict(network.state_dict(), strict=False)
    network = versions[""]
    sizes = [parse_size(size) for size in config.size]
    rows: list[dict[str, Any]] = []
    processes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        stylizers = {}
        for precision, (kind, version) in itertools.product(config.precision, versions.items()):
            model = Path(folder, f"{precision}{kind}.onnx")
            photos = find_images(config.photos) if precision == "int8" and config.photos else ()
            export_network(
                version, card, model, uint8=True, fp16=precision == "fp16", photos=photos
            )
            stylizers[f"{precision}{kind}"] = Stylizer(model, config.provider)
        for width, height in sizes:
            rows += infer_rows(network, stylizers, (width, height), config.repeats)
        for width, height in dict.fromkeys([(256, 256), *sizes]):
            seconds, megabytes = picture_process(
                Path(folder, f"{config.precision[0]}.onnx"),
                config.provider,
                (width, height),
                runs=min(3, config.repeats),
            )
            size = f"{width}x{height}"
            processes.append({"infer process": size, "seconds": seconds, "MB": megabytes})
        sizes_on_disk = {p: Path(folder, f"{p}.onnx").stat().st_size for p in stylizers}
    network.cpu()
    image = torch.zeros(1, 3, 64, 64)
    described = {
        "multiply_adds_per_pixel": multiply_adds(lambda: network(image)) / 64**2,
        "parameters": sum(p.numel() for p in network.parameters()),
        "bytes": sizes_on_disk,
    }
    print(
        f"{described['multiply_adds_per_pixel']:,.0f} multiply-adds a pixel,"
        f" {described['parameters']:,} parameters; "
        + ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in sizes_on_disk.items())
    )
    print_table(rows)
    print_table(processes)
    write_json(config.json, {"network": described, "infer": rows, "processes": processes})


def infer_rows(
    network: TransformNet, stylizers: dict[str, Stylizer], size: tuple[int, int], repeats: int
) -> list[dict[str, Any]]:
    """Torch: PyTorch's own layers, ours in both memory layouts, and on a GPU in half precision and
    compiled; ONNX Runtime in every precision. One frame of ``size`` (width, height), uint8 in and
    out."""
    width, height = size
    provider = next(iter(stylizers.values())).provider
    device = torch.device("cpu" if provider == "cpu" else find_device("auto"))
    network = network.to(device)
    frame = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)

    def torch_run(
        run: Callable[[torch.Tensor], torch.Tensor], layout: torch.memory_format, half: bool
    ) -> Callable[[], object]:
        @torch.inference_mode()
        def action() -> None:
            content = torch.from_numpy(frame).to(device).permute(0, 3, 1, 2).float() / 255
            with torch.autocast(device.type, torch.float16, enabled=half):
                output = run(content.contiguous(memory_format=layout)).clamp(0, 1)
            (output * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).cpu()

        return action

    plain = plain_network(network).eval()
    actions = {
        "torch eager, plain layers": torch_run(
            lambda content: plain(content) * OUTPUT_SCALE + OUTPUT_CENTRE,
            torch.contiguous_format,
            False,
        ),
        "torch eager, NCHW": torch_run(network, torch.contiguous_format, False),
        "torch eager, NHWC": torch_run(network, torch.channels_last, False),
    }
    if device.type == "cuda":
        compiled = torch.compile(network)
        actions |= {
            "torch eager, NHWC, fp16": torch_run(network, torch.channels_last, True),
            "torch compiled, NHWC, fp16": torch_run(compiled, torch.channels_last, True),
        }
    weight_map = np.random.default_rng(0).random((1, -(-height // 4), -(-width // 4)), np.float32)
    for kind, stylizer in stylizers.items():
        name = f"ONNX Runtime, {provider}, {kind}"
        actions[name] = partial(stylizer.run, frame)
        if stylizer.mapped:
            actions[f"{name} that is given"] = partial(stylizer.run, frame, weight_map)
    seconds = alternate(actions, repeats, device)
    first = next(iter(seconds.values()))
    return [
        {
            "size": f"{width}x{height}",
            "engine": name,
            "frames/s": 1 / statistics.median(times),
            **{f"{key} ms": 1000 * value for key, value in percentiles(times).items()},
            "times plain": median_ratio(first, times),
        }
        for name, times in seconds.items()
    ]


def picture_process(
    model: Path, provider: str, size: tuple[int, int], runs: int
) -> tuple[float, float]:
    """(seconds, peak memory in MB) of a whole ``fststyle infer`` process for one picture, medians
    of so many ``runs``."""
    picture = model.with_name("picture.png")
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(picture)
    command = [sys.executable, "-m", "fststyle", "infer", str(model), str(picture)]
    command += ["--output", str(model.parent / "out"), "--overwrite", "--provider", provider]
    times, peaks = [], []
    for _ in range(runs):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with Memory(process.pid) as memory:
            status = process.wait()
        times.append(time.perf_counter() - started)
        peaks.append(max(memory.megabytes))
        if status:
            raise ValueError(f"{' '.join(command)} failed with status {status}")
    return statistics.median(times), statistics.median(peaks)
