"""What is a film and what is not, told by content."""

import io
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from fststyle.inference.video import media
from fststyle.inference.video.media import is_live, is_video
from tests.conftest import picture, write_clip


def pictures(count: int) -> list[Image.Image]:
    return [picture(i, 32, 24) for i in range(count)]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "TGA"])
@pytest.mark.parametrize("name", ["right", "none", "wrong.mp4", "wrong.mkv", "wrong.jpg"])
def test_still_pictures_are_no_films_by_any_name(form: str, name: str, tmp_path: Path) -> None:
    right = {".jpg": "JPEG", ".tif": "TIFF"}
    suffix = next((s for s, f in right.items() if f == form), f".{form.lower()}")
    if form == "TGA" and name != "right":
        pytest.skip("has no mark by which it could be told")
    path = tmp_path / (f"a{suffix}" if name == "right" else name)
    pictures(1)[0].save(path, form)
    assert not is_video(path)


@pytest.mark.parametrize("form", ["TIFF", "MPO"])
def test_pages_are_no_film(form: str, tmp_path: Path) -> None:
    first, *others = pictures(3)
    path = tmp_path / ("a.tif" if form == "TIFF" else "a.jpg")
    first.save(path, form, save_all=True, append_images=others)
    assert not is_video(path)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
@pytest.mark.parametrize("name", ["a", "a.jpg"])
def test_pictures_that_move_are_films(form: str, name: str, tmp_path: Path) -> None:
    first, *others = pictures(3)
    first.save(tmp_path / name, form, save_all=True, append_images=others, duration=100)
    assert is_video(tmp_path / name)


def test_a_png_with_one_frame_besides_its_still_picture_stands_still(tmp_path: Path) -> None:
    first, other = pictures(2)
    first.save(tmp_path / "a.png", save_all=True, append_images=[other], default_image=True)
    assert not is_video(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.mp4", "a.jpg", "a.png", "a.txt", "a"])
def test_films_are_films_by_any_name(name: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", [0, 40])
    (tmp_path / "clip.mp4").rename(tmp_path / name)
    assert is_video(tmp_path / name)


def test_other_files_are_none(tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    pictures(1)[0].save(jpeg, "JPEG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", jpeg.getvalue())
        archive.writestr("b.jpg", jpeg.getvalue())
    pictures(1)[0].save(tmp_path / "a.pdf")
    text = "Hello\n" * 200
    lines = "1\n00:00:01,000 --> 00:00:02,000\nHello\n"
    random = np.random.default_rng(0)
    contents: dict[str, str | bytes] = {
        "a.txt": text,
        "a.nfo": "\x1b[31m" + text,
        "a.md": text,
        "a.srt": lines,
        "empty": "",
        "zeros": bytes(100_000),
        "noise": random.integers(0, 256, 100_000, np.uint8).tobytes(),
        "a.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100),
    }
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        block.sample_rate = 8000
        container.mux(stream.encode(block))
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir() if is_video(path)] == []


def test_what_is_damaged_is_what_its_name_says(tmp_path: Path) -> None:
    """So that people hear of a video that cannot be read."""
    for name in ("a.mp4", "a.mkv", "a.jpg", "a.dat"):
        (tmp_path / name).write_bytes(b"nothing" * 100)
    assert {path.name for path in tmp_path.iterdir() if is_video(path)} == {"a.mp4", "a.mkv"}


def test_photos_cost_no_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures(1)[0].save(tmp_path / "a.jpg")
    monkeypatch.setattr(media, "open_container", None)
    assert not is_video(tmp_path / "a.jpg")


def test_what_is_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_live("camera:0") and is_live("rtsp://host/a") and is_live("http://host/a.mp4")
    assert not is_live("a.mp4") and not is_live("10:30.mp4")
    (tmp_path / "camera:0").touch()
    assert not is_live("camera:0"), "a file of that name is meant"
