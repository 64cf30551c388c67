"""How large a picture memory allows, told before hours are spent on it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fststyle.optimization.descent import LossFunction
from fststyle.utils.memory import free_memory

PROBES = (128, 256)
"""Sides of the pictures whose memory is counted."""


class Need(NamedTuple):
    """Bytes as a linear function of the picture's pixels."""

    fixed: float
    per_pixel: float

    def __call__(self, pixels: int) -> float:
        return self.fixed + self.per_pixel * pixels


def measure_need(
    loss_fn_of: Callable[[Tensor], LossFunction], history: int, device: torch.device
) -> Need:
    """What a step needs, from what autograd saves for two small pictures.

    ``loss_fn_of``: a content image to the loss of its pictures.
    """
    saved = []
    for side in PROBES:
        image = torch.rand(1, 3, side, side, device=device)
        saved.append(_saved_bytes(loss_fn_of(image), image))
    pixels = [side**2 for side in PROBES]
    slope = (saved[1] - saved[0]) / (pixels[1] - pixels[0])
    fixed = max(0.0, saved[0] - slope * pixels[0])
    return Need(fixed, slope * BACKWARD + (2 * history + VECTORS) * 12)


BACKWARD = 1.5
"""Times what is saved that a backward pass takes with its gradients."""
VECTORS = 12
"""Pictures and gradients beside L-BFGS's pairs."""


def _saved_bytes(loss_fn: LossFunction, image: Tensor) -> int:
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss, _ = loss_fn(image.requires_grad_())
    del loss
    return sum(sizes.values())


def available(device: torch.device) -> float:
    """Free bytes of the device's memory, by the limit of the container, too."""
    if device.type == "cuda":
        unused, _ = torch.cuda.mem_get_info(device)
        return unused + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return free_memory()
