"""Folders of pictures as videos: read, and written."""

import re
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fststyle.images.arrays import white_where_hidden
from fststyle.images.find import find_images
from fststyle.images.io import read_image, write_image
from fststyle.images.opening import open_of_any_size
from fststyle.inference.video.conversion import SDR
from fststyle.inference.video.reader import Frame
from fststyle.utils.files import hidden_beside, swap_folder


class FolderSource:
    """The pictures of a folder, as ``VideoSource`` gives frames, in the order of their names, in
    which numbers count: 2 comes before 10.

    Pictures that cannot be read count as corrupt; those of another size are scaled to the first's.

    Args:
        folder: of the pictures.
        rate: frames per second.
        max_size: as ``VideoSource`` has it.

    Raises FileNotFoundError where there is no picture, ValueError where none can be read.
    """

    def __init__(self, folder: Path, rate: float, max_size: int | None = None) -> None:
        self.source, self._max_size = str(folder), max_size
        self._files = sorted(find_images(folder), key=by_number)
        self.rate = Fraction(rate).limit_denominator(1001)
        self.time_base = 1 / self.rate
        self.count, self.corrupt, self.failure = len(self._files), 0, ""
        self.width, self.height = self._first_size()
        self.aspect, self.color = Fraction(1), SDR
        self.others: Sequence[Any] = []
        self.has_alpha = any(map(_has_transparency, self._files))
        self.loop, self.start, self.live = None, Fraction(0), False
        self.container = self.stream = None
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Frames; where one is missing, the one before stays longer."""
        size, scaled = (self.width, self.height), 0
        for number, file in enumerate(self._files):
            try:
                image = self._read(file)
            except (ValueError, OSError):
                self.corrupt += 1
                continue
            if image.size != size:
                image = image.resize(size, Image.Resampling.LANCZOS)
                scaled += 1
                self.notes = [
                    f"{scaled} of its pictures are scaled to the first's {size[0]}×{size[1]}"
                ]
            pixels, alpha = np.array(image.convert("RGB")), None
            if self.has_alpha:
                alpha = np.array(image.convert("RGBA").getchannel("A"))
                pixels = white_where_hidden(pixels, alpha)
            yield Frame(pixels, number, 1, alpha)

    def span(self) -> tuple[int, int]:
        """``pts`` of the first and of the last frame."""
        return 0, self.count - 1

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, file: Path) -> Image.Image:
        return read_image(file, max_size=self._max_size, alpha=True, srgb=True)

    def _first_size(self) -> tuple[int, int]:
        reason = ""
        for file in self._files:
            try:
                return self._read(file).size
            except (ValueError, OSError) as error:
                reason = reason or str(error)
        raise ValueError(f"{self.source}: none of its pictures can be read; {reason}")


Part = str | tuple[int, str]


def by_number(file: Path) -> tuple[list[list[Part]], Path]:
    """Sorts paths by their names' parts, digits as the numbers that they are, of any length."""

    def parts(name: str) -> list[Part]:
        key: list[Part] = []
        for place, part in enumerate(re.split(r"([0-9]+)", name)):  # text and digits in turn
            digits = part.lstrip("0")
            key.append((len(digits), digits) if place % 2 else part)
        return key

    return [parts(name) for name in file.with_suffix("").parts], file


def _has_transparency(file: Path) -> bool:
    """By the header alone."""
    try:
        with file.open("rb") as opened, open_of_any_size(opened) as image:
            return image.has_transparency_data
    except Exception:  # Pillow's decoders raise nearly anything on damaged files
        return False


class FolderTarget:
    """PNG pictures, numbered from 1, as ``VideoTarget`` takes frames; sound is left out.

    They gather in a folder beside, hidden, which takes the name at the end. What frames the folder
    of that name held before are gone then; other files in it stay.

    Args:
        folder: for the pictures.
    """

    FRAME = re.compile(r"\d{6,}\.png")
    """Names of pictures."""
    lost = 0

    def __init__(self, folder: Path) -> None:
        self.path, self.frames = folder, 0
        self._temporary = hidden_beside(folder)
        self._temporary.mkdir(parents=True)

    def put(self, item: Any) -> None:
        """Write a frame."""
        if isinstance(item, Frame):
            self.frames += 1
            image = Image.fromarray(item.pixels)
            if item.alpha is not None:
                image.putalpha(Image.fromarray(item.alpha))
            write_image(image, self._temporary / f"{self.frames:06d}.png")

    def close(self) -> None:
        """Let the folder appear."""
        old = swap_folder(self._temporary, self.path)
        if old is None:
            return
        for file in old.iterdir():
            if not self.FRAME.fullmatch(file.name):
                file.rename(self.path / file.name)
        shutil.rmtree(old)

    def abandon(self) -> None:
        """Remove what was written; after ``close`` nothing happens."""
        shutil.rmtree(self._temporary, ignore_errors=True)
