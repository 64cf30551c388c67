"""Weight maps of pictures and of videos that lie in files: pictures, films, and folders of them."""

import os
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fststyle.images.find import find_named, is_picture_name, walk
from fststyle.images.geometry import check_same_shape
from fststyle.images.io import as_rgb, read_image
from fststyle.utils.files import check_file

if TYPE_CHECKING:
    from fststyle.inference.video.timeline import Moment

Nearness = Callable[[Image.Image, "Moment | None"], np.ndarray]
"""h×w float32 of the next picture, at any resolution: 1 where it is near, 0 where it is far; told
when a video shows it, where that is known."""
MapGiven = str | os.PathLike[str] | Image.Image | np.ndarray | None
"""A weight map, or a mask: "depth", "none", the path of a picture, or shades themselves."""
EARLY = Fraction(1, 100)
"""Seconds by which a film's frame may come early, or half of the time since the one before where
that is less: containers round times, GIFs to as much, and frames of one number belong together."""


def shades_of(source: Path, option: str, name: Path, *, film: bool) -> Nearness:
    """Grey pictures for a picture or a video, out of ``source``: a picture for all; a film for a
    film; or a folder with one of either, or with the film's frames.

    Raises FileNotFoundError or ValueError where there is none for ``name``.
    """
    # Imported where a map lies in a file, since most pictures are done sooner without.
    from fststyle.inference.video.media import is_video

    if source.is_dir():
        found = find_named(source, name) or (_named_for_film(source, name) if film else None)
        if found is None and film and _holds_frames(source, name):
            found = source
        if found is None:
            frames = ", and no numbered frames alone" * film
            raise FileNotFoundError(
                f"{option} {source}: holds no map for {name}, named as it is{frames}"
            )
        source = found
    if not source.exists():
        raise FileNotFoundError(f"{option} {source}: no such picture, film or folder")
    if not source.is_dir():
        check_file(source)  # a pipe would be waited for
    if not (source.is_dir() or is_video(source)):
        return still(np.asarray(read_image(source).convert("L")), source)
    if not film:
        raise ValueError(f"{option} {source}: is a film, and {name} is none")
    return MapFilm(source)


def _named_for_film(folder: Path, name: Path) -> Path | None:
    """The picture or film, whatever its suffix, or the folder of frames that lies below ``folder``
    where ``name`` would, and is called as it is; None where there is none."""
    from fststyle.inference.video.media import is_video

    place = (folder / name).parent
    inside = place.is_dir() and not name.is_absolute()
    files = sorted(place.iterdir()) if inside else []
    for file in files:
        if file.is_dir() and file.name == name.stem:
            return file
        if file.stem == name.stem and (is_picture_name(file) or is_video(file)):
            return file
    return None


def _holds_frames(folder: Path, name: Path) -> bool:
    """Whether all that ``folder`` holds are pictures, called alike but for their numbers, and not
    as ``name`` is, or they would be the maps of other films."""
    from fststyle.inference.video.media import is_called_video

    files = walk(folder)
    pictures = [file for file in files if is_picture_name(file)]
    kinds = {
        re.sub(r"[0-9]+", "#", str(file.with_suffix("").relative_to(folder))) for file in pictures
    }
    if len(kinds) != 1 or any(map(is_called_video, files)):
        return False
    (kind,) = kinds
    alike = kind == re.sub(r"[0-9]+", "#", name.stem)
    of_films = alike and any(len(file.stem) == len(name.stem) for file in pictures)
    return "#" in kind and not of_films and all(file.parent == folder for file in pictures)


def shades_given(given: MapGiven) -> np.ndarray | None:
    """H×W, of a map that is given as a picture or as an array.

    Raises TypeError or ValueError for other arrays.
    """
    if isinstance(given, Image.Image):
        return np.asarray(as_rgb(given).convert("L"))
    if given is None or isinstance(given, str | os.PathLike):
        return None
    if not isinstance(given, np.ndarray):
        raise TypeError(f"a map is a path, a picture or an array, not {type(given).__name__}")
    if given.dtype != np.uint8 and given.dtype.kind != "f":
        raise TypeError(f"a map is H×W, uint8 or floats in [0,1], not of {given.dtype}")
    if given.ndim != 2:
        raise ValueError(f"a map is H×W, not of shape {given.shape}")
    if not given.size:
        raise ValueError("a map has no pixels")
    if given.dtype.kind == "f" and not (given.min() >= 0 and given.max() <= 1):
        raise ValueError("a map of floats lies in [0, 1]")
    return given


def still(shades: np.ndarray, source: object) -> Nearness:
    """H×W, uint8 or in [0,1], for every picture of its proportions."""
    near = np.asarray(shades, np.float32) / (255 if shades.dtype == np.uint8 else 1)

    def same(image: Image.Image, moment: "Moment | None" = None) -> np.ndarray:
        check_same_shape(image.size, "the picture", near.shape[::-1], source)
        return near

    return same


class MapFilm:
    """The frames of a film, or of a folder of pictures, for those of a video; the last one stays.

    Each frame of the video gets the film's of the same time, or the folder's of the same number;
    where its moment is not known, each gets the next one.
    """

    def __init__(self, source: Path) -> None:
        from fststyle.inference.video.folders import FolderSource
        from fststyle.inference.video.sources import open_source

        self._name, self._source = source, open_source(str(source), rate=25)
        self._numbered = isinstance(self._source, FolderSource)
        self._frames = self._due()
        self._next = next(self._frames, None)
        self._at = Fraction(0)
        self._shades: np.ndarray | None = None

    def _due(self) -> Iterator[tuple[Fraction, np.ndarray]]:
        """(seconds after the first one, or its number in the folder; its pixels) of each frame."""
        from fststyle.inference.video.reader import Frame

        first: int | None = 0 if self._numbered else None
        unit = Fraction(1) if self._numbered else self._source.time_base
        try:
            for item in self._source:
                if isinstance(item, Frame):
                    first = item.pts if first is None else first
                    yield (item.pts - first) * unit, item.pixels
        finally:
            self._source.close()

    def __call__(self, image: Image.Image, moment: "Moment | None" = None) -> np.ndarray:
        """As ``Nearness``."""
        pixels = self._take() if moment is None or self._shades is None else None
        while moment is not None and self._next is not None and self._is_due(moment):
            pixels = self._take()
        if pixels is not None:
            self._shades = np.asarray(Image.fromarray(pixels).convert("L"), np.float32) / 255
        if self._shades is None:
            raise ValueError(f"{self._name}: holds no frame that can be read")
        check_same_shape(image.size, "the film", self._shades.shape[::-1], self._name)
        return self._shades

    @property
    def failure(self) -> str:
        """Why less of it came so far than there is, a line; empty where nothing is missing."""
        source = self._source
        if source.failure:
            return (
                f"{self._name}: cannot be read to its end ({source.failure}): its last frame stayed"
            )
        return f"{self._name}: {source.corrupt} corrupt frame(s) passed over" * bool(source.corrupt)

    def _take(self) -> np.ndarray | None:
        """The next frame; None where there is none."""
        if self._next is None:
            return None
        self._at, pixels = self._next
        self._next = next(self._frames, None)
        return pixels

    def _is_due(self, moment: "Moment") -> bool:
        """Whether the next frame has come by then."""
        assert self._next is not None
        due, _ = self._next
        if self._numbered:
            return due <= moment.number
        return due - min(EARLY, (due - self._at) / 2) < moment.seconds
