"""What every benchmark shares: turns taken in one run, ratios, tables, the machine."""

import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from fststyle.utils import figures
from fststyle.utils.versions import versions


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """50, 95 and 99 in 100, between the values where they lie there."""
    values = np.percentile(seconds, (50, 95, 99))
    return dict(zip(("50 %", "95 %", "99 %"), map(float, values), strict=True))


class Memory:
    """A process's resident memory while something runs: ``megabytes``, fifty times a second, after
    ten seconds ten times."""

    def __init__(self, pid: int | None = None) -> None:
        self._process = psutil.Process(pid)
        self.megabytes: list[float] = []

    def __enter__(self) -> "Memory":
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self) -> None:
        done = False
        while not done:  # once at least, however short it is
            try:
                self.megabytes.append(self._process.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                return
            done = self._done.wait(0.02 if len(self.megabytes) < 500 else 0.1)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


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


FEATURES = ("avx2", "avx512_bf16", "avx512_fp16", "amx_bf16", "arm_bf16", "bf16")
"""What processors may have and networks profit from, by PyTorch's names."""


def processor(device: torch.device) -> str:
    """What torch computes on, and what of its features torch makes use of, in a line."""
    found = hardware()
    if device.type == "cuda":
        return str(found["gpu"])
    return f"{found['cpu']}, {found['cores']} cores; {', '.join(found['features'])}"


def _features() -> list[str]:
    capability = torch.backends.cpu.get_cpu_capability().lower()
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    has = [name for name in FEATURES if capabilities.get(name)]
    # The user may have forbidden torch what the processor has.
    used = [
        name for name in has if capability == "avx512" or not name.startswith(("avx512", "amx"))
    ]
    return list(dict.fromkeys([capability, *used]))


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
        "features": _features(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        **versions(),
        "onnxruntime": onnxruntime.__version__,
    }
