"""Depth networks of PyTorch as functions of arrays and of photos."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

from fststyle.checkpoints import ModelDescriptor
from fststyle.depth.estimator import Estimate, estimate_reduced
from fststyle.utils.device import autocast


def estimator(network: nn.Module, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """A depth network from arrays to arrays, on ``device``."""
    network.to(device)

    @torch.inference_mode()
    def estimate(image: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(image).to(device)).float().cpu().numpy()

    return estimate


def photo_depth(
    model: ModelDescriptor[nn.Module], device: torch.device, precision: str, size: int | None = None
) -> Estimate:
    """A depth network as a function of photos, which it sees at the size it was trained for, or at
    that of a square of ``size`` pixels."""
    run = estimator(model.network, device)

    def estimate(photo: Image.Image) -> np.ndarray:
        with autocast(device, precision):
            return estimate_reduced(run, photo, model.card, size=size)

    return estimate
