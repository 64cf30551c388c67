"""Sizes, boxes, crops."""

import numpy as np
from PIL import Image


def check_same_shape(
    size: tuple[float, ...], picture: object, other: tuple[float, ...], source: object
) -> None:
    """Raises ValueError where two sizes (width, height) differ in aspect by more than 3 %."""
    if min(*size, *other) <= 0:
        raise ValueError(f"{source}: has no pixels")
    if abs(np.log(size[0] / size[1] * other[1] / other[0])) > 0.03:
        have, want = (f"{width:g}×{height:g}" for width, height in (size, other))
        raise ValueError(
            f"{source}: is for {want} pixels, but {picture} has {have}: they do not belong together"
        )


def fit_within(image: Image.Image, long_side: int) -> Image.Image:
    """Reduced so that the longer side is at most ``long_side`` pixels; never enlarged."""
    # Image.thumbnail makes the same pixels as fast (7 to 9 ms), but in place, and in 62 of 7,700
    # shapes a side differs by a pixel.
    scale = long_side / max(image.size)
    return image if scale >= 1 else resize(image, scale)


def resize(image: Image.Image, scale: float) -> Image.Image:
    """Resampled by ``scale``, antialiased."""
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def size_of_area(
    size: tuple[float, float], side: float, *, enlarge: bool = False
) -> tuple[int, int]:
    """About ``size``, in whichever order, reduced to the area of a square of ``side`` pixels: both
    are multiples of 16, at least 32. Enlarged, but for rounding, only where that is wanted."""
    scale = side / (size[0] * size[1]) ** 0.5
    if not enlarge:
        scale = min(1.0, scale)
    first, second = (max(32, round(length * scale / 16) * 16) for length in size)
    return first, second


Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge in pixels."""


def centre_box(width: float, height: float, aspect: float) -> Box:
    """The largest centred box of the given width / height in a picture of this size."""
    across = min(width, height * aspect)
    left, top = (width - across) / 2, (height - across / aspect) / 2
    return left, top, left + across, top + across / aspect


def crop(image: Image.Image, box: Box, size: tuple[int, int]) -> np.ndarray:
    """``box`` of the picture at ``size`` (height, width), as H×W×3 uint8."""
    height, width = size
    return np.asarray(
        image.resize((width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    )


def crop_map(values: np.ndarray, box: Box, of: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """What ``crop`` cuts out of the picture ``of``, out of an H×W float32 map of it that may have
    another resolution."""
    height, width = size
    across, down = values.shape[1] / of.width, values.shape[0] / of.height
    scaled = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
    return np.asarray(
        Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR, box=scaled)
    )


def even_gradient(direction: str, size: tuple[int, int]) -> np.ndarray:
    """H×W float32 of ``size`` (width, height), rising evenly from 0 to 1: "horizontal" from left to
    right, "vertical" from top to bottom (the thesis's figure 10)."""
    width, height = size
    if direction == "horizontal":
        return np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
    return np.tile(np.linspace(0, 1, height, dtype=np.float32)[:, None], (1, width))
