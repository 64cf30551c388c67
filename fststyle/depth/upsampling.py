"""Depth maps brought from the few pixels that a network sees to the picture's own, along the
picture's edges; no torch."""

import numpy as np
from PIL import Image

RADIUS = 3
"""Of the windows, in pixels of the small map."""
FLAT = 0.03**2
"""Variance of the luminance, of [0,1], below which a window counts as flat: the depth in it is
averaged, and texture leaves no trace in it."""


def upsample_along_edges(depth: np.ndarray, image: Image.Image) -> np.ndarray:
    """h×w float32 depth of ``image`` at the size of the image, H×W float32.

    A guided filter (He et al. 2013; coefficients at the small size as in He and Sun 2015): in each
    small window depth is taken as a linear function of the picture's luminance, so that its steps
    lie where the picture's do. The cost is that of three maps resized.
    """
    height, width = depth.shape
    middle = depth.mean()  # apart, so that products lose none of the digits
    depth = depth - middle
    luminance = image.convert("L")
    guide = _array(luminance.resize((width, height), Image.Resampling.BOX)) / 255
    mean, mean_depth = window_mean(guide), window_mean(depth)
    variance = window_mean(guide * guide) - mean * mean
    covariance = window_mean(guide * depth) - mean * mean_depth
    slope = covariance / (variance + FLAT)
    offset = mean_depth - slope * mean
    slope, offset = (_enlarged(window_mean(x), image.size) for x in (slope, offset))
    full: np.ndarray = slope * (_array(luminance) / 255) + offset + middle
    return full


def _array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32)


def _enlarged(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _array(Image.fromarray(x).resize(size, Image.Resampling.BILINEAR))


def window_mean(x: np.ndarray) -> np.ndarray:
    """Mean over the square of ``RADIUS`` around each pixel, the border continued."""
    for axis in (0, 1):
        ends = [(0, 0), (0, 0)]
        ends[axis] = (RADIUS + 1, RADIUS)
        sums = np.pad(x, ends, mode="edge").cumsum(axis, dtype=np.float64)
        count = 2 * RADIUS + 1
        upper, lower = np.split(sums, [count], axis)[1], np.split(sums, [-count], axis)[0]
        x = ((upper - lower) / count).astype(np.float32)
    return x
