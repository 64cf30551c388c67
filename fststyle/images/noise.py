"""Grain for what is flat in a picture.

A convolutional network makes the same of the same: where a photo is blown out to plain white, or
drawn in one colour, every pixel sees the same around it, and there are no strokes but one flat
patch. The slightest variation of the input suffices for strokes there, and changes nothing
elsewhere that one would see.
"""

from functools import lru_cache

import numpy as np

from fststyle.config import InferConfig

NOISE_LEVELS = InferConfig.grain
"""What ``infer`` adds, in levels of 255: with 3 flat skies have strokes, with 12 no bolder ones."""
BAND = 256
"""Rows that are done at once; the grain repeats after so many rows and columns."""


@lru_cache(maxsize=4)
def grain_square(levels: int) -> np.ndarray:
    """``BAND``×``BAND`` int16, read only: what is added to pixels; beside and below it repeats."""
    square = np.random.default_rng(0).integers(-levels, levels + 1, (BAND, BAND)).astype(np.int16)
    square.setflags(write=False)
    return square


def add_noise(frames: np.ndarray, levels: int) -> np.ndarray:
    """N×H×W×3 uint8 to the same, every pixel brighter or darker by up to ``levels``, 0 to
    255, all channels alike. With 0 levels ``frames`` themselves.

    The grain belongs to the place in the picture, so that it neither flickers from frame to frame
    nor differs between runs.
    """
    if not levels:
        return frames
    up, down = _band(frames.shape[2], levels)
    with_noise = np.empty_like(frames)
    for top in range(0, frames.shape[1], BAND):
        part = frames[:, top : top + BAND]
        rows = part.shape[1]
        darker = part - np.minimum(part, down[:rows])
        np.add(darker, np.minimum(255 - darker, up[:rows]), out=with_noise[:, top : top + rows])
    return with_noise


@lru_cache(maxsize=4)
def _band(width: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """``BAND``×``width``×3 uint8, of which one is added and the other subtracted."""
    across = np.tile(grain_square(levels), (1, -(-width // BAND)))[:, :width, None]
    grain = np.repeat(across, 3, 2)
    return grain.clip(0, None).astype(np.uint8), (-grain).clip(0, None).astype(np.uint8)
