import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from fststyle.images import opening
from fststyle.images.io import read_image
from tests.conftest import picture


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
