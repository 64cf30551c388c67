"""A picture with depth, a set of them, and how one depth map is read and cut."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image


class DepthPicture(NamedTuple):
    """``image``: RGB. ``depth``: float32 H×W, larger = farther, NaN where unknown; its unit and
    scale are the source's own, and the size may differ from the image's."""

    image: Image.Image
    depth: np.ndarray


@dataclass(frozen=True)
class DepthData:
    """A named set of pictures with depth: what each is called, and how it is read.

    ``read`` raises FileNotFoundError or ValueError, with the file's name, for what is missing or
    cannot be used. It keeps no file open and can be pickled, as worker processes need it.
    """

    name: str
    items: Sequence[str]
    read: Callable[[str], DepthPicture]
    metric: bool
    """Whether depths are proportional to distance, so that relative errors mean something."""

    def __len__(self) -> int:
        return len(self.items)


def read_depth_png(path: Path) -> np.ndarray:
    """H×W float32 from an 8-bit or 16-bit greyscale PNG, NaN where unknown.

    Of 16 bits 0 and 65535 mean unknown, which KITTI and sensors write; of 8 bits every value is a
    depth.
    Raises FileNotFoundError, or ValueError for other files and for maps without two depths.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with Image.open(path) as image:
            image.load()
            mode, values = image.mode, np.asarray(image)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise ValueError(f"{path}: not a picture that can be decoded ({error})") from error
    if mode not in ("L", "I;16", "I;16B", "I"):
        raise ValueError(f"{path}: a depth map is greyscale of 8 or 16 bits, found mode {mode!r}")
    depth = values.astype(np.float32)
    if mode != "L":
        depth[(values == 0) | (values == 65535)] = np.nan
    return check_usable(depth, path)


def check_usable(depth: np.ndarray, source: object) -> np.ndarray:
    """``depth`` itself; raises ValueError where it does not hold two different known depths."""
    known = depth[np.isfinite(depth)]
    if known.size == 0 or known.min() == known.max():
        raise ValueError(f"{source}: an empty depth map (no two different depths are known)")
    return depth


def place(
    depth: np.ndarray, box: tuple[float, float, float, float], size: tuple[int, int]
) -> np.ndarray:
    """``box`` (left, top, right, bottom, in pixels of ``depth``) of a map at ``size`` (height,
    width), NaN outside the map.

    Depths are never mixed: a dense map is sampled at the nearest pixel; the points of a sparse one
    (less than half known) are carried over one by one, the nearer winning where two meet.
    """
    left, top, right, bottom = box
    height, width = size
    if np.isfinite(depth).mean() >= 0.5:
        rows = np.floor(top + (np.arange(height) + 0.5) * (bottom - top) / height).astype(int)
        columns = np.floor(left + (np.arange(width) + 0.5) * (right - left) / width).astype(int)
        last = depth.shape[0] - 1, depth.shape[1] - 1
        placed = depth[rows.clip(0, last[0])[:, None], columns.clip(0, last[1])]
        placed[(rows < 0) | (rows > last[0])] = np.nan
        placed[:, (columns < 0) | (columns > last[1])] = np.nan
        return placed
    y, x = np.nonzero(np.isfinite(depth))
    values = depth[y, x]
    y = np.floor((y + 0.5 - top) * height / (bottom - top)).astype(int)
    x = np.floor((x + 0.5 - left) * width / (right - left)).astype(int)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    y, x, values = y[inside], x[inside], values[inside]
    order = np.argsort(-values, kind="stable")
    placed = np.full(size, np.nan, np.float32)
    placed[y[order], x[order]] = values[order]  # the last to be written, the nearest, stays
    return placed


def report(name: str, what: str, items: Iterable[object]) -> None:
    """``NAME: 7 WHAT (a, b, c, d, e, …)`` on stderr, where there is anything to report."""
    names = sorted(map(str, items))
    if names:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        print(f"{name}: {len(names)} {what} ({shown})", file=sys.stderr)
