"""Steps that taught nothing, because a number in them was not finite."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from fststyle.training.distributed import DistributedContext

IN_A_ROW = 5
"""So many steps one after the other are no matter of their photos: the run goes back."""
SHOWN = 4
"""Photos that are named of a step."""


class PassedOver:
    """Which of the steps since the last look were passed over, and with what photos.

    Nothing is waited for until then: on a GPU every look costs time.
    """

    def __init__(self) -> None:
        self.in_a_row = 0
        self._flags: list[Tensor] = []
        self._photos: list[Sequence[str]] = []

    def add(self, flag: Tensor, photos: Sequence[str]) -> None:
        """A step: ``flag``, a boolean scalar on the device, is true if it was passed over."""
        self._flags.append(flag)
        self._photos.append(photos)

    def look(self, context: DistributedContext) -> list[tuple[int, list[str]]]:
        """(steps ago, photos in any process) of those passed over; counts those ``in_a_row``."""
        flags = context.any_of(torch.stack(self._flags))
        passed = []
        for ago, (flag, photos) in enumerate(zip(flags, self._photos, strict=True), 1 - len(flags)):
            self.in_a_row = self.in_a_row + 1 if flag else 0
            if flag:
                passed.append((-ago, context.gather(photos)))
        self._flags, self._photos = [], []
        return passed


def named(photos: Sequence[str]) -> str:
    """ "its photos: a.jpg, b.jpg and 3 more"; nothing where none are known."""
    if not photos:
        return ""
    names = ", ".join(Path(photo).name for photo in photos[:SHOWN])
    more = len(photos) - SHOWN
    return f"; its photos: {names}" + (f" and {more} more" if more > 0 else "")
