"""What a network makes of a picture that has moved by some pixels: the same, moved, or something
else."""

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

from fststyle.networks.transform import STRIDE

MOVES = (1.0, 2.0, 3.0, 4.0, 0.5)
"""Pixels to the right and down. A network's own grid is 4 pixels wide: moved by these its pictures
move along, and what is missing to 0 there is what its borders tell."""
MARGIN = 16
"""Pixels at the borders that are not compared."""


def move_errors(
    stylize: Callable[[Image.Image], np.ndarray], frame: Image.Image, size: tuple[int, int]
) -> dict[str, float]:
    """Root mean square of what changes, in [0,1], by the pixels of the move, in figures.

    Args:
        stylize: a picture to H×W×3 float32 in [0,1].
        frame: a picture of any size.
        size: (width, height) to which it is reduced, of which the pixels are. Windows of it are cut
            out of ``frame`` itself, so that half a pixel's move blurs nothing.
    """
    room = round(max(MOVES))
    width, height = (side - room - (side - room) % STRIDE for side in size)
    across, down = (whole / side for whole, side in zip(frame.size, size, strict=True))

    def window(move: float) -> np.ndarray:
        left, top = move * across, move * down
        box = (left, top, left + width * across, top + height * down)
        return stylize(frame.resize((width, height), Image.Resampling.LANCZOS, box=box))

    # What has moved to the left and up: its pixel x is the other's x + move.
    still = window(0.0)
    errors = {}
    for move in MOVES:
        back = np.array([[1, 0, -move], [0, 1, -move]])
        along = cv2.warpAffine(still, back, (width, height), flags=cv2.INTER_LANCZOS4)
        ours, theirs = (
            picture[MARGIN : height - MARGIN, MARGIN : width - MARGIN]
            for picture in (along, window(move))
        )
        errors[f"{move:g}"] = float(np.sqrt(np.square(ours - theirs).mean()))
    return errors
