"""Live sources: the latest frame, reconnection, what is said where nothing is there."""

import http.server
import os
import queue
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fststyle.inference import video_jobs
from fststyle.inference.video import live
from fststyle.inference.video.live import Latest, Pace, show
from fststyle.inference.video.reader import Frame, VideoSource
from fststyle.inference.video.timeline import Moment
from tests.conftest import run_command, run_here, write_clip

EVEN = [40 * i for i in range(12)]


class Clock:
    """A clock that stands still but for the waits of ``live``, which take no time."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def perf_counter(self) -> float:
        return sum(self.waits)

    def event(self) -> threading.Event:
        event = threading.Event()

        def wait(timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0.0)
            return event.is_set()

        event.wait = wait  # type: ignore[method-assign]
        return event


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    others = {"Condition": threading.Condition, "Thread": threading.Thread}
    monkeypatch.setattr(live, "threading", SimpleNamespace(Event=clock.event, **others))
    return clock


class Source:
    """Frames whose pixels are their number, at the end the ``error``; the frames of ``numbers``, or
    those that are put into it, up to a None."""

    def __init__(
        self,
        numbers: "range | queue.Queue[int | None]",
        live: bool = True,
        failure: str = "",
        error: Exception | None = None,
    ) -> None:
        self.numbers, self.time_base, self.live = numbers, Fraction(1, 1000), live
        self.corrupt, self.failure, self.notes, self._error = 0, failure, list[str](), error

    def __iter__(self) -> Iterator[Frame]:
        if isinstance(self.numbers, range):
            yield from map(self._frame, self.numbers)
        else:
            while (number := self.numbers.get()) is not None:
                yield self._frame(number)
                self.numbers.task_done()  # whoever asked for the next has taken this one
        if self._error is not None:
            raise self._error

    def _frame(self, number: int) -> Frame:
        return Frame(np.full((2, 2, 3), number, np.uint8), number)

    def close(self) -> None:
        pass


def latest(name: str, source: Any) -> Latest:
    return Latest(name, None, lambda *_: source)


class Window:
    def __init__(self, most: int = 10**9) -> None:
        self.shown: list[int] = []
        self.titles: list[str] = []
        self.most = most

    def show(self, frame: np.ndarray, title: str) -> bool:
        self.shown.append(int(frame[0, 0, 0]))
        self.titles.append(title)
        return len(self.shown) < self.most

    def wait(self) -> bool:
        return True

    def close(self) -> None:
        pass


def test_what_is_slow_sees_the_latest_frame() -> None:
    numbers: queue.Queue[int | None] = queue.Queue()
    numbers.put(0)
    frames = latest("camera:0", Source(numbers))
    window = Window()

    def slow(frame: np.ndarray) -> np.ndarray:
        """While it computes, ten more come."""
        number = int(frame[0, 0, 0])
        for later in range(number + 1, number + 11):
            numbers.put(later if number < 60 else None)
        if number < 60:
            numbers.join()
        return frame

    count = show(frames, slow, window, lambda: False)
    assert window.shown == [0, 10, 20, 30, 40, 50, 60] and count == 7
    assert frames.moment.number == 60
    assert "frames/s, latency" in window.titles[-1]


def test_frames_of_files_are_told_with_their_time() -> None:
    frames, moments = latest("clip.mp4", Source(range(50, 250, 40), live=False)), []
    while frames.get() is not None:
        moments.append(frames.moment)
    assert moments and moments[-1] == Moment(4, Fraction(4, 25))
    assert all(moment.seconds == Fraction(moment.number, 25) for moment in moments)


def test_a_closed_window_and_a_wish_to_stop_end_it() -> None:
    numbers: queue.Queue[int | None] = queue.Queue()
    numbers.put(0)
    window = Window(most=3)
    frames = latest("camera:0", Source(numbers))

    def next_comes(frame: np.ndarray) -> np.ndarray:
        numbers.put(int(frame[0, 0, 0]) + 1)
        return frame

    assert show(frames, next_comes, window, lambda: False) == 3
    assert show(frames, next_comes, Window(), lambda: True) == 0
    numbers.put(None)
    frames.close()


def test_a_stream_that_breaks_is_opened_again(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[int] = []
    numbers: queue.Queue[int | None] = queue.Queue()

    def open_source(*_: Any) -> Any:
        opened.append(1)
        if len(opened) in (3, 5):
            raise ValueError("not there yet")
        numbers.put(len(opened))
        return Source(numbers)

    def breaks(frame: np.ndarray) -> np.ndarray:
        numbers.put(None)
        return frame

    frames = Latest("rtsp://somewhere", None, open_source)
    window = Window(most=3)
    show(frames, breaks, window, lambda: False)
    frames.close()
    assert window.shown == [1, 2, 4] and clock.waits[:3] == [1.0, 1.0, 2.0]
    assert "broken off; trying again in 1 s" in capsys.readouterr().err


def test_pace() -> None:
    pace = Pace()
    for i in range(5):
        text = pace.add(i * 0.1, i * 0.1 + 0.02)
    assert text == "10.0 frames/s, latency 20 ms"


def test_a_file_is_shown_at_its_own_pace(tmp_path: Path, clock: Clock) -> None:
    write_clip(tmp_path / "clip.mp4", EVEN)
    frames = Latest(str(tmp_path / "clip.mp4"))
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 1
    assert clock.waits == pytest.approx([0.0, *[0.04] * 11])


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where what lies in ``tmp_path`` is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_file_behind_an_address_is_a_file(tmp_path: Path, address: str, clock: Clock) -> None:
    """Shown at its own pace, and once."""
    for name in ("clip.mp4", "clip.ts"):
        write_clip(tmp_path / name, EVEN)
        source = VideoSource(f"{address}/{name}")
        assert not source.live and sum(isinstance(item, Frame) for item in source) == len(EVEN)
        source.close()
    frames = Latest(f"{address}/clip.mp4")
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 1
    assert clock.perf_counter() == pytest.approx(0.44) and frames.failure == ""
    frames.close()


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("clip.mp4", Source(range(3), live=False), ""),
        (
            "clip.mp4",
            Source(range(3), live=False, failure="torn"),
            "cannot be read to its end (torn)",
        ),
        ("http://a/clip.mp4", Source(range(3), live=False, failure="cut"), "to its end (cut)"),
        (
            "camera:0",
            Source(range(3), failure="gone"),
            "the camera has ended (gone): is it unplugged?",
        ),
        ("camera:0", Source(range(3)), "the camera has ended"),
        ("rtsp://a", Source(range(3), error=MemoryError("no memory")), "no memory"),
    ],
)
def test_what_ends_early_says_why(name: str, source: Any, said: str) -> None:
    frames = latest(name, source)
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 1
    assert frames.ended and said in frames.failure and bool(said) == bool(frames.failure)


def test_show_of_a_damaged_file_ends_with_a_word_and_status_1(
    exported: Callable[..., Path],
    tmp_path: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(video_jobs, "TkWindow", Window)
    clip = tmp_path / "clip.mkv"
    write_clip(clip, [50 * i for i in range(60)])
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    status, error = run_here(capsys, "infer", exported(uint8=True), clip, "--show")
    assert status == 1 and f"{clip}: cannot be read to its end (it ends after" in error


@pytest.mark.skipif(os.path.exists("/dev/video99"), reason="that camera is there")
def test_without_camera_or_display_it_is_said(
    exported: Callable[..., Path], tmp_path: Path
) -> None:
    model = exported(uint8=True)
    out = ("--output", tmp_path / "out.mp4")
    done = run_command("infer", model, "camera:99", *out)
    assert done.returncode == 2 and "camera:99: no such camera, or it is in use" in done.stderr
    hidden = {"DISPLAY": "", "WAYLAND_DISPLAY": ""}
    done = run_command("infer", model, "camera:99", "--show", env=hidden)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "--show needs" in done.stderr
    done = run_command("infer", model, "camera:99")
    assert done.returncode == 2 and "add --show, or --output FILE.mp4" in done.stderr
