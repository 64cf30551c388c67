"""Photos from a folder, cropped and flipped at random, each crop by the number of its sample."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from fststyle.data.loader import Batch
from fststyle.images.geometry import Box, centre_box, crop, crop_map
from fststyle.images.io import read_image

SMALLEST_CROP = 0.6
"""Crops take at least this part of a photo's shorter side."""

PLAIN = 0.5
"""Crops are plain, and not trained on, if no channel's standard deviation is above this, in levels
of 255. Instance norm divides by the deviation of what it sees, and its gradient, of a crop without
any, is 300 times as large after each of 15 layers, which ends in infinity. Measured, as the norm of
the gradient of a trained network against a photo's 180: one colour infinite; a ramp by one level,
deviation 0.1, 4,000 in float32 and a million in bfloat16; by four levels, 1.1, 1,100 and 700; noise
of one level, 0.8, 90."""


class Sample(NamedTuple):
    """``image``: H×W×3 uint8. ``target``: its weight map, H×W float32, where there are maps."""

    image: np.ndarray
    target: np.ndarray | None
    file: Path


WeightMaps = Callable[[Path, tuple[int, int]], np.ndarray]
"""Weight map, H×W float32 in [0,1] at any resolution, of a photo whose width and height are
given. Raises ValueError or FileNotFoundError with the reason where there is none."""

DrawMap = Callable[[np.ndarray, np.random.Generator], np.ndarray]

Item = TypeVar("Item")


class PhotoCrops(Dataset[Batch]):
    """Random crops of ``files``, as batches of sample numbers.

    Sample number n (0, 1, 2 …, without end) is one photo of epoch ⌊n/len(files)⌋, each epoch in an
    order of its own. Photo, crop and flip follow from ``seed`` and n alone: neither the number of
    worker processes nor an interruption changes them. A file that cannot be decoded, or whose crop
    is ``PLAIN``, is replaced by the next that can be used.

    Args:
        size: height and width of the crops.
        maps: gives the photos' weight maps; cropped and flipped like the photos, they become
            the batches' targets, N×1×H×W float32.
        draw: what is made of a crop's map, H×W float32 each, at random.
    """

    def __init__(
        self,
        files: Sequence[Path],
        size: tuple[int, int],
        seed: int,
        maps: WeightMaps | None = None,
        draw: DrawMap | None = None,
    ) -> None:
        self.files, self.size, self.seed = files, size, seed
        self.maps, self.draw = maps, draw
        self.broken: dict[str, str] = {}

    def __getitem__(self, numbers: Sequence[int]) -> Batch:  # type: ignore[override]
        broken: dict[str, str] = {}
        return _stack([self._sample(number, broken) for number in numbers], broken)

    def _sample(self, number: int, broken: dict[str, str]) -> Sample:
        epoch, place = divmod(number, len(self.files))
        order = _order(len(self.files), self.seed, epoch)
        plain: dict[str, str] = {}
        for offset in range(len(self.files)):
            file = self.files[order[(place + offset) % len(self.files)]]
            if str(file) in self.broken:
                continue
            try:
                sample = self._crop(file, np.random.default_rng((self.seed, number)))
            except (ValueError, OSError, MemoryError) as error:
                reason = str(error) or "needs more memory than there is"
                reason = reason if str(file) in reason else f"{file}: {reason}"
                self.broken[str(file)] = broken[str(file)] = reason
                continue
            if not is_plain(sample.image):
                broken |= plain
                return sample
            # Not for ever: another crop of it may show something.
            plain[str(file)] = f"{file}: of one colour where it was cut"
        raise _none_usable(self.files, [*self.broken.values(), *plain.values()])

    def _crop(self, file: Path, random: np.random.Generator) -> Sample:
        image = read_image(file, at_least=round(max(self.size) / SMALLEST_CROP), srgb=True)
        height, width = self.size
        largest = min(image.width, image.height * width / height)
        # Never enlarged, unless the photo itself is smaller than the crop.
        smallest = min(max(SMALLEST_CROP * largest, width), largest)
        across = random.uniform(smallest, largest)
        down = across * height / width
        left = random.uniform(0, image.width - across)
        top = random.uniform(0, image.height - down)
        box = (left, top, left + across, top + down)
        mirror = slice(None, None, -1 if random.random() < 0.5 else 1)
        box = _clip_box(box, image)
        sample = crop(image, box, self.size)
        target = None
        if self.maps is not None and not is_plain(sample):
            target = crop_map(self.maps(file, image.size), box, image, self.size)[:, mirror]
            if self.draw is not None:
                target = self.draw(target, random)
        return Sample(sample[:, mirror], target, file)


def is_plain(image: np.ndarray) -> bool:
    """Whether an H×W×3 uint8 image is too plain to train on, see ``PLAIN``."""
    return bool(image.std((0, 1)).max() <= PLAIN)


def _clip_box(box: Box, image: Image.Image) -> Box:
    """Rounding errors may lead out of the picture, which Pillow refuses."""
    left, top, right, bottom = box
    return max(left, 0.0), max(top, 0.0), min(right, image.width), min(bottom, image.height)


def _stack(samples: Sequence[Sample], broken: dict[str, str]) -> Batch:
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    maps = [sample.target for sample in samples if sample.target is not None]
    targets = torch.from_numpy(np.stack(maps))[:, None] if maps else None
    return Batch(images, broken, targets, [str(sample.file) for sample in samples])


def _none_usable(files: Sequence[Path], reasons: Iterable[str]) -> ValueError:
    return ValueError(f"none of the {len(files)} photos can be used: {next(iter(reasons))}")


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def photos_used(
    files: Sequence[Path],
    seed: int,
    samples: range,
    batch_size: int = 1,
    ranks: range = range(1),
    world: int = 1,
    without: Collection[Path] = (),
) -> list[Path]:
    """The photos that processes ``ranks`` of ``world`` take from ``PhotoCrops``, each once, in the
    order of first use.

    Args:
        samples: of all processes, a step's ``batch_size`` after another's.
        without: photos that cannot be used, so that others take their places.
    """
    used: dict[Path, None] = {}
    for at, number in enumerate(samples):
        if at % batch_size * world // batch_size not in ranks:
            continue
        epoch, place = divmod(number, len(files))
        order = _order(len(files), seed, epoch)
        turns = (files[order[(place + offset) % len(files)]] for offset in range(len(files)))
        used |= dict.fromkeys(islice((f for f in turns if f not in without), 1))
        if len(used) + len(without) >= len(files):
            break
    return list(used)


def fingerprint(files: Sequence[Path], folder: Path) -> str:
    """A hash of the names below ``folder``: the same photos give the same order of training."""
    names = "\n".join(file.relative_to(folder).as_posix() for file in files)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def evenly_spread(items: Sequence[Item], count: int) -> list[Item]:
    """All ``items``, ``count`` that are spread evenly before the others."""
    total = len(items)
    first = dict.fromkeys(i * total // count for i in range(min(count, total)))
    return [items[i] for i in (*first, *(i for i in range(total) if i not in first))]


def validation_images(
    files: Sequence[Path], size: tuple[int, int], count: int, maps: WeightMaps | None = None
) -> Batch:
    """The middles of up to ``count`` of ``files``, spread evenly, each as large as fits, at
    ``size`` (height, width); with their weight maps as targets where ``maps`` are given.

    Files that cannot be used, and crops that are ``PLAIN``, are passed over; raises ValueError
    where none is left.
    """
    samples: list[Sample] = []
    reasons: list[str] = []
    for file in evenly_spread(files, count):
        if len(samples) == count:
            break
        try:
            image = read_image(file, at_least=max(size), srgb=True)
            box = centre_box(image.width, image.height, size[1] / size[0])
            box = _clip_box(box, image)
            sample = crop(image, box, size)
            if is_plain(sample):
                raise ValueError(f"{file}: of one colour")
            target = None if maps is None else crop_map(maps(file, image.size), box, image, size)
            samples.append(Sample(sample, target, file))
        except (ValueError, OSError, MemoryError) as error:
            reasons.append(str(error) or f"{file}: needs more memory than there is")
    if not samples:
        raise _none_usable(files, reasons)
    return _stack(samples, {})
