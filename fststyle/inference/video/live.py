"""``fststyle infer --show``: a camera, a stream or a video in a window, always its latest frame."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from PIL import Image

from fststyle.inference.video.media import CAMERA
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import Source, open_source
from fststyle.inference.video.timeline import Moment

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to connect anew; the last is repeated."""


class Latest:
    """Reads a source in a thread as fast as it comes and keeps its newest frame alone, so that
    however slow the rest is, what is shown is never older than it must be.

    A live stream that breaks is opened again, after growing ``PAUSES``; a file, local or behind an
    address, or a camera that ends is the end. Files are read at their own pace.

    Attributes:
        failure: why less came than there is, once ``ended``; empty where all did.
        notes: as ``VideoSource`` has them.
        moment: of the frame that ``get`` gave last, frames that nobody saw counted; of live sources
            by when it came, whatever their own clock says.

    Args:
        source, max_size, rate: as ``open_source`` takes them; opened here, errors are its own.
    """

    def __init__(
        self,
        source: str,
        max_size: int | None = None,
        open_source: Callable[[str, int | None, float | None], Source] = open_source,
        *,
        rate: float | None = None,
    ) -> None:
        self.source, self._form, self._open = source, (max_size, rate), open_source
        self.failure = ""
        self._current = open_source(source, max_size, rate)
        self._changed = threading.Condition()
        self._frame: tuple[np.ndarray, float, Moment] | None = None
        self.moment = Moment(0, Fraction(0))
        self._count, self._began = 0, 0.0
        self._ended = False
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def get(self) -> tuple[np.ndarray, float] | None:
        """(newest frame, when it came, in ``time.perf_counter`` seconds), each once; None at the
        end, and once a second while nothing comes (see ``ended``)."""
        with self._changed:
            if self._frame is None and not self._ended:
                self._changed.wait(1.0)
            if self._frame is None:
                return None
            pixels, came, self.moment = self._frame
            self._frame = None
            return pixels, came

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        with self._changed:
            return self._ended and self._frame is None

    def close(self) -> None:
        """Stop reading."""
        self._left.set()
        self._thread.join(timeout=12)

    @property
    def form(self) -> tuple[int, int, float]:
        """Width and height of its frames, and how many come in a second."""
        return self._current.width, self._current.height, float(self._current.rate)

    @property
    def notes(self) -> list[str]:
        """See above."""
        return self._current.notes

    def _read(self) -> None:
        attempt = 0
        try:
            while not self._left.is_set():
                came = self._read_through()
                if not self._current.live or self.source.startswith(CAMERA):
                    return
                attempt = 0 if came else attempt + 1
                pause = PAUSES[min(attempt, len(PAUSES) - 1)]
                print(f"{self.source}: broken off; trying again in {pause:g} s", file=sys.stderr)
                while not self._left.wait(pause):
                    try:
                        self._current = self._open(self.source, *self._form)
                        break
                    except (ValueError, OSError):
                        attempt += 1
                        pause = PAUSES[min(attempt, len(PAUSES) - 1)]
        except Exception as error:  # in a thread nobody else would hear of it
            self.failure = str(error) or type(error).__name__
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _read_through(self) -> bool:
        """Read until the source ends; whether any frame came."""
        first: int | None = None
        came, started = False, 0.0
        source = self._current
        try:
            for item in source:
                if self._left.is_set():
                    break
                if not isinstance(item, Frame):
                    continue
                if first is None:
                    first, started = item.pts, time.perf_counter()
                at = Fraction((item.pts - first) * source.time_base)
                if not source.live:  # a file would be over at once
                    self._left.wait(max(0.0, started + float(at) - time.perf_counter()))
                came, now = True, time.perf_counter()
                if not self._count:
                    self._began = now
                moment = Moment(self._count, Fraction(now - self._began) if source.live else at)
                self._count += 1
                with self._changed:
                    self._frame = item.pixels, now, moment
                    self._changed.notify()
        finally:
            source.close()
        self.failure = self._describe_failure()
        return came

    def _describe_failure(self) -> str:
        """Of a source that has ended."""
        source = self._current
        if source.failure and not source.live:
            return f"cannot be read to its end ({source.failure})"
        if self.source.startswith(CAMERA):
            return f"the camera has ended ({source.failure or 'no more frames'}): is it unplugged?"
        return f"{source.corrupt} corrupt frame(s) passed over" if source.corrupt else ""


class Window(Protocol):
    """Where frames are shown."""

    def show(self, frame: np.ndarray, title: str) -> bool:
        """Show an H×W×3 uint8 frame; False once the user has closed the window."""

    def wait(self) -> bool:
        """Let the window live while no frame comes; False once it is closed."""

    def close(self) -> None:
        """Close it."""


class TkWindow:
    """A window of Tk's, which comes with Python nearly everywhere.

    Raises ValueError where there is no display, or no Tk.
    """

    def __init__(self) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise ValueError(
                "--show needs Tk, which this Python lacks: install it (Debian, Ubuntu: python3-tk)"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise ValueError(
                f"--show needs a display ({error}); without one write a file with --output"
            ) from error
        self._open = True
        self._label = tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._root.protocol("WM_DELETE_WINDOW", self._closed)
        self._root.bind("<Escape>", lambda _: self._closed())
        self._root.bind("q", lambda _: self._closed())

    def _closed(self) -> None:
        self._open = False

    def show(self, frame: np.ndarray, title: str) -> bool:
        """See ``Window``."""
        from PIL import ImageTk

        self._picture = ImageTk.PhotoImage(Image.fromarray(frame))
        self._label.configure(image=self._picture)  # type: ignore[arg-type]
        self._root.title(title)
        return self.wait()

    def wait(self) -> bool:
        """See ``Window``."""
        self._root.update()
        return self._open

    def close(self) -> None:
        """See ``Window``."""
        self._root.destroy()


class Pace:
    """Frames per second and latency, over the last second or so."""

    def __init__(self) -> None:
        self._shown: deque[tuple[float, float]] = deque(maxlen=30)

    def add(self, came: float, now: float) -> str:
        """A frame that came at ``came`` and is shown ``now``; returns what to tell people."""
        self._shown.append((now, now - came))
        first, last = self._shown[0][0], self._shown[-1][0]
        rate = (len(self._shown) - 1) / (last - first) if last > first else 0.0
        latency = sum(delay for _, delay in self._shown) / len(self._shown)
        return f"{rate:.1f} frames/s, latency {1000 * latency:.0f} ms"


def show(
    frames: Any,
    effect: Callable[[np.ndarray], np.ndarray],
    window: Window,
    stopped: Callable[[], bool],
) -> int:
    """Stylize the latest frame and show it, until the source ends, the window is closed or
    ``stopped``. Returns the number of frames shown; ``frames`` is a ``Latest``."""
    pace, count, alive = Pace(), 0, True
    text = ""
    while alive and not stopped() and not frames.ended:
        newest = frames.get()
        if newest is None:
            alive = window.wait()
            continue
        output = effect(newest[0])
        alive = window.show(output, f"fststyle  {text}")
        text = pace.add(newest[1], time.perf_counter())
        count += 1
    if count:
        print(f"{count} frames shown; {text}")
    return count
