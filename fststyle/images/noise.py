"""Grain for what is flat in a picture.

A convolutional network makes the same of the same: where a photo is blown out to plain white, or
drawn in one colour, every pixel sees the same around it, and there are no strokes but one flat
patch. The slightest variation of the input suffices for strokes there, and changes nothing
elsewhere that one would see. Where it is the same kind everywhere, one motif repeats all over a
sky; so half of it is coarse, by which strokes gather as they do on a cloud.
"""

from functools import lru_cache

import numpy as np

from fststyle.config import InferConfig

NOISE_LEVELS = InferConfig.grain
"""What ``infer`` adds, in levels of 255: with 3 flat skies have strokes, with 12 no bolder ones."""
COARSE = (1 / 128, 1 / 16)
"""Cycles in a pixel: the band of the coarse half, with as much of it in every octave."""
BAND = 256
"""Rows that are done at once; the grain repeats after so many rows and columns."""


def draw_grain(random: np.random.Generator, size: tuple[int, int], levels: float) -> np.ndarray:
    """Of ``size``, height and width, float64 in ±``levels``: half of it fine, half ``COARSE``."""
    fine = random.uniform(-levels / 2, levels / 2, size)
    spectrum = np.fft.rfft2(random.standard_normal(size))
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1]))
    inside = (COARSE[0] <= frequency) & (frequency <= COARSE[1])
    coarse = np.fft.irfft2(np.divide(spectrum, frequency, where=inside, out=0 * spectrum), size)
    deviation = coarse.std() or 1.0  # too small a square has nothing coarse
    return (fine + levels / 2 * coarse / deviation).clip(-levels, levels)


@lru_cache(maxsize=4)
def grain_square(levels: int) -> np.ndarray:
    """``BAND``×``BAND`` int16, read only: what is added to pixels; beside and below it repeats."""
    grain = draw_grain(np.random.default_rng(0), (BAND, BAND), levels)
    square = np.rint(grain).astype(np.int16)
    square.setflags(write=False)
    return square


def add_noise(frames: np.ndarray, levels: int, moved: tuple[int, int] = (0, 0)) -> np.ndarray:
    """N×H×W×3 uint8 to the same, every pixel brighter or darker by up to ``levels``, 0 to
    255, all channels alike. With 0 levels ``frames`` themselves. ``moved``: pixels to the right and
    down by which the grain has moved.

    The grain belongs to the place in the picture, so that it neither flickers from frame to frame
    nor differs between runs.
    """
    if not levels:
        return frames
    width = frames.shape[2]
    left, above = -moved[0] % BAND, -moved[1] % BAND
    up, down = (x[above:, left : left + width] for x in _bands(width, levels))
    with_noise = np.empty_like(frames)
    for top in range(0, frames.shape[1], BAND):
        part = frames[:, top : top + BAND]
        rows = part.shape[1]
        darker = part - np.minimum(part, down[:rows])
        np.add(darker, np.minimum(255 - darker, up[:rows]), out=with_noise[:, top : top + rows])
    return with_noise


@lru_cache(maxsize=4)
def _bands(width: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """2 ``BAND``×(``width`` + ``BAND``)×3 uint8, of which one is added and the other subtracted:
    enough for any part of the grain to come first."""
    grain = np.tile(grain_square(levels)[..., None], (2, -(-width // BAND) + 1, 3))
    return grain.clip(0, None).astype(np.uint8), (-grain).clip(0, None).astype(np.uint8)
