"""Weight maps drawn at random from a crop's own, so that a network learns to follow any map."""

import cv2
import numpy as np

OWN, INVERSE, CONSTANT, GRADIENT = 0.4, 0.2, 0.2, 0.05
"""Parts of the crops that get their own map, its inverse, one value, an even gradient; the others
get blobs, half of them with soft and half with hard edges."""
NARROWED = 0.25
"""Part of the maps whose range is narrowed to one at random."""
BLOBS = (3, 7)
"""Least and most blobs along a side, both possible."""


def draw_weight_map(own: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """H×W float32 in [0,1] to the same: a map that a user might give with the crop.

    ``own``: the crop's, such as from its depth; it is stretched to the whole range, of which a crop
    of a photo has a part.
    """
    kind = random.random()
    if kind < OWN + INVERSE:
        weight_map = _stretched(own)
        weight_map = weight_map if kind < OWN else 1 - weight_map
    elif kind < OWN + INVERSE + CONSTANT:
        # The ends are what is asked for most, and hardest.
        value = random.choice((0.0, 1.0, random.random()))
        return np.full(own.shape, value, np.float32)
    elif kind < OWN + INVERSE + CONSTANT + GRADIENT:
        weight_map = _gradient(own.shape, random)
    else:
        weight_map = _blobs(own.shape, random)
        if random.random() < 0.5:
            weight_map = (weight_map > random.uniform(0.3, 0.7)).astype(np.float32)
    if random.random() < NARROWED:
        first, second = random.random(2)
        weight_map = first + (second - first) * weight_map
    return weight_map.astype(np.float32)


def _stretched(x: np.ndarray) -> np.ndarray:
    low, high = x.min(), x.max()
    stretched: np.ndarray = (x - low) / max(high - low, 1e-3)
    return stretched


def _gradient(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """From 0 to 1 in any direction."""
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = (np.linspace(-1, 1, side) for side in shape)
    return _stretched(rows[:, None] * np.sin(angle) + columns * np.cos(angle))


def _blobs(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    count = random.integers(BLOBS[0], BLOBS[1] + 1)
    coarse = random.random((count, count), np.float32)
    height, width = shape
    return _stretched(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
