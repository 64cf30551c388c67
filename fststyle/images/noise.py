"""Grain for what is flat in a picture.

A convolutional network makes the same of the same: where a photo is blown out to plain white, or
drawn in one colour, every pixel sees the same around it, and there are no strokes but one flat
patch. The slightest variation of the input suffices for strokes there, and changes nothing
elsewhere that one would see. Where it is the same kind everywhere, one motif repeats all over a
sky; so ``clouds`` come beside it.
"""

from functools import lru_cache

import cv2
import numpy as np

from fststyle.config import InferConfig
from fststyle.config.infer import Grain
from fststyle.images.clouds import ROWS, clouded_bands

NO_GRAIN, GRAIN = Grain(0), Grain(InferConfig.grain)
"""What ``infer`` adds is the latter. Flat skies have strokes then, and with six times as much no
bolder ones, but with twice as much films flicker by 3 % more."""
BAND = ROWS
"""Rows and columns after which the grain repeats."""


@lru_cache(maxsize=4)
def grain_square(levels: int) -> np.ndarray:
    """``BAND``×``BAND`` int16, read only: what is added to pixels; beside and below it repeats."""
    most = (levels + 1) / 2
    grain = np.random.default_rng(0).uniform(-most, most, (BAND, BAND))
    square = np.rint(grain).astype(np.int16)
    square.setflags(write=False)
    return square


def add_noise(
    frames: np.ndarray,
    grain: Grain,
    moved: tuple[int, int] = (0, 0),
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """N×H×W×3 uint8 to the same with clouds, and every pixel brighter or darker by up to half of
    ``grain.levels``, 0 to 255, all channels alike. With 0 levels ``frames`` themselves.

    The grain belongs to the place in the picture, so that it neither flickers from frame to frame
    nor differs between runs.

    Args:
        moved: pixels to the right and down by which grain and clouds have moved.
        kept: N×h×w in [0,1], how far the pictures are to stay as they are.
    """
    if not grain.levels:
        return frames
    width = frames.shape[2]
    left, above = -moved[0] % BAND, -moved[1] % BAND
    up, down = (x[above:, left : left + width] for x in _bands(width, grain.levels))
    with_noise = np.empty_like(frames, order="C")
    for number, frame in enumerate(frames):
        stays = None if kept is None else kept[number]
        for top, part in clouded_bands(frame, grain, (-moved[1], -moved[0]), stays):
            rows = slice(top, top + len(part))
            cv2.subtract(part, down[: len(part)], dst=with_noise[number, rows])
            cv2.add(with_noise[number, rows], up[: len(part)], dst=with_noise[number, rows])
    return with_noise


def noisy(
    frame: np.ndarray,
    grain: Grain,
    weight_map: np.ndarray | None = None,
    moved: tuple[int, int] = (0, 0),
) -> np.ndarray:
    """``add_noise`` of one frame, H×W×3, and its h×w map."""
    kept = None if weight_map is None else weight_map[None]
    return add_noise(frame[None], grain, moved, kept)[0] if grain.levels else frame


@lru_cache(maxsize=4)
def _bands(width: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """2 ``BAND``×(``width`` + ``BAND``)×3 uint8, of which one is added and the other subtracted:
    enough for any part of the grain to come first."""
    grain = np.tile(grain_square(levels)[..., None], (2, -(-width // BAND) + 1, 3))
    return grain.clip(0, None).astype(np.uint8), (-grain).clip(0, None).astype(np.uint8)
