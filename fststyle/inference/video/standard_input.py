"""Standard input as FFmpeg reads it."""

import os
import select
import sys

from fststyle.utils.signals import stop_requested

PATIENCE = 0.2
"""Seconds between two looks at whether an end was asked for."""


class StandardInput:
    """A file for ``av.open`` that ends, too, when Ctrl-C asks for it while nothing comes, which
    FFmpeg's own reader waits through.

    Attributes:
        count: bytes that came, so far.
    """

    def __init__(self) -> None:
        self.count = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size`` of them; none at the end."""
        # Windows has no such question for pipes.
        while sys.platform != "win32" and not select.select([0], [], [], PATIENCE)[0]:
            if stop_requested():
                return b""
        data = os.read(0, size)
        self.count += len(data)
        return data
