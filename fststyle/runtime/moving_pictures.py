"""Animated GIF, WebP, PNG and AVIF, read through Pillow."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fststyle.images import as_rgb, fit_within
from fststyle.runtime.conversion import SDR, white_where_hidden
from fststyle.runtime.media import MOVING, moves
from fststyle.runtime.video import Frame

SHORTEST = 10
"""Milliseconds; a frame that says so, or less, is shown for ``INSTEAD``, as players have it."""
INSTEAD = 100


class MovingPicture:
    """An animated picture, as ``VideoSource`` gives frames, with their durations and its loops.

    Args:
        file: of one of ``media.MOVING``.
        max_size: as ``VideoSource`` has it.

    Raises ValueError where no frame can be read.
    """

    def __init__(self, file: Path, max_size: int | None = None) -> None:
        self.source, self._max_size = str(file), max_size
        self.corrupt, self.failure = 0, ""
        self.notes: list[str] = []
        self.container = self.stream = None
        self.others: Sequence[Any] = []
        self.start, self.live = Fraction(0), False
        self._image: Any = Image.open(file)
        self.loop = _loop(self._image)
        self.width, self.height = self._image.size
        durations: list[Fraction] = []
        self.has_alpha = False
        for image, duration in self._read():
            durations.append(duration)
            self.width, self.height = image.size  # upright, and reduced
            if not self.has_alpha and image.has_transparency_data:
                self.has_alpha = bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())
        if not durations:
            self.close()
            raise ValueError(f"{file}: no frame of it can be decoded ({self.failure})")
        self.count, seconds = len(durations), sum(durations) / 1000
        self.rate = self.count / seconds
        whole = all(duration.denominator == 1 for duration in durations)
        self.time_base = Fraction(1, 1000) if whole else Fraction(1, 90000)
        self._last = round((seconds - durations[-1] / 1000) / self.time_base)
        self.aspect, self.colour = Fraction(1), SDR

    def __iter__(self) -> Iterator[Frame]:
        """Frames."""
        at = Fraction(0)
        for image, duration in self._read():
            # Rounded as moments, not as durations, or the errors would add up.
            pts, end = (round(t / 1000 / self.time_base) for t in (at, at + duration))
            pixels, alpha = np.array(image.convert("RGB")), None
            if self.has_alpha:
                rgba = np.asarray(image.convert("RGBA"))
                alpha = np.ascontiguousarray(rgba[..., 3])
                pixels = white_where_hidden(np.array(rgba[..., :3]), alpha)
            yield Frame(pixels, pts, end - pts, alpha)
            at += duration

    def span(self) -> tuple[int, int]:
        """``pts`` of the first and of the last frame."""
        return 0, self._last

    def close(self) -> None:
        """Release the file."""
        self._image.close()

    def _read(self) -> Iterator[tuple[Image.Image, Fraction]]:
        """Upright RGB or RGBA frames, as large as they are to be, and their milliseconds."""
        self.failure = ""
        try:
            first = int(bool(self._image.info.get("default_image")))
            for number in range(first, self._image.n_frames):
                self._image.seek(number)
                self._image.load()
                duration = Fraction(self._image.info.get("duration") or 0)
                duration = duration.limit_denominator(90)  # Pillow has floats of 1/60 s
                image = as_rgb(self._image, alpha=True, srgb=True)
                if self._max_size:
                    image = fit_within(image, self._max_size)
                yield image, duration if duration > SHORTEST else Fraction(INSTEAD)
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            self.failure = str(error).partition("\n")[0] or type(error).__name__


def is_moving_picture(source: str) -> bool:
    """Whether a file is what ``MovingPicture`` takes."""
    try:
        with Image.open(source) as image:
            return image.format in MOVING and moves(image)
    except Exception:  # as above
        return False


def _loop(image: Any) -> int | None:
    """How often it is to be played, 0 = for ever."""
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts what comes after the first time
        return 1 if loop is None else loop and loop + 1
    return None if loop is None else int(loop)
