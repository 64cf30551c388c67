"""Small sets of pictures with depth, in every layout."""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from fststyle.data.depth.maps import DepthData
from tests.conftest import picture

RAMP = np.arange(1, 13, dtype=np.uint16).reshape(3, 4) * 256
"""A depth map of 4×3 pixels; as KITTI's it holds 1 to 12 metres."""


def write_picture(path: Path, values: np.ndarray | None = None) -> Path:
    """A depth map, or a picture of its shape."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture(0, 40, 30) if values is None else Image.fromarray(values)
    image.save(path, format=None if path.suffix in (".png", ".jpg") else "PNG")
    return path


def write_pairs(images: Path, depths: Path, names: str = "abc") -> None:
    for name in names:
        write_picture(images / f"{name}.jpg")
        write_picture(depths / f"{name}.png", RAMP)


def first_depth(data: DepthData) -> np.ndarray:
    image, depth = data.read(data.items[0])
    assert image.mode == "RGB" and depth.dtype == np.float32
    return depth


def write_nyu(folder: Path) -> Path:
    """Three pictures of 5×4 pixels; the second has no depth."""
    images = np.arange(3 * 3 * 5 * 4, dtype=np.uint8).reshape(3, 3, 5, 4)
    depths = np.linspace(0, 9, 3 * 5 * 4, dtype=np.float32).reshape(3, 5, 4)
    depths[1] = 0
    path = folder / "nyu_depth_v2_labeled.mat"
    folder.mkdir()
    with h5py.File(path, "w") as file:
        file["images"], file["depths"] = images, depths
    return path


def write_diw(folder: Path, *blocks: tuple[str, str]) -> Path:
    path = folder / "DIW_val.csv"
    path.write_text("".join(f"{file}\n{judgement}\n" for file, judgement in blocks))
    return path
