"""Moves of a camera before photographs: what successive frames of a film show, without a film."""

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fststyle.images.clouds import draw_band

SHIFT, ANGLE, ZOOM = 6.0, 1.5, 0.03
"""Most that a camera moves sideways, in pixels, turns, in degrees, and comes nearer, in parts."""
PARALLAX = 8.0
"""Most pixels by which what is nearest moves more than what is farthest."""
NOISE = 1
"""Levels of 255 by which a frame's pixels differ from those of the frame before."""
COARSE = (1 / 128, 1 / 16)
"""Cycles in a pixel: the band that half of a photo's grain lies in."""
EDGE, AROUND = 0.2, 2
"""Slope of the parallax, in pixels to one, from which something begins to hide something else, and
the pixels around that are left out."""
MARGIN = 16
"""Pixels at the borders that are left out, where a network sees what is mirrored."""
REFINEMENTS = 3
"""Rounds in which it is found which point of a relief is seen in a pixel."""


class CameraMove(NamedTuple):
    """Where every pixel of a moved camera's picture lies in the picture before.

    Attributes:
        grid: N×H×W×2, as ``F.grid_sample`` takes it with ``align_corners``: x and y from −1 to 1.
        valid: N×1×H×W, 1 where both show the same, 0 at borders and where something hides something
            else.
    """

    grid: Tensor
    valid: Tensor


def camera_move(relief: Tensor, random: torch.Generator) -> CameraMove:
    """Another small move for each image: to the side, turned, nearer or farther, and by parallax.

    ``relief``: N×1×H×W in [0,1], how near everything is, which any map will do for. ``random``: a
    generator of the CPU, from which all follows.
    """
    count, _, height, width = relief.shape

    def drawn(*shape: int) -> Tensor:
        return (2 * torch.rand(count, *shape, generator=random) - 1).to(relief.device)

    angle, zoom = ANGLE * math.pi / 180 * drawn(1, 1), 1 + ZOOM * drawn(1, 1)
    shift, parallax = SHIFT * drawn(1, 1, 2), PARALLAX * drawn(1, 1, 2)
    half = torch.tensor(((width - 1) / 2, (height - 1) / 2), device=relief.device)
    down, across = torch.meshgrid(
        torch.arange(height, device=relief.device) - half[1],
        torch.arange(width, device=relief.device) - half[0],
        indexing="ij",
    )
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    turned = torch.stack((cos * across - sin * down, sin * across + cos * down), -1) + shift
    # What is seen in a pixel lies where the relief there says, which is not known before.
    moved = turned
    relief = relief.float()
    for _ in range(REFINEMENTS):
        near = _sampled(relief, moved / half, "bilinear", "border")
        by_relief = parallax * (near[:, 0, ..., None] - 0.5)
        moved = turned + by_relief
    inside = ((moved.abs() < half - MARGIN).all(-1))[:, None].float()
    valid = inside * _without_edges(by_relief)
    valid[..., :MARGIN, :] = valid[..., -MARGIN:, :] = 0
    valid[..., :MARGIN] = valid[..., -MARGIN:] = 0
    return CameraMove(moved / half, valid)


def seen(images: Tensor, move: CameraMove) -> Tensor:
    """N×C×H×W images as the moved camera sees them, float32; what lies beyond their borders is
    mirrored. By a bicubic filter: a linear one would blur, and pay for blurred pictures."""
    return _sampled(images.float(), move.grid, "bicubic", "reflection")


def with_noise(images: Tensor, levels: float, random: torch.Generator) -> Tensor:
    """N×3×H×W in [0,1] to the same, every pixel brighter or darker by up to ``levels`` of 255, all
    channels alike: half of it fine and half ``COARSE``, for clouds, drawn anew, for each image from
    another place on; with 0 levels ``images`` themselves."""
    if not levels:
        return images
    drawing = np.random.default_rng(int(torch.randint(2**62, (), generator=random)))
    size = (images.shape[-2], images.shape[-1])
    # Drawn once: it takes 16 ms at 384 px, which a GPU would wait for. It goes on at its borders.
    half = levels / 255 / 2
    fine, coarse = drawing.uniform(-half, half, size), half * draw_band(drawing, size, COARSE)
    grain = (fine + coarse).clip(-2 * half, 2 * half).astype(np.float32)
    places = [np.roll(grain, drawing.integers(size), (0, 1)) for _ in images]
    noise = torch.from_numpy(np.stack(places)[:, None])
    return (images + noise.to(images.device)).clamp(0, 1)


def drawn_relief(images: Tensor, random: torch.Generator) -> Tensor:
    """N×1×H×W in [0,1]: soft hills for images whose depth is not known."""
    coarse = torch.rand(len(images), 1, 4, 4, generator=random)
    size = images.shape[-2:]
    hills = F.interpolate(coarse, size, mode="bicubic", align_corners=True).clamp(0, 1)
    return hills.to(images.device)


def _sampled(images: Tensor, grid: Tensor, mode: str, padding_mode: str) -> Tensor:
    device = images.device
    if device.type not in ("cpu", "cuda"):  # Apple's has neither bicubic filters nor gradients
        images, grid = images.cpu(), grid.cpu()
    sampled = F.grid_sample(images, grid, mode=mode, padding_mode=padding_mode, align_corners=True)
    return sampled.to(device)


def _without_edges(offsets: Tensor) -> Tensor:
    """N×H×W×2 to N×1×H×W: 1 where these change evenly."""
    along_x = F.pad((offsets[:, :, 1:] - offsets[:, :, :-1]).abs().amax(-1), (0, 1))
    along_y = F.pad((offsets[:, 1:] - offsets[:, :-1]).abs().amax(-1), (0, 0, 0, 1))
    edges = (torch.maximum(along_x, along_y) > EDGE).float()[:, None]
    return 1 - F.max_pool2d(edges, 2 * AROUND + 1, 1, AROUND)
