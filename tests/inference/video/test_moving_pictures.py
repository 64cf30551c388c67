"""Animated GIF, WebP, PNG and AVIF as videos."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, features

from fststyle.inference.video.moving_pictures import MovingPicture
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import open_source

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
