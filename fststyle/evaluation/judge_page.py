"""The page for blind comparison: one file that holds its pictures and asks nobody for anything."""

import base64
import hashlib
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath
from random import Random
from typing import NamedTuple

from PIL import Image, ImageOps

from fststyle.config import JudgeConfig
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.evaluation.pairs import Pair, all_pairs, choose, shuffled
from fststyle.images.find import find_images
from fststyle.images.geometry import fit_within
from fststyle.images.io import read_image
from fststyle.utils.failures import Failures
from fststyle.utils.figures import distinct
from fststyle.utils.files import atomic_write

REFERENCE = 480
"""Pixels of the longer side of photos and paintings, which are shown small."""
SAME_SHAPE = 0.05
"""By how much the shapes of pictures of one photo may differ: some methods cut off a few pixels."""
STUDY = "{{study}}"
"""In the page's template, where the pictures go."""


class Method(NamedTuple):
    """A method, and its pictures by their place below its folder, "wave/lion", which has no
    suffix."""

    name: str
    pictures: Mapping[str, Path]


def find_methods(folders: Sequence[Path]) -> list[Method]:
    """A method for each of the ``folders``, or for each folder in the only one.

    Raises FileNotFoundError where there is no folder or no picture in it, ValueError where there
    are fewer than two methods, or two files in one place.
    """
    if len(folders) == 1 and folders[0].is_dir():
        (holder,) = folders
        inside = sorted(path for path in holder.iterdir() if path.is_dir())
        folders = [path for path in inside if not path.name.startswith(".")]
        if len(folders) < 2:
            raise ValueError(
                f"{holder} holds {len(folders)} folder(s): a folder of pictures for each of two"
                " methods or more is needed"
            )
    methods: list[Method] = []
    for folder in folders:
        own = Path(os.path.abspath(folder)).name  # of a link its own, not its target's
        name = distinct(own, str(folder), [method.name for method in methods])
        methods.append(Method(name, _by_place(folder)))
    return methods


def _by_place(folder: Path) -> dict[str, Path]:
    pictures: dict[str, Path] = {}
    for file in find_images(folder):
        place = file.relative_to(folder).with_suffix("").as_posix()
        if place in pictures:
            raise ValueError(f"{pictures[place]} and {file}: both are this method's picture of one")
        pictures[place] = file
    return pictures


def write_page(config: JudgeConfig, methods: Sequence[Method], failures: Failures) -> str:
    """Write ``config.output``; returns a line that says what is in it.

    Raises ValueError where there is no pair to show; of photos that cannot be shown ``failures``
    has the reasons.
    """
    by_place: dict[str, list[int]] = {}
    for number, method in enumerate(methods):
        for place in method.pictures:
            by_place.setdefault(place, []).append(number)
    pairs = all_pairs(by_place)
    _note_alone([place for place, have in by_place.items() if len(have) < 2])
    random = Random(config.seed)
    if config.pairs is not None:
        pairs = choose(pairs, config.pairs, random)
    pictures = _Pictures(config, methods, failures)
    pairs = [pair for pair in pairs if pictures.add(pair)]
    if not pairs:
        raise ValueError(
            "\n".join(failures.reasons.values())
            or "no two methods have a picture of one name: name them, and their folders, alike"
        )
    shown = shuffled(pairs, random)
    study = pictures.study(shown, random)
    template = resources.files(__package__).joinpath("judge.html").read_text("utf-8")
    page = template.replace(STUDY, json.dumps(study)).encode()
    with atomic_write(config.output) as temporary:
        temporary.write_bytes(page)
    return (
        f"{config.output}: {len(shown)} pairs of {len(methods)} methods, {len(page) / 1e6:.1f} MB"
    )


def _note_alone(places: Sequence[str]) -> None:
    """Say which pictures have none to be compared with."""
    if places:
        more = f" and {len(places) - 3} more" * (len(places) > 3)
        print(
            f"left out, since one method alone has a picture: {', '.join(places[:3])}{more}",
            file=sys.stderr,
        )


class _Pictures:
    """The JPEG files in the page: of methods, photos and paintings."""

    def __init__(self, config: JudgeConfig, methods: Sequence[Method], failures: Failures) -> None:
        self._config, self._methods, self._failures = config, methods, failures
        if config.photos and not config.photos.is_dir():
            raise FileNotFoundError(f"--photos {config.photos}: no such folder")
        self._photos = PictureFolder(config.photos) if config.photos else None
        self._paintings = {path.stem: path for path in config.style}
        self._files: dict[tuple[str, str], str] = {}
        """Base64, by (what made it, place)."""
        self._read: set[str] = set()

    def add(self, pair: Pair) -> bool:
        """Read what there is of the pair's photo; returns whether the pair can be shown."""
        if pair.place not in self._read:
            self._read.add(pair.place)
            with self._failures.noting(pair.place):
                self._add_outputs(pair.place)
            with self._failures.noting(pair.place):
                self._add_references(pair.place)
        return all((str(n), pair.place) in self._files for n in (pair.first, pair.second))

    def _add_outputs(self, place: str) -> None:
        """Every method's picture of a photo, all at the size of the smallest of them, reduced."""
        images: dict[int, Image.Image] = {}
        for number, method in enumerate(self._methods):
            if file := method.pictures.get(place):
                with self._failures.noting(file):
                    images[number] = read_image(file, srgb=True)
        if not images:
            return
        width, height = min((image.size for image in images.values()), key=math.prod)
        for number, image in images.items():
            if abs(image.width / image.height * height / width - 1) > SAME_SHAPE:
                raise ValueError(
                    f"{self._methods[number].pictures[place]} is {image.width}×{image.height},"
                    f" another shape than the {width}×{height} of another method's"
                )
        scale = min(1.0, self._config.size / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        for number, image in images.items():
            # From the upper left, so that pixels stay pixels where only some rows are too many.
            fitted = ImageOps.fit(image, size, Image.Resampling.LANCZOS, centering=(0.0, 0.0))
            self._files[str(number), place] = self._jpeg(fitted)

    def _add_references(self, place: str) -> None:
        if self._photos:
            photo = fit_within(self._photos.picture(Path(place)), REFERENCE)
            self._files["photo", place] = self._jpeg(photo)
        painting = self._painting(place)
        if painting and ("painting", painting) not in self._files:
            image = read_image(self._paintings[painting], srgb=True, max_size=REFERENCE)
            self._files["painting", painting] = self._jpeg(image)

    def _painting(self, place: str) -> str | None:
        """The name of that which a picture follows, as far as it is given."""
        if len(self._paintings) == 1:
            return next(iter(self._paintings))
        folders = PurePosixPath(place).parts[:-1]
        return next((name for name in reversed(folders) if name in self._paintings), None)

    def _jpeg(self, image: Image.Image) -> str:
        image.info.clear()  # a comment, which Pillow would write again, may name the maker
        file = io.BytesIO()
        image.save(file, "JPEG", quality=self._config.quality, optimize=True)
        return base64.b64encode(file.getvalue()).decode()

    def study(self, pairs: Sequence[Pair], random: Random) -> dict[str, object]:
        """What the page holds: pictures in random order, pairs by their numbers, and, so that
        nobody reads it by accident, in Base64 who made them."""
        shown = [[key and self._files[key] for key in self._shown(pair)] for pair in pairs]
        wanted = list(dict.fromkeys(file for four in shown for file in four if file))
        order = random.sample(wanted, len(wanted))
        numbers = {file: number for number, file in enumerate(order)}
        methods = self._methods
        key = {
            "seed": self._config.seed,
            "pairs": [[p.place, methods[p.first].name, methods[p.second].name] for p in pairs],
        }
        study = {
            "pictures": order,
            "pairs": [[file and numbers[file] for file in four] for four in shown],
            "key": base64.b64encode(json.dumps(key).encode()).decode(),
        }
        return {"page": hashlib.sha256(json.dumps(study).encode()).hexdigest()[:16], **study}

    def _shown(self, pair: Pair) -> list[tuple[str, str] | None]:
        """Keys of A, B, the photo and the painting."""
        photo, painting = ("photo", pair.place), ("painting", self._painting(pair.place) or "")
        return [
            *((str(number), pair.place) for number in (pair.first, pair.second)),
            *(key if key in self._files else None for key in (photo, painting)),
        ]
