"""Stages that run side by side, each in a thread, with short queues between them."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 4
"""Items that wait between two stages: enough to bridge hiccups, few enough to stay in memory."""


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(source: Iterable[T], depth: int = DEPTH) -> Generator[T, None, None]:
    """The items of ``source``, which a thread produces up to ``depth`` ahead.

    What it raises is raised here. Left early, the thread ends with the item in hand.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    left = threading.Event()

    def offer(item: T | _End) -> None:
        while not left.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in source:
                offer(item)
                if left.is_set():
                    break
        except BaseException as caught:
            error = caught
        offer(_End(error))

    thread = threading.Thread(target=produce, daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        thread.join()


class BackgroundWriter(Generic[T]):
    """A thread that gives what is ``put`` to ``consume``, in order, up to ``depth`` behind, and at
    the end calls ``finish``.

    What these raise is raised by the next ``put``, or by ``close``.
    """

    def __init__(
        self,
        consume: Callable[[T], None],
        finish: Callable[[], None] = lambda: None,
        depth: int = DEPTH,
    ) -> None:
        self._consume, self._finish = consume, finish
        self._waiting: queue.Queue[T | _End] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not isinstance(item := self._waiting.get(), _End):
            self._try(lambda item=item: self._consume(item))  # type: ignore[misc]
        if item.error is None:
            self._try(self._finish)

    def _try(self, action: Callable[[], None]) -> None:
        if self._error is None:  # else drain, so that nobody waits forever
            try:
                action()
            except BaseException as error:
                self._error = error

    def put(self, item: T) -> None:
        """Wait for room, then leave ``item`` to the thread."""
        if self._error is not None:
            raise self._error
        self._waiting.put(item)

    def close(self) -> None:
        """Wait until all is consumed and finished."""
        self._end(_End(None))
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """End without ``finish``; after ``close`` nothing happens."""
        self._end(_End(InterruptedError()))

    def _end(self, end: _End) -> None:
        if self._thread.is_alive():
            self._waiting.put(end)
            self._thread.join()
