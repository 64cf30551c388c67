"""Animated GIF, WebP, PNG and AVIF as videos."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from fststyle.inference.video.moving_pictures import MovingPicture
from fststyle.inference.video.reader import Frame, VideoSource
from fststyle.inference.video.sources import open_source
from tests.conftest import picture, run_here, write_clip

DURATIONS = [40, 80, 120, 200, 50]
FORMATS = [
    "GIF",
    "WEBP",
    "PNG",
    pytest.param(
        "AVIF",
        marks=pytest.mark.skipif(not features.check("avif"), reason="this Pillow lacks AVIF"),
    ),
]


def write(path: Path, form: str, clear: bool, **options: Any) -> list[Image.Image]:
    images = []
    for number in range(5):
        ground = (255, 0, 0, 0) if clear else (250, 200, 10, 255)
        image = Image.new("RGBA", (64, 48), ground)
        box = (5 + 4 * number, 5, 30 + 4 * number, 40)
        ImageDraw.Draw(image).rectangle(box, fill=(40, 80, 220, 255))
        images.append(image if clear else image.convert("RGB"))
    more = {"lossless": True} if form == "WEBP" else {"disposal": 2} if form == "GIF" else {}
    settings = {"duration": DURATIONS, **more, **options}
    images[0].save(path, form, save_all=True, append_images=images[1:], **settings)
    return images


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("clear", [False, True])
def test_frames_come_with_their_time_and_alpha(form: str, clear: bool, tmp_path: Path) -> None:
    images = write(tmp_path / "a", form, clear)
    source = open_source(str(tmp_path / "a"))
    assert isinstance(source, MovingPicture) and source.has_alpha == clear
    frames = list(source)
    moments = [frame.pts * source.time_base * 1000 for frame in frames]
    assert moments == [0, 40, 120, 240, 440] and source.span() == (0, frames[-1].pts)
    assert [frame.duration * source.time_base * 1000 for frame in frames] == DURATIONS
    assert source.count == 5 and source.rate == pytest.approx(5 / 0.49)
    limit = 30 if form == "AVIF" else 2
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.pixels[20, 26].astype(int) - (40, 80, 220)).max() <= limit
        if clear:
            assert frame.alpha is not None
            expected = np.asarray(image)[..., 3]
            assert np.abs(frame.alpha.astype(int) - expected).mean() <= 4
            assert frame.pixels[2, 2].tolist() == [255, 255, 255], "nobody sees the red"
        else:
            assert frame.alpha is None
            assert np.abs(frame.pixels.astype(int) - np.asarray(image)).mean() <= limit


@pytest.mark.parametrize(
    ("form", "options", "plays"),
    [
        ("GIF", {}, 1),
        ("GIF", {"loop": 0}, 0),
        ("GIF", {"loop": 2}, 3),  # it counts what comes after the first time
        ("WEBP", {"loop": 3}, 3),
        ("PNG", {"loop": 3}, 3),
        ("PNG", {"loop": 0}, 0),
    ],
)
def test_loops(form: str, options: dict[str, int], plays: int, tmp_path: Path) -> None:
    write(tmp_path / "a", form, False, **options)
    assert MovingPicture(tmp_path / "a").loop == plays


def test_frames_of_no_time_are_shown_as_players_do(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", "GIF", False, duration=[0, 10, 20, 30, 40])
    frames = list(MovingPicture(tmp_path / "a.gif"))
    assert [frame.duration for frame in frames] == [100, 10, 20, 30, 40]


def test_sixtieths_of_a_second_do_not_drift(tmp_path: Path) -> None:
    write(tmp_path / "a.png", "PNG", False, duration=1000 / 60)
    source = MovingPicture(tmp_path / "a.png")
    assert [frame.pts * source.time_base * 60 for frame in source] == [0, 1, 2, 3, 4]
    assert source.rate == 60


def test_the_still_picture_of_an_apng_is_no_frame(tmp_path: Path) -> None:
    write(tmp_path / "a.png", "PNG", False, default_image=True, duration=40)
    assert len(list(MovingPicture(tmp_path / "a.png"))) == 4


def test_frames_are_reduced(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", "GIF", True)
    source = open_source(str(tmp_path / "a.gif"), max_size=32)
    assert (source.width, source.height) == (32, 24)
    frames = [item for item in source if isinstance(item, Frame)]
    assert {frame.pixels.shape for frame in frames} == {(24, 32, 3)}
    assert {frame.alpha.shape for frame in frames if frame.alpha is not None} == {(24, 32)}


def test_a_damaged_one_gives_what_can_be_read(tmp_path: Path) -> None:
    write(tmp_path / "a.gif", "GIF", False)
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[: len(data) * 3 // 5])
    source = MovingPicture(tmp_path / "a.gif")
    frames = list(source)
    assert 0 < len(frames) < 5


def infer(capsys: pytest.CaptureFixture[str], *arguments: object) -> None:
    # Strength 0: what comes out is what went in.
    status, error = run_here(
        capsys, "infer", "starry_night_live", *arguments, "--strength", 0, "--provider", "cpu"
    )
    assert status == 0, error


def test_a_video_becomes_a_gif_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [0, 40, 130, 200, 400, 410]
    write_clip(tmp_path / "clip.mp4", times)
    infer(capsys, tmp_path / "clip.mp4", "--output", tmp_path / "moving.gif")
    with Image.open(tmp_path / "moving.gif") as image:
        durations = []
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            durations.append(image.info["duration"])
    # Hundredths of a second; the last frame stays a frame's time.
    assert np.cumsum([0, *durations[:-1]]).tolist() == times
    infer(capsys, tmp_path / "moving.gif", "--output", tmp_path / "out")
    source = VideoSource(str(tmp_path / "out/moving.gif"))
    frames = [item for item in source if isinstance(item, Frame)]
    assert len(frames) == len(times)
    assert [round(1000 * f.pts * source.time_base) for f in frames] == times


def test_a_gif_that_stands_still_is_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(0).save(tmp_path / "still.gif")
    infer(capsys, tmp_path / "still.gif", "--output", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["still.gif.png"]
