"""Standard input and output as FFmpeg uses them, ended by Ctrl-C where the other end is silent.

FFmpeg's own reader and writer of pipes wait in C, where no wish to stop is heard.
"""

import contextlib
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
"""So many are taken then at a reader, which may be slow."""
PIPE = 1 << 20
"""Bytes that a pipe is to hold, where it can be told: with the usual 64 kB the two ends wait for
each other a hundred times a frame."""


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
        self._number, self._given = number, number
        self._most: int | None = None
        # Files and devices take whatever they are given, and Windows does not say.
        if sys.platform == "win32" or stat.S_ISREG(os.fstat(number).st_mode):
            return
        try:
            # Other programs have the pipe, too, and would not expect it to refuse what is too much
            # for now; what is opened anew has a mode of its own.
            self._number = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            self._most = select.PIPE_BUF  # for so much there is room where there is any
        with contextlib.suppress(ImportError, AttributeError, OSError):
            import fcntl

            fcntl.fcntl(number, fcntl.F_SETPIPE_SZ, PIPE)

    def write(self, data: bytes) -> int:
        """Write all of it; returns how many bytes these were.

        Raises BrokenPipeError where nobody reads any more, or an end is asked for while nobody
        does.
        """
        rest = memoryview(data)
        while rest:
            if self._most:
                self._wait_for_room()
            try:
                rest = rest[os.write(self._number, rest[: self._most]) :]
            except BlockingIOError:
                self._wait_for_room()
        return len(data)

    def close(self) -> None:
        """Leave the pipe to those who have it otherwise."""
        if self._number != self._given:
            os.close(self._number)

    def _wait_for_room(self) -> None:
        if not _wait(lambda: select.select([], [self._number], [], PATIENCE)[1], LOOKS):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
