"""Photos from a folder, cropped and flipped at random, in an order that can be taken up again."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fststyle.images import centre_square, crop_square, read_image

SMALLEST_CROP = 0.6
"""Crops take at least this part of a photo's shorter side."""


class Batch(NamedTuple):
    """``images``: N×3×H×W uint8, channels last in memory. ``broken``: files that could not be
    decoded while it was put together, each with the reason. ``targets``: what belongs to the
    images, N×…, where there is something."""

    images: Tensor
    broken: dict[str, str]
    targets: Tensor | None = None


class PhotoCrops(Dataset[Batch]):
    """Random square crops of ``files``, as batches of sample numbers.

    Sample number n (0, 1, 2 …, without end) is one photo of epoch ⌊n/len(files)⌋, each epoch in an
    order of its own. Photo, crop and flip follow from ``seed`` and n alone: neither the number of
    worker processes nor an interruption changes them. A file that cannot be decoded is replaced by
    the next that can.
    """

    def __init__(self, files: Sequence[Path], size: int, seed: int) -> None:
        self.files, self.size, self.seed = files, size, seed
        self.broken: dict[str, str] = {}

    def __getitem__(self, numbers: Sequence[int]) -> Batch:  # type: ignore[override]
        broken: dict[str, str] = {}
        images = np.stack([self._sample(number, broken) for number in numbers])
        return Batch(torch.from_numpy(images).permute(0, 3, 1, 2), broken)

    def _sample(self, number: int, broken: dict[str, str]) -> np.ndarray:
        epoch, place = divmod(number, len(self.files))
        order = _order(len(self.files), self.seed, epoch)
        for offset in range(len(self.files)):
            file = self.files[order[(place + offset) % len(self.files)]]
            if str(file) not in self.broken:
                try:
                    return self._crop(file, np.random.default_rng((self.seed, number)))
                except (ValueError, FileNotFoundError) as error:
                    self.broken[str(file)] = broken[str(file)] = str(error)
        raise ValueError(f"none of the {len(self.files)} photos can be decoded")

    def _crop(self, file: Path, random: np.random.Generator) -> np.ndarray:
        image = read_image(file, at_least=round(self.size / SMALLEST_CROP))
        shorter = min(image.size)
        # Never enlarged, unless the photo itself is smaller than the crop.
        smallest = min(max(SMALLEST_CROP * shorter, self.size), shorter)
        side = random.uniform(smallest, shorter)
        left = random.uniform(0, image.width - side)
        top = random.uniform(0, image.height - side)
        crop = crop_square(image, side, left, top, self.size)
        return crop[:, ::-1] if random.random() < 0.5 else crop


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch, count)).permutation(count)


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


def validation_images(files: Sequence[Path], size: int, count: int) -> Tensor:
    """Centre squares of up to ``count`` of ``files``, spread evenly; N×3×size×size uint8.

    Files that cannot be decoded are passed over; raises ValueError where none can be.
    """
    images: list[np.ndarray] = []
    step = max(1, len(files) // count)
    for file in [*files[::step], *(f for i, f in enumerate(files) if i % step)]:
        if len(images) == count:
            break
        try:
            images.append(centre_square(read_image(file, at_least=size), size))
        except (ValueError, FileNotFoundError):
            continue
    if not images:
        raise ValueError(f"none of the {len(files)} photos can be decoded")
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
