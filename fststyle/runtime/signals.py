"""Ctrl-C as a wish to end well."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stop:
    """Whether an end was asked for."""

    requested = False


@contextmanager
def watch_signals() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM set ``requested``; a second one ends the process at once."""
    stop = Stop()
    before: dict[int, Any] = {}

    def handle(number: int, _: object) -> None:
        if stop.requested:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        stop.requested = True

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
