"""Which files are pictures."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import PIL
from PIL import Image

from fststyle.images.io import WRITERS
from fststyle.images.opening import (
    HEIF,
    has_heif,
)

_NO_PICTURES = {"BUFR", "GRIB", "HDF5", "MPEG"}
"""What Pillow has names for and cannot read."""


def find_images(folder: Path) -> list[Path]:
    """Files below ``folder``, at any depth, that bear a suffix Pillow reads; sorted, hidden ones
    left out. Links to folders are followed once.

    Raises FileNotFoundError where the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; give a folder of pictures")
    paths = [path for path in walk(folder) if is_picture_name(path)]
    if not paths:
        raise FileNotFoundError(
            f"{folder}: no picture in it or below it (looked for .jpg, .png and every other"
            f" suffix that Pillow {PIL.__version__} reads)"
        )
    return paths


def is_picture_name(path: Path) -> bool:
    """Whether a file bears a suffix that Pillow reads."""
    return path.suffix.lower() in _suffixes()


@functools.cache
def _suffixes() -> frozenset[str]:
    Image.init()
    readable = Image.OPEN.keys() - _NO_PICTURES
    suffixes = {s for s, name in Image.registered_extensions().items() if name in readable}
    return frozenset(suffixes.union(HEIF if has_heif() else ()))


def is_unreadable_heif(path: Path) -> bool:
    """Whether a file is called a HEIC photo, and Pillow does without pillow-heif."""
    return path.suffix.lower() in HEIF and not is_picture_name(path)


def walk(folder: Path, onerror: Callable[[OSError], None] | None = None) -> list[Path]:
    """Everything below ``folder``, at any depth, that is no folder; sorted, what is hidden left
    out. Links to folders are followed once.

    Args:
        onerror: told of folders that cannot be read.
    """
    seen, paths = set(), []
    for root, folders, names in os.walk(folder, onerror=onerror, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(paths)


def find_named(folder: Path, name: Path) -> Path | None:
    """The picture below ``folder`` at the place ``name``, of this suffix or another one; None where
    there is none, as there is of an absolute ``name``."""
    if name.is_absolute():
        return None
    place = folder / name
    names = [place, *(place.with_suffix(suffix) for suffix in WRITERS)]
    return next((file for file in names if file.is_file()), None)
