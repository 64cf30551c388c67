import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from fststyle.images import opening
from fststyle.images.find import find_images
from fststyle.images.grid import sheet
from fststyle.images.io import read_image, write_image
from tests.conftest import picture


def same(image: Image.Image, expected: Image.Image, tolerance: int = 0) -> bool:
    difference = np.asarray(image).astype(int) - np.asarray(expected).astype(int)
    return bool(np.abs(difference).max() <= tolerance)


def test_every_mode_arrives_as_rgb(tmp_path: Path) -> None:
    rgb = picture(0)
    grey = rgb.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    cases = {
        "grey.png": (grey, grey.convert("RGB"), 0),
        "wide.png": (wide, grey.convert("RGB"), 0),
        "wide.tif": (wide, grey.convert("RGB"), 0),
        "integer.tif": (Image.fromarray(np.asarray(wide).astype(np.int32)), grey.convert("RGB"), 0),
        "float.tif": (Image.fromarray(np.asarray(grey) / np.float32(255)), grey.convert("RGB"), 1),
        "cmyk.tif": (rgb.convert("CMYK"), rgb, 1),
        "palette.png": (rgb.quantize(256), rgb.quantize(256).convert("RGB"), 0),
        "bilevel.png": (grey.convert("1"), grey.convert("1").convert("RGB"), 0),
        "plain.webp": (rgb, rgb, 40),
    }
    for name, (image, expected, tolerance) in cases.items():
        image.save(tmp_path / name)
        found = read_image(tmp_path / name)
        assert found.mode == "RGB", name
        assert same(found, expected, tolerance), name


def test_transparency_is_laid_on_white_or_kept(tmp_path: Path) -> None:
    image = picture(0).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.save(tmp_path / "clear.png")
    assert same(read_image(tmp_path / "clear.png"), Image.new("RGB", image.size, "white"))
    assert same(read_image(tmp_path / "clear.png", alpha=True), image)
    picture(0).save(tmp_path / "opaque.png")
    assert read_image(tmp_path / "opaque.png", alpha=True).mode == "RGB"


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    picture(0).save(tmp_path / "lying.png", exif=exif)
    assert same(read_image(tmp_path / "lying.png"), picture(0).rotate(-90, expand=True))


def test_large_jpegs_are_decoded_at_a_reduced_size(tmp_path: Path) -> None:
    picture(0, 800, 600).save(tmp_path / "large.jpg")
    assert read_image(tmp_path / "large.jpg", at_least=100).size == (200, 150)
    assert read_image(tmp_path / "large.jpg").size == (800, 600)


def test_damaged_files_give_one_line_with_their_name(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content in {"cut.jpg": whole[:300], "no.png": b"not a picture", "0.gif": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name) as error:
            read_image(tmp_path / name)
        assert "\n" not in str(error.value)


def test_folders_are_searched_recursively(tmp_path: Path) -> None:
    for name in ("b/c/2.JPG", "1.png", ".hidden.png", ".trash/3.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name, format="PNG")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["1.png", "b/c/2.JPG"]


def test_missing_and_empty_folders_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no picture in it"):
        find_images(tmp_path)


def test_pictures_are_written_in_the_format_of_their_suffix(tmp_path: Path) -> None:
    rgba = picture(0).convert("RGBA")
    rgba.putalpha(128)
    for suffix, name in {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".TIF": "TIFF"}.items():
        write_image(rgba, tmp_path / f"x{suffix}")
        with Image.open(tmp_path / f"x{suffix}") as written:
            assert written.format == name
            assert written.has_transparency_data == (name != "JPEG")
    with pytest.raises(ValueError, match="cannot write .xyz"):
        write_image(rgba, tmp_path / "x.xyz")


def test_a_sheet_aligns_its_columns() -> None:
    drawn = sheet([[picture(0, 64, 64), picture(1, 32, 64)]] * 2, height=64, titles=["a", "b"])
    assert drawn.size == (8 + 64 + 8 + 32 + 8, 28 + 2 * (64 + 8) + 8)
    assert same(drawn.crop((8, 36, 72, 100)), picture(0, 64, 64))


def test_colors_of_another_profile_become_srgb(tmp_path: Path) -> None:
    """A profile whose red and green primaries are exchanged: its red is sRGB's green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")
    path = tmp_path / "photo.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=swapped)
    assert read_image(path).getpixel((0, 0)) == (255, 0, 0)
    assert read_image(path).info["icc_profile"] == swapped
    converted = read_image(path, srgb=True)
    assert np.abs(np.subtract(np.array(converted)[0, 0], (0, 255, 0), dtype=int)).max() <= 2
    assert "icc_profile" not in converted.info
    transparent = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    transparent.save(path, icc_profile=swapped)
    assert np.array(read_image(path, srgb=True, alpha=True))[0, 0, 3] == 128
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=b"nonsense")
    assert read_image(path, srgb=True).getpixel((0, 0)) == (255, 0, 0)


def header_only(width: int, height: int) -> bytes:
    """A PNG that says it is so large, and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        ends = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
        return ends[0] + kind + data + ends[1]

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_a_file_that_cannot_hold_its_pixels_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "short.png").write_bytes(header_only(20_000, 10_000))
    with pytest.raises(ValueError, match="short.png: .*too short a file for 20000x10000 pixels"):
        read_image(tmp_path / "short.png")
    for mode in ("1", "L", "RGB"):  # as far as plain colours are made smaller
        Image.new(mode, (4000, 3000)).save(tmp_path / "plain.png", optimize=True)
        assert read_image(tmp_path / "plain.png").size == (4000, 3000)


def test_the_bound_of_size_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bomb.png").write_bytes(header_only(200_000, 200_000))
    with pytest.raises(ValueError, match="too large to be read into memory .200000x200000 pixels"):
        read_image(tmp_path / "bomb.png")
    picture(0, 800, 600).save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow's own refuses twice as much
    assert read_image(tmp_path / "a.jpg").size == (800, 600)
    assert Image.MAX_IMAGE_PIXELS == 100
    monkeypatch.setattr(opening, "memory_limit", lambda: 4_000_000)
    with pytest.raises(ValueError, match="too large to be read into memory"):
        read_image(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg", max_size=100).size == (100, 75)  # decoded reduced


def test_heic_and_empty_files_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))
    (tmp_path / "b.jpg").touch()
    for name, message in {"a.jpg": "HEIC|heic|decoded", "b.jpg": "the file is empty"}.items():
        with pytest.raises(ValueError, match=message):
            read_image(tmp_path / name)
