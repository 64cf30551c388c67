"""Standard input and output as FFmpeg uses them, ended by Ctrl-C where the other end is silent.

FFmpeg's own reader and writer of pipes wait in C, where no wish to stop is heard.
"""

import errno
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Any

from fststyle.utils.signals import stop_requested

PATIENCE = 0.2
"""Seconds between two looks at whether an end was asked for."""


LOOKS = 8
"""As many more are taken at a reader that may be slow."""


def _wait(ready: Callable[[], Any], looks: int = 1) -> bool:
    """Whether it came to be ready before an end was asked for, or within so many looks then."""
    while not ready():
        looks -= stop_requested()
        if not looks:
            return False
    return True


class StandardInput:
    """A file for ``av.open``.

    Attributes:
        count: bytes that came, so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size`` of them; none at the end, or where that is asked for
        while nothing comes."""
        # Windows has no such question for pipes.
        if sys.platform != "win32" and not _wait(lambda: select.select([0], [], [], PATIENCE)[0]):
            return b""
        data = os.read(0, size)
        self.count += len(data)
        return data


class StandardOutput:
    """A file for ``av.open``, to the file descriptor ``number``."""

    def __init__(self, number: int) -> None:
        self._number = number
        # Files and devices take whatever they are given.
        self._waits = sys.platform != "win32" and not stat.S_ISREG(os.fstat(number).st_mode)

    def write(self, data: bytes) -> int:
        """Write all of it; returns how many bytes these were.

        Raises BrokenPipeError where nobody reads any more, or an end is asked for while nobody
        does.
        """
        rest = memoryview(data)
        while rest:
            if self._waits and not _wait(self._has_room, LOOKS):
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            # A pipe that can be written to has room for so many bytes, and waits for more.
            rest = rest[os.write(self._number, rest[: select.PIPE_BUF] if self._waits else rest) :]
        return len(data)

    def _has_room(self) -> bool:
        return bool(select.select([], [self._number], [], PATIENCE)[1])
