"""Folders of finished pictures, ``optimize``'s or another program's, beside style networks."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from fststyle.images import find_named, read_image


class PictureFolder:
    """Pictures named as the photos they were made from.

    Args:
        folder: below it each picture has its photo's name, or its place below the photos' folder,
            with any suffix; beside it NAME.SUFFIX.json where ``optimize --record`` made it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def picture(self, photo: Path) -> Image.Image:
        """That of the photo so named; raises FileNotFoundError where there is none."""
        return read_image(self._find(photo), srgb=True)

    def record(self, photo: Path) -> dict[str, Any] | None:
        """How it was made; None where that is not known."""
        picture = self._find(photo)
        return _read(picture.with_name(f"{picture.name}.json"))

    @cached_property
    def card(self) -> Mapping[str, Any]:
        """The record of one of the pictures; where there is none, one that knows nothing."""
        for file in sorted(self.folder.rglob("*.json")):
            if record := _read(file):
                return record
        return {"style": [{"name": self.folder.name}]}

    def _find(self, photo: Path) -> Path:
        found = find_named(self.folder, photo) or find_named(self.folder, Path(photo.name))
        if found is None:
            raise FileNotFoundError(f"{self.folder}: no picture named as the photo {photo}")
        return found


def _read(file: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "settings" in record else None
