"""Weight maps of pictures and of videos that lie in files: pictures, films, and folders of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.images.find import find_named, is_picture_name
from fststyle.images.geometry import check_same_shape
from fststyle.images.io import read_image

Nearness = Callable[[Image.Image], np.ndarray]
"""h×w float32 of the next picture, at any resolution: 1 where it is near, 0 where it is far."""


def shades_of(source: Path, option: str, name: Path, *, film: bool) -> Nearness:
    """Grey pictures for a picture or a video, out of ``source``: a picture for all; a film for a
    film; or a folder with one of either, or with the film's frames."""
    if source.is_dir():
        picture = find_named(source, name)
        if picture is None and film:
            same = sorted(file for file in source.iterdir() if file.stem == name.stem)
            return MapFilm(same[0] if same else source)
        if picture is None:
            raise FileNotFoundError(f"{option} {source}: holds no map for {name}, named as it is")
        source = picture
    if not source.exists():
        raise FileNotFoundError(f"{option} {source}: no such picture, film or folder")
    if is_picture_name(source) and source.suffix.lower() != ".gif":
        return still(np.asarray(read_image(source).convert("L")), source)
    if not film:
        raise ValueError(f"{option} {source}: is no picture, and {name} is no film")
    return MapFilm(source)


def still(shades: np.ndarray, source: object) -> Nearness:
    """H×W, uint8 or in [0,1], for every picture of its proportions."""
    near = np.asarray(shades, np.float32) / (255 if shades.dtype == np.uint8 else 1)

    def same(image: Image.Image) -> np.ndarray:
        check_same_shape(image.size, "the picture", near.shape[::-1], source)
        return near

    return same


class MapFilm:
    """The frames of a film, or of a folder of pictures, one after the other; the last one stays."""

    def __init__(self, source: Path) -> None:
        # Imported where there is a film, since a picture is done sooner without.
        from fststyle.inference.video.sources import open_source

        self._name, self._source = source, open_source(str(source), rate=25)
        self._frames = self._shades()
        self._last: np.ndarray | None = None

    def _shades(self) -> Iterator[np.ndarray]:
        from fststyle.inference.video.reader import Frame

        try:
            for item in self._source:
                if isinstance(item, Frame):
                    yield np.asarray(Image.fromarray(item.pixels).convert("L"), np.float32) / 255
        finally:
            self._source.close()

    def __call__(self, image: Image.Image) -> np.ndarray:
        self._last = next(self._frames, self._last)
        if self._last is None:
            raise ValueError(f"{self._name}: holds no frame that can be read")
        check_same_shape(image.size, "the film", self._last.shape[::-1], self._name)
        return self._last
