"""Motion between two pictures: where every pixel went, and which of them can be followed."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np


def optical_flow(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """H×W×2 float32: how far every pixel of ``before`` has gone to the right and down in ``after``,
    both H×W×3 uint8 RGB; dense inverse search (Kroeger et al. 2016)."""
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    old, new = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (before, after))
    return search.calc(old, new, None)  # any array, of zeros too, would be where it begins


def warped(after: np.ndarray, flow: np.ndarray, filter: int = cv2.INTER_LINEAR) -> np.ndarray:
    """H×W×C of the same type: the values to which ``flow`` leads from every pixel; ``filter`` is
    OpenCV's, of what lies between pixels."""
    across, down = (flow[..., i] + grid for i, grid in enumerate(pixel_grid(*flow.shape[:2])))
    return np.asarray(cv2.remap(after, across, down, filter, borderMode=cv2.BORDER_REPLICATE))


def followed(forward: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """H×W bool: the pixels that are in both pictures, by the flows from one to the other and back:
    these undo each other there, and it is no edge of something that moves, where neither is exact
    (Ruder et al. 2016, eqs. 5 and 6, after Sundaram et al. 2010)."""
    height, width = forward.shape[:2]
    back = warped(backward, forward)
    size = _square(forward)
    undone = _square(forward + back) < 0.01 * (size + _square(back)) + 0.5
    slopes = sum(_square(slope) for slope in np.gradient(forward, axis=(0, 1)))
    right, down = (forward[..., i] + grid for i, grid in enumerate(pixel_grid(height, width)))
    inside = (right >= 0) & (right <= width - 1) & (down >= 0) & (down <= height - 1)
    return undone & (slopes < 0.01 * size + 0.002) & inside


def _square(vectors: np.ndarray) -> np.ndarray:
    """H×W×2 to H×W: their length, squared."""
    right, down = vectors[..., 0], vectors[..., 1]
    length: np.ndarray = right * right + down * down
    return length


@lru_cache(maxsize=4)
def pixel_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of every pixel, H×W float32 each."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return across.astype(np.float32), down.astype(np.float32)
