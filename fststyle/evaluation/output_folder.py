"""Folders of finished pictures, ``optimize``'s or another program's, beside style networks."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from fststyle.images.find import find_named
from fststyle.images.io import read_image


class PictureFolder:
    """Pictures named as the photos they were made from.

    Args:
        folder: below it each picture has its photo's place below the photos' folder, or the last
            part of it, at least its name, with any suffix; beside it NAME.SUFFIX.json where
            ``optimize --record`` made it.
        photos: all there are. What fits several of them is none's picture.
    """

    def __init__(self, folder: Path, photos: Iterable[Path] = ()) -> None:
        self.folder = folder
        self._fits: Counter[Path] = Counter()
        for photo in set(photos):
            self._fits.update(
                {name for end in _place_ends(photo) for name in (end, _without_suffix(end))}
            )

    def picture(self, photo: Path) -> Image.Image:
        """That of the photo so named; raises FileNotFoundError where there is none."""
        return read_image(self._find(photo), srgb=True)

    def record(self, photo: Path) -> dict[str, Any] | None:
        """How it was made; None where that is not known."""
        picture = self._find(photo)
        return _read_record(picture.with_name(f"{picture.name}.json"))

    @cached_property
    def card(self) -> Mapping[str, Any]:
        """The record of one of the pictures; where there is none, one that knows nothing."""
        for file in sorted(self.folder.rglob("*.json")):
            if record := _read_record(file):
                return record
        return {"style": [{"name": self.folder.name}]}

    def _find(self, photo: Path) -> Path:
        several = False
        for end in _place_ends(photo):
            exact = self.folder / end
            if exact.is_file():
                if self._fits[end] <= 1:
                    return exact
                several = True
            elif picture := find_named(self.folder, end):
                if self._fits[_without_suffix(end)] <= 1:
                    return picture
                several = True
        raise FileNotFoundError(
            f"{self.folder}: no picture named as the photo {photo}"
            + " alone, only one that fits several" * several
        )


def _place_ends(photo: Path) -> Iterator[Path]:
    """The path without its first folders: all of it, then less and less, at last the name."""
    parts = [part for part in photo.parts if part not in ("..", photo.anchor)]
    return (Path(*parts[start:]) for start in range(len(parts)))


def _without_suffix(name: Path) -> Path:
    return name.with_suffix("")


KEYS = {"settings", "style", "levels", "seconds"}
"""What every record holds; JSON without them is something else."""


def _read_record(file: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.keys() >= KEYS else None
