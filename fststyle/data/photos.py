"""Photos from a folder, cropped and flipped at random, in an order that can be taken up again."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fststyle.images import Box, centre_box, crop, crop_map, read_image

SMALLEST_CROP = 0.6
"""Crops take at least this part of a photo's shorter side."""


class Batch(NamedTuple):
    """``images``: N×3×H×W uint8, channels last in memory. ``broken``: files that could not be
    decoded while it was put together, each with the reason. ``targets``: what belongs to the
    images, N×…, where there is something."""

    images: Tensor
    broken: dict[str, str]
    targets: Tensor | None = None


Maps = Callable[[Path, tuple[int, int]], np.ndarray]
"""Importance map, H×W float32 in [0,1] at any resolution, of a photo whose width and height are
given. Raises ValueError or FileNotFoundError with the reason where there is none."""


class PhotoCrops(Dataset[Batch]):
    """Random crops of ``files``, as batches of sample numbers.

    Sample number n (0, 1, 2 …, without end) is one photo of epoch ⌊n/len(files)⌋, each epoch in an
    order of its own. Photo, crop and flip follow from ``seed`` and n alone: neither the number of
    worker processes nor an interruption changes them. A file that cannot be decoded is replaced by
    the next that can.

    Args:
        size: height and width of the crops.
        maps: gives the photos' importance maps; cropped and flipped like the photos, they become
            the batches' targets, N×1×H×W float32.
    """

    def __init__(
        self, files: Sequence[Path], size: tuple[int, int], seed: int, maps: Maps | None = None
    ) -> None:
        self.files, self.size, self.seed, self.maps = files, size, seed, maps
        self.broken: dict[str, str] = {}

    def __getitem__(self, numbers: Sequence[int]) -> Batch:  # type: ignore[override]
        broken: dict[str, str] = {}
        return _batch([self._sample(number, broken) for number in numbers], broken)

    def _sample(self, number: int, broken: dict[str, str]) -> tuple[np.ndarray, np.ndarray | None]:
        epoch, place = divmod(number, len(self.files))
        order = _order(len(self.files), self.seed, epoch)
        for offset in range(len(self.files)):
            file = self.files[order[(place + offset) % len(self.files)]]
            if str(file) not in self.broken:
                try:
                    return self._crop(file, np.random.default_rng((self.seed, number)))
                except (ValueError, FileNotFoundError) as error:
                    self.broken[str(file)] = broken[str(file)] = str(error)
        raise _none_usable(self.files, self.broken.values())

    def _crop(
        self, file: Path, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        image = read_image(file, at_least=round(max(self.size) / SMALLEST_CROP))
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
        sample, target = _cut(file, image, box, self.size, self.maps)
        return sample[:, mirror], None if target is None else target[:, mirror]


def _cut(
    file: Path, image: Image.Image, box: Box, size: tuple[int, int], maps: Maps | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """``box`` of the photo in ``file``, and of its importance map where there are ``maps``."""
    if maps is None:
        return crop(image, box, size), None
    return crop(image, box, size), crop_map(maps(file, image.size), box, image, size)


def _batch(samples: Sequence[tuple[np.ndarray, np.ndarray | None]], broken: Any) -> Batch:
    images = torch.from_numpy(np.stack([image for image, _ in samples])).permute(0, 3, 1, 2)
    maps = [target for _, target in samples if target is not None]
    return Batch(images, broken, torch.from_numpy(np.stack(maps))[:, None] if maps else None)


def _none_usable(files: Sequence[Path], reasons: Iterable[str]) -> ValueError:
    return ValueError(f"none of the {len(files)} photos can be used: {next(iter(reasons))}")


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, count)).permutation(count)


def photos_used(files: Sequence[Path], seed: int, start: int, stop: int) -> list[Path]:
    """The photos of samples ``start`` to ``stop`` (exclusive) of ``PhotoCrops``, each once, in the
    order of first use."""
    found: dict[Path, None] = {}
    for number in range(start, min(stop, start + 2 * len(files))):  # which hold a whole epoch
        epoch, place = divmod(number, len(files))
        found[files[_order(len(files), seed, epoch)[place]]] = None
    return list(found)


class SampleNumbers:
    """Batch sampler: what one of ``world`` processes takes from sample ``start`` on, without end.

    Each step takes ``batch_size`` consecutive samples, each process an equal part of them, in
    ``parts`` batches.
    """

    def __init__(self, start: int, batch_size: int, parts: int, rank: int, world: int) -> None:
        self.start, self.batch_size = start, batch_size
        self.parts, self.rank, self.world = parts, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // (self.parts * self.world)
        first = self.start + self.rank * share * self.parts
        while True:
            for part in range(self.parts):
                yield list(range(first + part * share, first + (part + 1) * share))
            first += self.batch_size


def photo_loader(
    crops: Dataset[Batch], numbers: SampleNumbers, workers: int, pin_memory: bool
) -> DataLoader[Batch]:
    """A loader that keeps 4 batches a worker ready; Ctrl-C is left to the main process."""
    return DataLoader(
        crops,
        sampler=numbers,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_ignore_interrupt,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # the global one's state is part of what resuming restores
    )


def _ignore_interrupt(_: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def fingerprint(files: Sequence[Path], folder: Path) -> str:
    """A hash of the names below ``folder``: the same photos give the same order of training."""
    names = "\n".join(file.relative_to(folder).as_posix() for file in files)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """All ``files``, ``count`` or a few more that are spread evenly before the others."""
    step = max(1, len(files) // count)
    return [*files[::step], *(file for i, file in enumerate(files) if i % step)]


def validation_images(
    files: Sequence[Path], size: tuple[int, int], count: int, maps: Maps | None = None
) -> Batch:
    """The middles of up to ``count`` of ``files``, spread evenly, each as large as fits, at
    ``size`` (height, width); with their importance maps as targets where ``maps`` are given.

    Files that cannot be used are passed over; raises ValueError where none can be.
    """
    found: list[tuple[np.ndarray, np.ndarray | None]] = []
    reasons: list[str] = []
    for file in spread(files, count):
        if len(found) == count:
            break
        try:
            image = read_image(file, at_least=max(size))
            box = centre_box(image.width, image.height, size[1] / size[0])
            found.append(_cut(file, image, box, size, maps))
        except (ValueError, FileNotFoundError) as error:
            reasons.append(str(error))
    if not found:
        raise _none_usable(files, reasons)
    return _batch(found, {})
