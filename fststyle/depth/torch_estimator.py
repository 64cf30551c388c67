"""Depth networks of PyTorch as functions of arrays and of photos."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from fststyle.depth.estimator import Estimate, estimate_reduced
from fststyle.utils.device import autocast


def estimator(network: nn.Module, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """A depth network from arrays to arrays, as ``runtime.depth`` runs it."""
    network.to(device)

    @torch.inference_mode()
    def estimate(image: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(image).to(device)).float().cpu().numpy()

    return estimate


LoadedDepth = tuple[nn.Module, dict[str, Any]]
"""A frozen depth network and its card."""


def photo_depth(
    depth: LoadedDepth, device: torch.device, precision: str, size: int | None = None
) -> Estimate:
    """``depth`` as a function of photos, which it sees at the size it was trained for, or at that
    of a square of ``size`` pixels."""
    network, card = depth
    run = estimator(network, device)

    def estimate(photo: Image.Image) -> np.ndarray:
        with autocast(device, precision):
            return estimate_reduced(run, photo, card, size=size)

    return estimate
