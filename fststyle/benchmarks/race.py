"""How long a training takes to a given loss: steps alone say little where one of them does more."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops

LOOKS = 24
"""How often each training is looked at."""


def race(
    steps: int,
    runners: dict[str, Callable[[Tensor], None]],
    loss_of: Callable[[str], float],
    crops: PhotoCrops,
    batch_size: int,
    device: torch.device,
) -> list[dict[str, Any]]:
    """The first of ``runners`` trains for ``steps``; what its loss is then the others train to, for
    as many steps at most. All see the same crops, at constant rates.

    Args:
        runners: by name, one step on N×3×H×W images in [0,1].
        loss_of: the loss of the runner of that name, on other photos.

    Returns a row for each runner; seconds are those of its steps, without measuring and reading.
    """
    rows: list[dict[str, Any]] = []
    goal = -math.inf
    interval = max(1, steps // LOOKS)
    for name, step in runners.items():
        numbers = SampleNumbers(0, batch_size, 1, 0, 1)
        batches = load_batches(crops, numbers, 0, device.type == "cuda")
        seconds = cpu_seconds = 0.0
        loss = math.inf
        for taken in tqdm(range(1, steps + 1), desc=name, unit="step", leave=False):
            images = next(batches).images.to(device).float().div_(255)
            clock, cpu_clock = time.perf_counter(), time.process_time()
            step(images)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds += time.perf_counter() - clock
            cpu_seconds += time.process_time() - cpu_clock
            if taken % interval == 0 or taken == steps:
                loss = loss_of(name)
                if loss <= goal:
                    break
        batches.close()
        goal = loss if not rows else goal
        first = rows[0] if rows else None
        rows.append(
            {
                "training": name,
                "steps": taken,
                "seconds": seconds,
                "CPU seconds": cpu_seconds,
                "loss": loss,
                "of the first's time": seconds / first["seconds"] if first else 1.0,
                "reached": loss <= goal,
            }
        )
    return rows
