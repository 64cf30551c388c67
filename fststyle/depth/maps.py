"""Depth maps as pictures, as files and as weights; no torch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.images.io import to_uint8
from fststyle.utils.files import atomic_write

_COLORS = np.array(
    [(252, 253, 191), (254, 159, 109), (222, 73, 104), (140, 41, 129), (59, 15, 112), (0, 0, 4)]
)
"""From near to far: light to dark, so that it reads without colour, too."""


def write_depth_png(depth: np.ndarray, path: Path) -> None:
    """16-bit greyscale, 1 nearest to 65534 farthest: 0 and 65535 mean unknown elsewhere."""
    place = _place(depth, float(depth.min()), float(depth.max()))
    values = (1 + place * 65533 + 0.5).astype(np.uint16)
    with atomic_write(path) as temporary:
        Image.fromarray(values).save(temporary, format="PNG")


def colorize(depth: np.ndarray) -> Image.Image:
    """Near light, far dark; ``depth`` is H×W."""
    return colorize_together([depth])[0]


def colorize_together(depths: Sequence[np.ndarray]) -> list[Image.Image]:
    """Several maps in the scale of colours that the first fills."""
    low, high = float(depths[0].min()), float(depths[0].max())
    return [_colorize(_place(depth, low, high)) for depth in depths]


def _colorize(place: np.ndarray) -> Image.Image:
    place = place * (len(_COLORS) - 1)
    channels = [np.interp(place, range(len(_COLORS)), _COLORS[:, c]) for c in range(3)]
    return Image.fromarray(to_uint8(np.stack(channels, -1) / 255))


def _place(depth: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where depths lie between ``low``, 0, and ``high``, 1."""
    return (depth - low) / max(high - low, 1e-12)


def shaded(depth: np.ndarray) -> Image.Image:
    """A picture of a depth map for people: near is bright, unknown is black."""
    known = np.isfinite(depth)
    if not known.any():
        return Image.new("RGB", depth.shape[::-1])
    low, high = np.percentile(depth[known], (1, 99))
    near = 1 - _place(np.nan_to_num(depth), low, high)
    return Image.fromarray(to_uint8(np.repeat((near.clip(0, 1) * known)[..., None], 3, 2)))


def weight_map_from_depth(depth: np.ndarray) -> np.ndarray:
    """s = (max z − z) / (max z − min z) of an H×W depth map (larger = farther): 1 at the nearest
    pixel, 0 at the farthest; 1/2 everywhere in a map that is flat."""
    spread = depth.max() - depth.min()
    return (depth.max() - depth) / spread if spread > 0 else np.full_like(depth, 0.5)
