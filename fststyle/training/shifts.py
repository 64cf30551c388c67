"""Images a few pixels from where they were, so that nothing is learnt that is bound to a grid."""

import torch
import torch.nn.functional as F
from torch import Tensor

SHIFTS = 8
"""Pixels: the size of the deepest pooling window in the loss network, seen from its image."""


def phase_crop(images: Tensor, step: int, shifts: int = SHIFTS) -> Tensor:
    """N×C×H×W to N×C×(H−8)×(W−8), cut at another of 64 places every step; 8 is ``shifts``, of which
    0 leaves them whole.

    Otherwise the loss network's pooling windows always fall on the same of the network's output
    pixels, and it learns to fill flat regions with a weave that is fixed to that grid. Measured on
    the sky of a photo after 300 steps at 192 px and a style weight of 10, as the power of the
    pattern of period 2 against that of its neighbours in the spectrum: 161 without and 7 with
    shifts; of period 4: 306 and 190.
    """
    if shifts == 0:
        return images
    top, left = step % shifts, step // shifts % shifts
    height, width = (side - shifts for side in images.shape[-2:])
    cut = images[..., top : top + height, left : left + width]
    return cut.contiguous(memory_format=torch.channels_last)


def translate(images: Tensor, move: tuple[int, int]) -> Tensor:
    """N×C×H×W images moved by ``move`` pixels (down, right), with their mirror image in the strip
    that becomes free.

    What a network makes of them should have moved along, and does not: its strokes are bound to its
    grid of 4 pixels, which is most of what flickers in videos. Measured on a frame, at width 8 and
    without the stability loss in training, as the root mean square of what changes in [0,1]: moved
    by 4 pixels 0.003, by 1 pixel 0.084, by 2 pixels 0.108; with noise of 2 levels of 255 0.024.
    Successive frames of the clip it is from, along the optical flow: 0.12, and 0.03 in the clip
    itself.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (move[1], 0, move[0], 0), mode="reflect")
    return padded[..., :height, :width].contiguous(memory_format=torch.channels_last)
