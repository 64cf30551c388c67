"""Opening picture files: of any size that memory takes, and of formats that Pillow learns."""

import functools
import importlib
import importlib.util
import io
import threading
from pathlib import Path
from typing import IO

from PIL import Image, ImageFile

from fststyle.utils.memory import memory_limit

HEIF = (".heic", ".heif", ".hif")
"""Photos of Apple's, which Pillow reads with the package pillow-heif."""


@functools.cache
def has_heif() -> bool:
    """Whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def describe_unreadable(path: Path) -> str:
    """What no plugin of Pillow's knows."""
    with open(path, "rb") as file:
        if _is_heif(file):
            return "it is HEIC, which Pillow reads after: pip install pillow-heif"
        return "of no format that Pillow knows" if file.read(1) else "the file is empty"


def _is_heif(file: IO[bytes]) -> bool:
    """By its first bytes; leaves ``file`` at its beginning."""
    head = file.read(12)
    file.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")


_opening = threading.Lock()


def open_of_any_size(file: IO[bytes]) -> ImageFile.ImageFile:
    """Pillow's limit, 179 megapixels, is less than what phones make, and its warning is printed at
    half of that; what bounds memory here is ``check_memory``."""
    if _is_heif(file) and "HEIF" not in Image.OPEN and has_heif():
        importlib.import_module("pillow_heif").register_heif_opener()
    with _opening:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def draft_within(image: ImageFile.ImageFile, max_size: int) -> None:
    """Where the decoder can, decode at a reduced size of at least twice what is wanted, of which a
    filter makes what it makes of the whole (``Image.thumbnail`` does so, too)."""
    scale = 2 * max_size / max(image.size)
    if scale < 1:
        image.draft(None, (round(image.width * scale) or 1, round(image.height * scale) or 1))


_BYTES = 16
"""Of a pixel while it is read: Pillow's four, and what the format's library and conversion take."""


_DEFLATED = 1032
"""Times that deflate makes data smaller at most."""


def _check_file_length(image: ImageFile.ImageFile) -> None:
    if image.format != "PNG" or image.fp is None:
        return
    place = image.fp.tell()
    held = _DEFLATED * image.fp.seek(0, io.SEEK_END)
    image.fp.seek(place)
    bits = 1 if image.mode in ("1", "L", "P") else 16  # Pillow widens 2 and 4 bits
    if bits * image.width * image.height > 8 * held:
        raise ValueError(f"too short a file for {image.width}x{image.height} pixels")


def check_memory(image: ImageFile.ImageFile, whole: int) -> None:
    """Raise MemoryError where the picture would not fit, and ValueError where the file cannot hold
    it, before anything is decoded: few bytes can say that they are 100 GB. ``whole``: its pixels in
    the file."""
    needed, limit = _BYTES * image.width * image.height, memory_limit()
    if image.info.get("progressive"):  # libjpeg keeps all coefficients, whatever the draft
        needed += 6 * whole
    if needed > limit:
        raise MemoryError(
            f"{image.width}x{image.height} pixels take {needed / 1e9:.1f} GB, of"
            f" {limit / 1e9:.1f} GB that there are"
        )
    _check_file_length(image)
