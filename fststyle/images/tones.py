"""A photo's own light and colours where it is to stay.

Instance norms take out what is the same all over a picture: a style network cannot know whether
something plain is white, grey or green. Where the style may come, that does no harm. Where a weight
map says that the photo is to stay, a white wall turned grey and a meadow brown; what varies slowly
is therefore brought back there, but for a tint of the painting's. Strokes and outlines are the
network's.
"""

import cv2
import numpy as np
from PIL import Image

TINT = 24
"""Levels of 255 by which the painting may tint what is near. With none it looks pasted in, and the
error of the style goes up by half; with 40 white still is grey."""
CELL, FINE = 16, 4
"""Pixels of a side of what light and colours are averaged over, and of what the map is told for:
the latter are those of the network's smallest maps."""
REACH = 5
"""Cells to either side over which the change is blurred,"""
SPREAD = 1.5
"""by a Gaussian of this standard deviation, in cells: wider than strokes are."""


def with_tones(picture: np.ndarray, photo: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """``picture`` with ``tone_change``, of the same arguments: H×W×3 uint8."""
    if not kept.any():
        return picture
    return np.asarray(cv2.add(picture, tone_change(picture, photo, kept), dtype=cv2.CV_8U))


def tone_change(picture: np.ndarray, photo: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """m·s(B(m·(``photo`` − ``picture``)) / B(m)): B a blur over some 25 pixels, s what goes beyond
    ``TINT``.

    Args:
        picture, photo: H×W×3 uint8.
        kept: m, h×w in [0,1], how far the photo is to stay, of any size.

    Returns H×W×3 int16, in levels of 255; 0 where m is 0 for more than ``FINE`` pixels around.
    """
    height, width = photo.shape[:2]
    now, wanted = (
        np.asarray(Image.fromarray(x).reduce(FINE), np.float32) for x in (picture, photo)
    )
    cells = -(-width // CELL), -(-height // CELL)
    across, down = (CELL // FINE * count for count in cells)
    rows, columns = (
        (FINE * (np.arange(count) + 0.5) * given / side).clip(0, given - 1).astype(int)
        for count, given, side in zip((down, across), kept.shape, (height, width), strict=True)
    )
    part = kept[rows][:, columns, None].astype(np.float32)
    # Beyond the far border there is nothing, and it does not count.
    weighted = np.zeros((down, across, 4), np.float32)
    inside = weighted[: now.shape[0], : now.shape[1]]
    inside[..., :3] = wanted - now
    inside[..., 3] = 1
    weighted *= part
    blurred = _blurred(cv2.resize(weighted, cells, interpolation=cv2.INTER_AREA))
    change = blurred[..., :3] / np.maximum(blurred[..., 3:], 1e-6)
    farthest = np.abs(change).max(2, keepdims=True)
    change *= np.maximum(1 - TINT / np.maximum(farthest, 1e-6), 0)
    change = cv2.resize(change, (across, down), interpolation=cv2.INTER_LINEAR) * part
    change = np.rint(change).astype(np.int16)
    size = FINE * across, FINE * down
    return np.asarray(cv2.resize(change, size, interpolation=cv2.INTER_LINEAR))[:height, :width]


def _blurred(values: np.ndarray) -> np.ndarray:
    """h×w×C float32, as if there were zeros around."""
    taps = np.exp(-(np.arange(-REACH, REACH + 1.0) ** 2) / (2 * SPREAD**2)).astype(np.float32)
    return np.asarray(cv2.sepFilter2D(values, -1, taps, taps, borderType=cv2.BORDER_CONSTANT))
