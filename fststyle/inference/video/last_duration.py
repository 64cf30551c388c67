"""How long the last picture of a WebP or an APNG is shown, which FFmpeg does not write."""

import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO


def set_last_duration(path: Path, seconds: Fraction) -> None:
    """Of a moving WebP or APNG; in others nothing is changed."""
    with open(path, "r+b") as file:
        if file.read(8) == b"\x89PNG\r\n\x1a\n":
            _set_in_png(file, seconds)
        else:
            _set_in_webp(file, seconds)


def _set_in_png(file: BinaryIO, seconds: Fraction) -> None:
    """fcTL: number, width, height, x, y (4 bytes each), delay as a fraction (2 and 2), and more."""
    chunks = [(at, size) for name, at, size in _chunks(file, 8, ">I4s", 4) if name == b"fcTL"]
    if not chunks:
        return
    at, size = chunks[-1]
    fraction = seconds.limit_denominator(1000)
    file.seek(at)
    data = bytearray(file.read(size))
    data[20:24] = struct.pack(">HH", min(fraction.numerator, 65535), fraction.denominator)
    file.seek(at)
    file.write(data + struct.pack(">I", zlib.crc32(b"fcTL" + data)))


def _set_in_webp(file: BinaryIO, seconds: Fraction) -> None:
    """ANMF: x, y, width, height and milliseconds (3 bytes each), and more."""
    chunks = [at for name, at, _ in _chunks(file, 12, "<4sI", 0) if name == b"ANMF"]
    if chunks:
        file.seek(chunks[-1] + 12)
        file.write(min(round(1000 * seconds), (1 << 24) - 1).to_bytes(3, "little"))


def _chunks(file: BinaryIO, start: int, head: str, tail: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, where its data begins, size) of each; a ``tail`` of bytes follows, and in RIFF sizes
    are made even."""
    at = start
    while True:
        file.seek(at)
        data = file.read(8)
        if len(data) < 8:
            return
        first, second = struct.unpack(head, data)
        name, size = (second, first) if head[0] == ">" else (first, second)
        yield name, at + 8, size
        at += 8 + size + tail + (size % 2 if not tail else 0)
