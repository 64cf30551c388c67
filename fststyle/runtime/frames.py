"""Videos that are no video files: folders of frames, and animated GIFs."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fststyle.images import find_images, fit_within, read_image, write_image
from fststyle.runtime.video import Colour, Frame

GIF_TICK = Fraction(1, 100)
"""Seconds; GIFs know no smaller unit of time."""


class FolderSource:
    """The pictures of a folder, in the order of their names, as ``VideoSource`` gives frames.

    Pictures that cannot be read, or are not of the first one's size, count as corrupt.

    Args:
        folder: of the pictures.
        rate: frames per second.
        max_size: as ``VideoSource`` has it.

    Raises FileNotFoundError where there is no picture, ValueError where the first is none.
    """

    def __init__(self, folder: Path, rate: float, max_size: int | None = None) -> None:
        self.source, self._max_size = str(folder), max_size
        self._files = find_images(folder)
        self.rate = Fraction(rate).limit_denominator(1001)
        self.time_base = 1 / self.rate
        self.count, self.corrupt, self.failure = len(self._files), 0, ""
        self.width, self.height = self._read(self._files[0]).size
        self.aspect, self.colour = Fraction(1), Colour(1, False, 1, 1)
        self.others: Sequence[Any] = []
        self.has_alpha, self.loop, self.start = False, None, Fraction(0)
        self.container: Any = None
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Frame]:
        """Frames; where one is missing, the one before stays longer."""
        for number, file in enumerate(self._files):
            try:
                image = self._read(file)
            except ValueError:
                self.corrupt += 1
                continue
            if image.size != (self.width, self.height):
                self.corrupt += 1
                continue
            yield Frame(np.asarray(image), number, 1)

    def _read(self, file: Path) -> Image.Image:
        image = read_image(file, srgb=True)
        return fit_within(image, self._max_size) if self._max_size else image

    def close(self) -> None:
        """Nothing is held open."""


class FolderTarget:
    """PNG pictures, numbered from 1, as ``VideoTarget`` takes frames; sound is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.frames = folder, 0

    def put(self, item: Any) -> None:
        """Write a frame."""
        if isinstance(item, Frame):
            self.frames += 1
            write_image(Image.fromarray(item.pixels), self._folder / f"{self.frames:06d}.png")

    def close(self) -> None:
        """Nothing is left to write."""

    abandon = close


class GifTarget:
    """An animated GIF, as ``VideoTarget`` takes frames: 256 colours for each, dithered; sound is
    left out. All frames are in memory until the end, a byte per pixel.

    Args:
        path: the file.
        time_base: seconds per unit of the frames' ``pts``.
        rate: frames per second on average, for the last frame.
    """

    def __init__(self, path: Path, time_base: Fraction, rate: Fraction) -> None:
        self._path, self._time_base, self._rate = path, time_base, rate
        self._images: list[Image.Image] = []
        self._times: list[Fraction] = []

    @property
    def frames(self) -> int:
        """Written so far."""
        return len(self._images)

    def put(self, item: Any) -> None:
        """Take a frame."""
        if isinstance(item, Frame):
            image = Image.fromarray(item.pixels)
            self._images.append(image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG))
            self._times.append(item.pts * self._time_base)

    def close(self) -> None:
        """Write the file."""
        if not self._images:
            return
        ends = [*self._times[1:], self._times[-1] + 1 / self._rate]
        # Rounded as moments, not as durations, or the errors would add up.
        ticks = [round((time - self._times[0]) / GIF_TICK) for time in [self._times[0], *ends]]
        durations = [10 * max(1, after - before) for before, after in pairwise(ticks)]
        self._images[0].save(
            self._path,
            format="GIF",
            save_all=True,
            append_images=self._images[1:],
            duration=durations,
            loop=0,
            optimize=False,
        )

    def abandon(self) -> None:
        """Write nothing."""
        self._images = []
