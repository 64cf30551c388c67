"""Depth networks as the depth loss takes them."""

import copy
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.checkpoints import DEPTH, ModelDescriptor, load
from fststyle.checkpoints.depth import best_depth
from fststyle.images.geometry import size_of_area
from fststyle.networks.batch_norm import fold_norms
from fststyle.networks.depth_head import VGGDepth, VGGDepthHead
from fststyle.networks.transformers_depth import TransformersDepth


def load_depth_network(
    source: str | None, vgg_weights: Path | None, loss_network: str = "vgg19"
) -> ModelDescriptor[nn.Module]:
    """The frozen network of ``--depth-network``; where that is None the better of those that ship,
    of those that can run beside ``loss_network``.

    A depth network is any module that takes N×3×H×W RGB in [0,1] to N×1×H×W relative depth, larger
    = farther, scale arbitrary, differentiable with respect to the image.
    """
    best = source or best_depth(vgg_weights, loss_network)
    return load(best, DEPTH, vgg_weights=vgg_weights)


def at_area(network: nn.Module, side: int) -> Callable[[Tensor], Tensor]:
    """``network`` with its images reduced to about ``side``² pixels and its maps brought back.

    N×3×H×W in [0,1] to N×1×H×W, differentiable; sides are multiples of 16, and nothing is
    enlarged but by rounding to these. A model of transformers brings images to its own size by
    itself.
    """
    if isinstance(network, TransformersDepth):
        return network

    def predict(image: Tensor) -> Tensor:
        size = image.shape[-2:]
        small = size_of_area((size[0], size[1]), side)
        reduced = F.interpolate(image, small, mode="bilinear", antialias=True)
        return F.interpolate(network(reduced), size, mode="bilinear")

    return predict


LARGER = 1.5
"""Pictures whose side is so many times that of a head's training are reduced for it, and VGG-19's
features computed anew from the reduced picture, which takes less than half of what they take from
the picture: at full size it sees too little of the scene at once."""


def for_loss(
    network: nn.Module,
    side: int,
    dtype: torch.dtype,
    picture_side: float = 0,
    loss_network: str = "vgg19",
    *,
    full_size: bool = False,
) -> VGGDepthHead | Callable[[Tensor], Tensor]:
    """A copy of a frozen depth network as ``StyleObjective`` takes it: batch norms folded,
    convolutions in ``dtype``.

    A head comes without its VGG-19, to read the objective's features, unless pictures are
    ``LARGER``, or ``loss_network`` another; it, and any other network, works ``at_area`` of
    ``side``².

    Args:
        side: of the square that has the area of the network's training crops, in pixels.
        picture_side: the same of the pictures that the loss will compare.
        full_size: the network sees these as they are.
    """
    shares = loss_network == "vgg19" and (full_size or picture_side <= LARGER * side)
    if isinstance(network, VGGDepth) and shares:
        network = network.head
    frozen = copy.deepcopy(network)
    fold_norms(frozen)
    for module in frozen.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
    frozen.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return frozen if full_size or isinstance(frozen, VGGDepthHead) else at_area(frozen, side)
