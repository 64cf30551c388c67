"""Live sources: the latest frame, reconnection, what is said where nothing is there."""

import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_command, run_here, write_clip

from fststyle.runtime import infer, live
from fststyle.runtime.live import Latest, Pace, show
from fststyle.runtime.video import Frame, VideoSource

EVEN = [40 * i for i in range(12)]


class Source:
    """Frames whose pixels are their number, one every 5 ms; at the end the ``error``."""

    def __init__(
        self, count: int, live: bool = True, failure: str = "", error: Exception | None = None
    ) -> None:
        self.count, self.time_base, self.live = count, Fraction(1, 1000), live
        self.corrupt, self.failure, self.notes, self._error = 0, failure, list[str](), error

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self.count):
            time.sleep(0.005)
            yield Frame(np.full((2, 2, 3), number, np.uint8), number)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        pass


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
    frames = Latest("camera:0", None, lambda *_: Source(60))  # type: ignore[arg-type,return-value]
    window = Window()

    def slow(frame: np.ndarray) -> np.ndarray:
        time.sleep(0.05)
        return frame

    count = show(frames, slow, window, lambda: False)
    assert count == len(window.shown) < 20 and window.shown == sorted(window.shown)
    assert window.shown[-1] == 59, "nothing is left waiting"
    assert "frames/s, latency" in window.titles[-1]


def test_a_closed_window_and_a_wish_to_stop_end_it() -> None:
    window = Window(most=3)
    frames = Latest("camera:0", None, lambda *_: Source(10**6))  # type: ignore[arg-type,return-value]
    assert show(frames, lambda frame: frame, window, lambda: False) == 3
    assert show(frames, lambda frame: frame, Window(), lambda: True) == 0
    frames.close()


def test_a_stream_that_breaks_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "PAUSES", (0.01, 0.02))
    opened: list[int] = []

    def open_source(*_: Any) -> Any:
        opened.append(1)
        if len(opened) == 3:
            raise ValueError("not there yet")
        return Source(4)

    frames = Latest("rtsp://somewhere", None, open_source)
    window = Window(most=12)
    show(frames, lambda frame: frame, window, lambda: False)
    frames.close()
    assert len(opened) >= 4 and window.shown.count(3) >= 2
    assert "broken off; trying again in 0.01 s" in capsys.readouterr().err


def test_pace() -> None:
    pace = Pace()
    for i in range(5):
        text = pace.add(i * 0.1, i * 0.1 + 0.02)
    assert text == "10.0 frames/s, latency 20 ms"


def test_a_file_is_shown_at_its_own_pace(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", EVEN)
    started = time.perf_counter()
    frames = Latest(str(tmp_path / "clip.mp4"))
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 10
    assert time.perf_counter() - started >= 0.4


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


def test_a_file_behind_an_address_is_a_file(tmp_path: Path, address: str) -> None:
    """Shown at its own pace, and once."""
    for name in ("clip.mp4", "clip.ts"):
        write_clip(tmp_path / name, EVEN)
        source = VideoSource(f"{address}/{name}")
        assert not source.live and sum(isinstance(item, Frame) for item in source) == len(EVEN)
        source.close()
    started = time.perf_counter()
    frames = Latest(f"{address}/clip.mp4")
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 1
    assert time.perf_counter() - started >= 0.4 and frames.failure == ""
    frames.close()


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("clip.mp4", Source(3, live=False), ""),
        ("clip.mp4", Source(3, live=False, failure="torn"), "cannot be read to its end (torn)"),
        ("http://a/clip.mp4", Source(3, live=False, failure="cut"), "to its end (cut)"),
        ("camera:0", Source(3, failure="gone"), "the camera has ended (gone): is it unplugged?"),
        ("camera:0", Source(3), "the camera has ended"),
        ("rtsp://a", Source(3, error=MemoryError("no memory")), "no memory"),
    ],
)
def test_what_ends_early_says_why(name: str, source: Any, said: str) -> None:
    frames = Latest(name, None, lambda *_: source)
    assert show(frames, lambda frame: frame, Window(), lambda: False) >= 1
    assert frames.ended and said in frames.failure and bool(said) == bool(frames.failure)


def test_show_of_a_damaged_file_ends_with_a_word_and_status_1(
    exported: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(infer, "TkWindow", Window)
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
