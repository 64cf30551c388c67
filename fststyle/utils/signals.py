"""Ctrl-C as a wish to end well."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

IMPATIENT = 2.0
"""Seconds after which a second signal is one: ``timeout`` and ``torchrun`` send theirs to the
process and to its group, or pass on what the group was sent, so that one wish comes twice."""


class Stop:
    """Whether an end was asked for."""

    requested = False


_watched: list[Stop] = []


def stop_requested() -> bool:
    """Whether an end was asked for in the innermost ``watch_signals``; for any thread."""
    return bool(_watched) and _watched[-1].requested


@contextmanager
def watch_signals() -> Iterator[Stop]:
    """Ctrl-C and SIGTERM set ``requested``; another, ``IMPATIENT`` seconds later, ends the process
    at once. In other threads than the main one, which have no signals, nothing does."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before: dict[int, Any] = {}
    asked = 0.0

    def handle(number: int, _: object) -> None:
        nonlocal asked
        if not stop.requested:
            asked = time.monotonic()
        elif time.monotonic() - asked > IMPATIENT:
            signal.signal(number, before[number])
            signal.raise_signal(number)
        stop.requested = True

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, handle)
    _watched.append(stop)
    try:
        yield stop
    finally:
        _watched.remove(stop)
        for caught, handler in before.items():
            signal.signal(caught, handler)
