"""GIFs and folders of frames, in and out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.inference.video.frames import FolderSource
from fststyle.inference.video.reader import Frame, VideoSource
from tests.conftest import picture, run_here, write_clip

TIMES = [0, 40, 130, 200, 400, 410]


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


def infer(capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
    # Strength 0: what comes out is what went in.
    status, error = run_here(capsys, "infer", *arguments, "--strength", 0)
    assert status == 0, error


def test_a_video_becomes_a_gif_and_back(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4", TIMES)
    infer(capsys, model, tmp_path / "clip.mp4", "--output", tmp_path / "moving.gif")
    with Image.open(tmp_path / "moving.gif") as image:
        durations = []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            durations.append(image.info["duration"])
    # Hundredths of a second; the last frame stays a frame's time.
    assert np.cumsum([0, *durations[:-1]]).tolist() == [0, 40, 130, 200, 400, 410]
    infer(capsys, model, tmp_path / "moving.gif", "--output", tmp_path / "out")
    source = VideoSource(str(tmp_path / "out/moving.gif"))
    frames = [item for item in source if isinstance(item, Frame)]
    assert len(frames) == len(TIMES)
    assert [round(1000 * f.pts * source.time_base) for f in frames] == TIMES


def test_a_gif_that_stands_still_is_a_picture(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(0).save(tmp_path / "still.gif")
    infer(capsys, model, tmp_path / "still.gif", "--output", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["still.gif.png"]


def test_a_video_becomes_frames_and_back(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4", [40 * i for i in range(6)])
    infer(capsys, model, tmp_path / "clip.mp4", "--output", tmp_path / "out", "--frames")
    folder = tmp_path / "out/clip"
    assert [file.name for file in sorted(folder.iterdir())] == [f"{i:06d}.png" for i in range(1, 7)]
    (folder / "000003.png").write_bytes(b"nothing")
    status, error = run_here(
        capsys, "infer", model, folder, "--fps", 10, "--output", tmp_path / "film.mp4"
    )
    assert status == 1 and "1 corrupt frame(s) passed over" in error
    source = VideoSource(str(tmp_path / "film.mp4"))
    frames = [item for item in source if isinstance(item, Frame)]
    assert [round(1000 * f.pts * source.time_base) for f in frames] == [0, 100, 300, 400, 500]


def test_frames_of_a_folder(photos: Path, tmp_path: Path) -> None:
    """Widths from 60 to 65: all but the first are scaled, which is said."""
    source = FolderSource(photos, 24)
    frames = list(source)
    assert [frame.pts for frame in frames] == list(range(6)) and source.corrupt == 0
    assert {frame.pixels.shape for frame in frames} == {(50, 60, 3)} and frames[0].alpha is None
    assert source.notes == ["5 of its pictures are scaled to the first's 60×50"]
    assert source.span() == (0, 5)
    with pytest.raises(FileNotFoundError, match="no picture"):
        FolderSource(tmp_path, 24)


@pytest.mark.parametrize(
    "names",
    [
        [f"frame{i}" for i in (1, 2, 9, 10, 11, 100)],
        ["frame0008", "frame0009", "frame0010"],
        ["9", "10", "99999999999999999999", "100000000000000000000"],
        ["shot1_9", "shot1_10", "shot2_1", "shot10_1"],
        ["a", "a1", "a2b", "a2c", "b"],
        ["1/10", "2/1", "10/2"],
    ],
)
def test_frames_come_in_the_order_of_their_numbers(names: list[str], tmp_path: Path) -> None:
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 16), (10 * number,) * 3).save(tmp_path / f"{name}.png")
    shown = [int(frame.pixels[0, 0, 0]) for frame in FolderSource(tmp_path, 25)]
    assert shown == [10 * number for number in range(len(names))]


def test_transparent_frames_of_a_folder_keep_their_alpha(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (1, 2, 3)).save(tmp_path / "1.png")
    Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(tmp_path / "2.png")
    Image.new("RGBA", (16, 16), (9, 8, 7, 128)).save(tmp_path / "3.png")
    source = FolderSource(tmp_path, 25)
    frames = list(source)
    assert source.has_alpha
    assert [int(np.asarray(frame.alpha)[0, 0]) for frame in frames] == [255, 0, 128]
    assert [frame.pixels[0, 0].tolist() for frame in frames] == [
        [1, 2, 3],
        [255, 255, 255],
        [9, 8, 7],
    ]
