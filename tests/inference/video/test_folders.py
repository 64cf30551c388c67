"""Folders of frames, in and out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.inference.video.folders import FolderSource, FolderTarget
from fststyle.inference.video.pipeline import Effect, stylize_video
from fststyle.inference.video.reader import Frame, VideoSource
from tests.conftest import run_here, write_clip


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


def infer(capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
    # Strength 0: what comes out is what went in.
    status, error = run_here(capsys, "infer", *arguments, "--strength", 0)
    assert status == 0, error


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


def write_frames(clip: Path, folder: Path, effect: Effect = lambda frames, *_: [frames]) -> None:
    write_clip(clip, [40 * i for i in range(10)])
    source = VideoSource(str(clip))
    stylize_video(
        source, [folder], effect, codec=None, quality=16, stopped=lambda: False, frames=True
    )


def test_a_folder_of_frames_replaces_an_earlier_one(tmp_path: Path) -> None:
    """Whatever dots its name has; other files in it stay."""
    folder = tmp_path / "my.clip.avi"
    folder.mkdir()
    for number in range(1, 30):
        Image.new("RGB", (8, 8)).save(folder / f"{number:06d}.png")
    (folder / "notes.txt").write_text("mine")
    write_frames(tmp_path / "clip.mp4", folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == [*(f"{number:06d}.png" for number in range(1, 11)), "notes.txt"]
    with Image.open(folder / "000010.png") as image:
        assert image.size == (64, 48)
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "my.clip.avi"}


def test_frames_that_fail_leave_the_folder_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "000001.png")
    before = (folder / "000001.png").read_bytes()

    def effect(given: np.ndarray, places: np.ndarray, *_: object) -> list[np.ndarray]:
        if places.max() > 0.5:
            raise ValueError("no more")
        return [given]

    with pytest.raises(ValueError, match="no more"):
        write_frames(tmp_path / "clip.mp4", folder, effect)
    assert [path.name for path in folder.iterdir()] == ["000001.png"]
    assert (folder / "000001.png").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "clip"}


def test_frames_with_transparency_are_pictures_with_it(tmp_path: Path) -> None:
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[10:30, 5:30] = 0
    target = FolderTarget(tmp_path / "frames")
    target.put(Frame(np.full((48, 64, 3), 200, np.uint8), 0, 1, alpha))
    target.close()
    with Image.open(tmp_path / "frames/000001.png") as image:
        assert image.mode == "RGBA" and image.getpixel((16, 24)) == (200, 200, 200, 0)
