"""Where weight maps come from: the photos' depth, kept on disk, or the user's own pictures."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import platformdirs
from PIL import Image
from tqdm import tqdm

from fststyle.depth.estimator import Estimate
from fststyle.depth.maps import weight_map_from_depth
from fststyle.images.find import find_named
from fststyle.images.geometry import check_same_shape, even_gradient
from fststyle.images.io import read_image
from fststyle.utils.files import atomic_write


class DepthCache:
    """Weight maps from the photos' depth, 1 at the nearest pixel and 0 at the farthest.

    Each is computed once and kept as a 16-bit PNG, named by the photo's bytes: moved or renamed
    photos keep theirs, changed ones get another. Files appear whole or not at all, so that a run
    may be interrupted, and several may share the folder.

    Args:
        folder: where they are kept.
        make_estimate: gives the depth network for maps that ``fill`` was not asked for. Called in
            whatever process first misses one, so it can be pickled and takes no GPU.
    """

    def __init__(self, folder: Path, make_estimate: Callable[[], Estimate]) -> None:
        self.folder = folder
        self._make_estimate = make_estimate
        self._estimate: Estimate | None = None

    def __call__(self, photo: Path, size: tuple[int, int]) -> np.ndarray:
        """H×W float32; raises ValueError or FileNotFoundError where the photo cannot be read."""
        file = self._file(photo)
        try:
            with Image.open(file) as stored:
                return np.asarray(stored, np.float32) / 65535
        except (OSError, ValueError, SyntaxError):  # missing, or damaged by something else
            self._estimate = self._estimate or self._make_estimate()
        weight_map = _weight_map(photo, self._estimate)
        # A disk that is full by now should not end a training.
        with suppress(OSError):
            _store(weight_map, file)
        return weight_map

    def fill(self, photos: Sequence[Path], estimate: Estimate, *, show: bool) -> list[Path]:
        """Compute what is missing of ``photos``, with a progress bar where ``show``.

        Returns the photos that have no map: they cannot be read, or are of one colour, and whoever
        asks for their maps learns why. Raises OSError where the folder cannot be written.
        """
        failed: list[Path] = []
        files: dict[Path, Path] = {}
        for photo in photos:
            try:
                files[self._file(photo)] = photo
            except OSError:
                failed.append(photo)
        missing = [photo for file, photo in files.items() if not file.is_file()]
        for photo in tqdm(missing, "depth of photos", unit="photo", disable=not (show and missing)):
            if self._file(photo).is_file():  # another run's, by now
                continue
            try:
                weight_map = _weight_map(photo, estimate)
            except (ValueError, OSError, MemoryError):
                failed.append(photo)
            else:
                _store(weight_map, self._file(photo))
        return failed

    def _file(self, photo: Path) -> Path:
        name = _digest(photo)
        return self.folder / name[:2] / f"{name[2:]}.png"

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_estimate": None}


def _weight_map(photo: Path, estimate: Estimate) -> np.ndarray:
    image = read_image(photo, srgb=True)
    if all(high == low for low, high in cast(list[tuple[int, int]], image.getextrema())):
        raise ValueError(f"{photo}: of one colour, so it has no depth")
    depth = estimate(image)
    if not np.isfinite(depth).all():
        raise ValueError(f"{photo}: its depth is not finite")
    return weight_map_from_depth(depth)


def _store(weight_map: np.ndarray, file: Path) -> None:
    with atomic_write(file) as temporary:
        Image.fromarray((weight_map * 65535 + 0.5).astype(np.uint16)).save(temporary, format="PNG")


@lru_cache(maxsize=1 << 20)
def _digest(photo: Path) -> str:
    if not photo.is_file():
        raise FileNotFoundError(f"{photo}: no such file")
    return hashlib.blake2b(photo.read_bytes(), digest_size=20).hexdigest()


@contextmanager
def cache_folder(option: str | None) -> Iterator[Path]:
    """The folder that ``--depth-cache`` names; for "off" one that is removed at the end."""
    if option == "off":
        with tempfile.TemporaryDirectory(prefix="fststyle-depth-") as folder:
            yield Path(folder)
    else:
        yield Path(option) if option else platformdirs.user_cache_path("fststyle") / "depth"


class EvenGradient:
    """Weight maps that rise evenly over every photo, "horizontal" or "vertical"."""

    def __init__(self, direction: str) -> None:
        self.direction = direction

    def __call__(self, photo: Path, size: tuple[int, int]) -> np.ndarray:
        """H×W float32, see ``even_gradient``."""
        return even_gradient(self.direction, size)


class MapFolder:
    """The user's own weight maps: pictures named as the photos, white where content counts.

    Args:
        folder: of the maps; below it each has its photo's place below ``photos``, any suffix.
        photos: the folder of the photos.

    Raises FileNotFoundError where a folder is missing.
    """

    def __init__(self, folder: Path, photos: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"--weight-map {folder}: neither depth, horizontal, vertical nor a folder of maps"
            )
        self.folder, self.photos = folder, photos

    def check(self, photos: Sequence[Path]) -> None:
        """Raises ValueError where any of ``photos`` has no map."""
        missing = [photo for photo in photos if self._find(photo) is None]
        if missing:
            raise ValueError(
                f"{self.folder}: no map for {len(missing)} of {len(photos)} photos, such as"
                f" {missing[0].name}: every photo needs one, named as it is"
            )

    def __call__(self, photo: Path, size: tuple[int, int]) -> np.ndarray:
        """H×W float32 in [0,1]; raises ValueError or FileNotFoundError where it cannot be read or
        is not of the photo's proportions."""
        file = self._find(photo)
        if file is None:
            raise FileNotFoundError(f"{photo}: has no map in {self.folder}")
        values = read_image(file).convert("L")
        check_same_shape(size, photo, values.size, file)
        return np.asarray(values, np.float32) / 255

    def _find(self, photo: Path) -> Path | None:
        return find_named(self.folder, photo.relative_to(self.photos))
