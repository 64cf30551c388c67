"""What a network is shown a second time in a step, and what may not change in its picture of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fststyle.config import StyleTrainConfig
from fststyle.losses.functional import followed_loss, stability_loss
from fststyle.networks.transform import STRIDE
from fststyle.training.camera import NOISE, camera_move, drawn_relief, seen, with_noise
from fststyle.training.shifts import translate

CHANGED, BETWEEN = 0.4, 0.125
"""Parts of a picture's side: where its map is changed, and from there to where nothing may."""
SHIFT_MARGIN = 16
"""Pixels at the border that are left out after a shift."""


class Again(NamedTuple):
    """Images for a second time, in another way.

    Attributes:
        inputs: what the network is shown, in the order of its arguments.
        change: from its pictures of the images the first time and of these to what differs where
            nothing may, a scalar.
    """

    inputs: Sequence[Tensor]
    change: Callable[[Tensor, Tensor], Tensor]


def seen_again(
    inputs: Sequence[Tensor],
    weight_map: Tensor | None,
    config: StyleTrainConfig,
    step: int,
    random: torch.Generator,
) -> dict[str, Again]:
    """By the term of the loss, those that have a weight.

    "stability": after the camera, or the images, have moved; "locality": after the map has changed
    elsewhere. By how far and where follows from ``step`` and ``random``.

    ``inputs``: the network's, N×3×H×W, with their N×1×H×W map where it takes one; ``weight_map``:
    those maps where it takes none, too.
    """
    again = {}
    if config.steady_weight:
        if config.stability_moves == "shifts":
            again["stability"] = _shifted(inputs, step)
        else:
            again["stability"] = after_a_move(inputs, weight_map, random)
    if config.locality_weight and len(inputs) > 1:
        again["locality"] = _with_another_map(inputs, step)
    return again


def after_a_move(
    inputs: Sequence[Tensor], weight_map: Tensor | None, random: torch.Generator
) -> Again:
    """What a network is shown when the camera has moved; arguments as of ``seen_again``."""
    # Any map is a relief; of a photo's depth it is the photo's own.
    relief = drawn_relief(inputs[0], random) if weight_map is None else weight_map
    move = camera_move(relief, random)
    images, *maps = (seen(x, move).clamp(0, 1) for x in inputs)

    def change(before: Tensor, after: Tensor) -> Tensor:
        return followed_loss(seen(before, move), after, move.valid)

    return Again([with_noise(images, NOISE, random), *maps], change)


def _shifted(inputs: Sequence[Tensor], step: int) -> Again:
    shift = divmod(step % (STRIDE**2 - 1) + 1, STRIDE)

    def change(before: Tensor, after: Tensor) -> Tensor:
        return stability_loss(before, after, shift, SHIFT_MARGIN)

    return Again([translate(x, shift) for x in inputs], change)


def _with_another_map(inputs: Sequence[Tensor], step: int) -> Again:
    other, kept = change_of_map(inputs[1], step)

    def change(before: Tensor, after: Tensor) -> Tensor:
        return stability_loss(before[kept], after[kept], (0, 0), 0)

    return Again([inputs[0], other], change)


def change_of_map(weight_map: Tensor, step: int) -> tuple[Tensor, tuple[Any, ...]]:
    """(N×1×H×W maps turned to their other end along one of the four sides, in turn; the part of a
    picture, as an index, that is to stay as it was)."""
    axis, end = divmod(step % 4, 2)
    axis, side = axis + 2, weight_map.shape[axis + 2]
    edge, near = round(CHANGED * side), round((CHANGED + BETWEEN) * side)
    changed, kept = (slice(0, edge), slice(near, side))
    if end:
        changed, kept = slice(side - edge, side), slice(0, side - near)
    there = (slice(None),) * axis + (changed,)
    other = weight_map.clone()
    other[there] = (other[there] < 0.5).to(other.dtype)
    return other, (slice(None),) * axis + (kept,)
