"""NYU Depth v2's labelled pictures: one file of MATLAB v7.3, which is HDF5."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fststyle.data.depth.maps import DepthData, DepthPicture, check_usable


def open_nyu(name: str, path: Path) -> DepthData:
    """The set in ``nyu_depth_v2_labeled.mat``.

    Its pictures are named 0001, 0002, … as MATLAB counts, and as the official splits name them.
    Raises ValueError for other files.
    """
    with _open_hdf5(path) as file:
        image_shape, depth_shape = (
            tuple(getattr(file.get(key), "shape", ())) for key in ("images", "depths")
        )
    is_nyu = len(image_shape) == 4 and image_shape[1] == 3
    if not is_nyu or image_shape[:1] + image_shape[2:] != depth_shape:
        raise ValueError(
            f"{path}: not NYU's labelled pictures: expected images (N×3×W×H) and depths (N×W×H),"
            f" found {image_shape or 'none'} and {depth_shape or 'none'}"
        )
    items = [f"{number:04d}" for number in range(1, image_shape[0] + 1)]
    return DepthData(name, items, partial(_read, path), metric=True)


def _read(path: Path, item: str) -> DepthPicture:
    # Opened each time: an open HDF5 file must not be shared by forked processes.
    with _open_hdf5(path) as file:
        try:
            image, depth = (file[key][int(item) - 1].T for key in ("images", "depths"))
        except (OSError, KeyError) as error:
            raise ValueError(f"{path}: picture {item} cannot be read ({error})") from error
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float32)
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8))
    return DepthPicture(picture, check_usable(depth, f"{path}: picture {item}"))


def _open_hdf5(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{path}: reading it needs h5py (pip install h5py)") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: not a MATLAB v7.3 file that can be read ({reason})") from error
