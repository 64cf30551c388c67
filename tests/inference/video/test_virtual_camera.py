"""Virtual cameras, by pyvirtualcam's own interface with a device of ours behind it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.reader import Frame, VideoSource
from fststyle.inference.video.virtual_camera import VirtualCamera
from tests.conftest import picture, run_here, write_clip

pyvirtualcam = pytest.importorskip(
    "pyvirtualcam", reason="pyvirtualcam is missing: pip install '.[virtualcam]'"
)


class Device:
    """What pyvirtualcam asks of a backend; remembers what it is given."""

    opened: list["Device"] = []  # noqa: RUF012

    def __init__(self, **given: Any) -> None:
        self.given, self.frames = given, list[np.ndarray]()
        self.closed = False
        self.opened.append(self)

    def send(self, frame: np.ndarray) -> None:
        assert frame.dtype == np.uint8 and frame.ndim == 1 and frame.flags.c_contiguous
        self.frames.append(frame.copy())

    def device(self) -> str:
        return str(self.given["device"] or "/dev/video9")

    def native_fourcc(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


class Missing(Device):
    def __init__(self, **given: Any) -> None:
        raise RuntimeError("No v4l2 loopback device found.\nDid you run 'modprobe v4l2loopback'?")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    shown = [np.asarray(picture(number)) for number in range(5)]
    write_clip(path, [0, 40, 80, 120, 160], shown=shown)
    return path


def use(monkeypatch: pytest.MonkeyPatch, device: type[Device]) -> list[Device]:
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {"ours": device})
    device.opened.clear()
    return device.opened


@pytest.mark.parametrize("device", [None, "/dev/video3"])
def test_a_film_is_seen_by_the_camera(
    exported: Callable[..., Path],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    device: str | None,
) -> None:
    """Stylized frames, the last one among them, in order; how many depends on the machine."""
    opened = use(monkeypatch, Device)
    output = f"virtualcam:{device}" if device else "virtualcam"
    model = exported(uint8=True)
    words = ("infer", model, clip, "--output", output, "--grain", 0, "--provider", "cpu")
    from fststyle.__main__ import main

    assert main([*map(str, words), "--threads", "1"]) == 0
    assert f"shown by {device or '/dev/video9'}; Ctrl-C ends" in capsys.readouterr().out
    (camera,) = opened
    rgb = {"width": 64, "height": 48, "fps": 25.0, "device": device}
    assert camera.given.items() >= rgb.items() and camera.closed
    assert camera.given["fourcc"] == pyvirtualcam.util.encode_fourcc("raw ")  # libyuv's RGB24
    stylize = Stylizer(model, "cpu", 1)
    source = VideoSource(str(clip))
    expected = [stylize.run(f.pixels[None])[0] for f in source if isinstance(f, Frame)]
    source.close()
    places = {frame.tobytes(): number for number, frame in enumerate(expected)}
    numbers = [places[frame.tobytes()] for frame in camera.frames]
    assert numbers == sorted(set(numbers)) and numbers[-1] == 4


def test_frames_of_another_size_are_scaled_to_the_cameras(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = use(monkeypatch, Device)
    camera = VirtualCamera("virtualcam", 64, 48, 25.0)
    for size in ((64, 48), (32, 24), (100, 100)):
        assert camera.show(np.full((size[1], size[0], 3), 90, np.uint8), "")
    camera.close()
    assert [frame.tolist() for frame in opened[0].frames] == [[90] * 64 * 48 * 3] * 3


def test_what_a_virtual_camera_needs_is_said(
    exported: Callable[..., Path],
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, Missing)
    command = ("infer", exported(uint8=True), clip, "--provider", "cpu", "--output", "virtualcam")
    status, said = run_here(capsys, *command)
    assert status == 2 and said.count("\n") == 1
    assert "no virtual camera ('ours' backend: No v4l2 loopback device found.; Did you run" in said
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    status, said = run_here(capsys, *command)
    assert status == 2 and said.count("\n") == 1
    assert "pyvirtualcam is not installed: pip install '.[virtualcam]' in a clone" in said
