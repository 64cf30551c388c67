"""Weight maps of the content loss: where a picture is to stay the photo, where the style may come.

A weight map s lies in [0,1], 1 where content matters most; from it follow the weights α.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from fststyle.images.geometry import even_gradient
from fststyle.networks.vgg import CONVS


def gradient_weight_map(height: int, width: int, direction: str) -> Tensor:
    """1×1×H×W, see ``even_gradient``."""
    return torch.from_numpy(even_gradient(direction, (width, height)))[None, None]


def content_weights(weight_map: Tensor, alpha_min: float, alpha_max: float) -> Tensor:
    """α = α_max^s · α_min^(1−s), reference section 1: even steps of s are even ratios of α."""
    return alpha_min * (alpha_max / alpha_min) ** weight_map


def propagate(weights: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """The weights of a picture, carried to layers of VGG-19.

    At each place of a feature map stands the mean weight over what its neuron sees. Through a 3×3
    convolution goes the mean over the window, of positions inside the picture alone: the padding's
    zeros would gather error at the border, and the style with it. Through a pooling by 2 goes the
    average. ReLUs change nothing.

    Args:
        weights: N×1×H×W, of the picture.
        layers: names as in ``networks.vgg.LAYERS``.

    Returns N×1×H'×W' by layer name, of the same size as the layer's feature map.

    Source: the thesis, section 4.1; the window as read in reference section 1.
    """
    wanted = set(layers)
    carried: dict[str, Tensor] = {}
    block = CONVS[0][0]
    for name in CONVS:
        if len(carried) == len(wanted):
            break
        if name[0] != block:
            weights = F.avg_pool2d(weights, 2)
            block = name[0]
        weights = F.avg_pool2d(weights, 3, stride=1, padding=1, count_include_pad=False)
        carried |= {layer: weights for layer in (f"conv{name}", f"relu{name}") if layer in wanted}
    return carried
