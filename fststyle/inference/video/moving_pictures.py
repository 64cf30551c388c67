"""Animated GIF, WebP, PNG and AVIF, read through Pillow; GIFs, written."""

import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fststyle.images.arrays import white_where_hidden
from fststyle.images.geometry import fit_within
from fststyle.images.io import as_rgb
from fststyle.images.opening import check_memory, open_of_any_size
from fststyle.inference.video.conversion import SDR
from fststyle.inference.video.media import MOVING, moves
from fststyle.inference.video.reader import Frame
from fststyle.utils.console import printable

NO_TIME = Fraction(100)
"""Milliseconds for which players show a frame that is to take none."""


GIF_TICK = Fraction(1, 100)
"""Seconds; GIFs know no smaller unit of time."""
CLEAR = 255
"""The colour of a GIF's palette that stands for none."""


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
        with file.open("rb") as content, open_of_any_size(content) as opened:
            self.loop = _loop(opened)
            self.width, self.height = opened.size
        durations: list[Fraction] = []
        self.has_alpha = False
        for image, duration in self._read():
            durations.append(duration)
            self.width, self.height = image.size  # upright, and reduced
            if not self.has_alpha and image.has_transparency_data:
                self.has_alpha = bool((np.asarray(image.convert("RGBA"))[..., 3] < 255).any())
        if not durations:
            raise ValueError(f"{file}: no frame of it can be decoded ({self.failure})")
        self.count, seconds = len(durations), sum(durations) / 1000
        self.rate = self.count / seconds
        whole = all(duration.denominator == 1 for duration in durations)
        self.time_base = Fraction(1, 1000) if whole else Fraction(1, 90000)
        self._last = round((seconds - durations[-1] / 1000) / self.time_base)
        self.aspect, self.color = Fraction(1), SDR

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
        """Nothing is held open."""

    def _read(self) -> Iterator[tuple[Image.Image, Fraction]]:
        """Upright RGB or RGBA frames, as large as they are to be, and their milliseconds."""
        self.failure = ""
        try:
            with open(self.source, "rb") as file, open_of_any_size(file) as opened:
                check_memory(opened, opened.width * opened.height)
                first = int(bool(opened.info.get("default_image")))
                for number in range(first, getattr(opened, "n_frames", 1)):
                    opened.seek(number)
                    opened.load()
                    image = as_rgb(opened, alpha=True, srgb=True)
                    # Pillow has floats of 1/60 s.
                    duration = Fraction(opened.info.get("duration") or 0).limit_denominator(90)
                    if self._max_size:
                        image = fit_within(image, self._max_size)
                    yield image, duration or NO_TIME
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            self.failure = str(error).partition("\n")[0] or type(error).__name__


def is_moving_picture(source: str) -> bool:
    """Whether a file is what ``MovingPicture`` takes."""
    try:
        with open(source, "rb") as file, open_of_any_size(file) as image:
            return image.format in MOVING and moves(image)
    except Exception:  # as above
        return False


def _loop(image: Any) -> int | None:
    """How often it is to be played, 0 = for ever."""
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts what comes after the first time
        return 1 if loop is None else loop and loop + 1
    return None if loop is None else int(loop)


class GifTarget:
    """An animated GIF, as ``VideoTarget`` takes frames: 256 colours for each, dithered. All frames
    are in memory until the end, a byte per pixel. Frames whose time, rounded to ``GIF_TICK``, is
    the one before's are left out.

    Args:
        path: the file.
        name: what it is to be called.
        source: whose time and loops it has.
    """

    lost = 0

    def __init__(self, path: Path, name: Path, source: Any) -> None:
        self._path, self._source = path, source
        self._images: list[Image.Image] = []
        self._ticks: list[int] = []
        self._first, self._end, self._left_out = Fraction(0), Fraction(0), 0
        self._name, self._rounded = name, False

    @property
    def frames(self) -> int:
        """Written so far."""
        return len(self._images)

    def put(self, item: Any) -> None:
        """Take a frame."""
        if not isinstance(item, Frame):
            return
        at = item.pts * self._source.time_base
        self._end = at + (item.duration * self._source.time_base or 1 / self._source.rate)
        self._first = self._first if self._ticks else at
        # Rounded as moments, not as durations, or the errors would add up.
        tick = round((at - self._first) / GIF_TICK)
        if self._ticks and tick <= self._ticks[-1]:
            self._left_out += 1
            return
        self._ticks.append(tick)
        self._images.append(_with_palette(item))
        if item.alpha is not None and not self._rounded:
            self._rounded = bool(((item.alpha > 0) & (item.alpha < 255)).any())

    def close(self) -> None:
        """Write the file."""
        if not self._images:
            return
        if self._rounded:
            print(
                f"{printable(self._name)}: half transparent pixels become clear or solid, as GIFs"
                " know no others",
                file=sys.stderr,
            )
        end = round((self._end - self._first) / GIF_TICK)
        if self._ticks[-2:] == [end - 1, end]:  # no time is left for it
            self._left_out += 1
            del self._ticks[-1], self._images[-1]
        if self._left_out:
            print(
                f"{printable(self._name)}: {self._left_out} frame(s) are left out, as GIFs show no"
                f" more than {1 / GIF_TICK} in a second",
                file=sys.stderr,
            )
        ticks = [*self._ticks, end]
        durations = [10 * max(1, after - before) for before, after in pairwise(ticks)]
        # GIFs count what comes after the first time; without a count they are played once.
        loop = self._source.loop or 0
        loops = {} if loop == 1 else {"loop": max(0, loop - 1)}
        first, *others = self._images
        clear = {"transparency": CLEAR, "disposal": 2} if self._source.has_alpha else {}
        first.save(
            self._path,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=durations,
            optimize=False,
            **loops,
            **clear,
        )

    def abandon(self) -> None:
        """Write nothing."""
        self._images = []


def _with_palette(frame: Frame) -> Image.Image:
    """256 colours, or 255 and ``CLEAR``."""
    image = Image.fromarray(frame.pixels)
    if frame.alpha is None:
        return image.quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    image = image.quantize(CLEAR, dither=Image.Dither.FLOYDSTEINBERG)
    image.paste(CLEAR, mask=Image.fromarray((frame.alpha < 128).astype(np.uint8) * 255))
    image.info["transparency"] = CLEAR
    return image
