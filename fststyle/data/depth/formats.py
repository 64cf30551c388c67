"""How sets of pictures with depth lie on disk, told apart: folders of pairs, KITTI, NYU, DIW."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from fststyle.data.depth.diw import open_diw
from fststyle.data.depth.maps import DepthData, DepthPicture, read_depth_png, report
from fststyle.data.depth.nyu import open_nyu
from fststyle.images.find import find_images
from fststyle.images.geometry import check_same_shape
from fststyle.images.io import read_image

KITTI_METRES = 1 / 256
"""KITTI's 16-bit values in metres."""
INVERSE = ("inverse", "dispar")
"""A folder of depth maps whose name begins so holds maps that are bright where things are near."""
RELATIVE = ("relative", "pseudo")
"""One whose name begins so holds maps in the right order only, not proportional to distance."""

LAYOUTS = (
    "image/ with depth/, relative_depth/ or inverse_depth/, same names; X.color.* or X_colors.*"
    " with X.depth.png or X_depth.png; KITTI's DRIVE_sync/proj_depth/groundtruth/image_02/*.png"
    " with DATE/DRIVE_sync/image_02/data/*; KITTI's image/ with groundtruth_depth/; NYU's one .mat"
    " file; DIW's one .csv file"
)
"""What ``detect`` knows, for messages."""

_DEPTH_NAME = re.compile(r"(?P<stem>[^.].*)[._]depth\.png")
_COLOR_NAME = re.compile(r"(?P<stem>[^.].*)[._](colors?|rgb)\.\w+")
_SELECTIONS = ("val_selection_cropped", "depth_selection/val_selection_cropped")


def detect(name: str, where: Path) -> DepthData:
    """The set in a file or folder, its layout told by what is there.

    Raises FileNotFoundError where nothing is, ValueError where no layout is recognized.
    """
    if where.is_file():
        if where.suffix.lower() not in (".mat", ".csv"):
            raise ValueError(f"{where}: expected a folder, NYU's .mat file or DIW's .csv file")
        return (open_nyu if where.suffix.lower() == ".mat" else open_diw)(name, where)
    if not where.is_dir():
        raise FileNotFoundError(f"{where}: no such folder ({name}={where})")
    if (where / "image").is_dir():
        for depths in sorted(where.iterdir()):
            if depths.is_dir() and depths.name.startswith(("depth", *INVERSE, *RELATIVE)):
                return _paired(name, where / "image", depths)
    if any(_DEPTH_NAME.fullmatch(path.name) for path in where.iterdir()):
        return _side_by_side(name, where)
    for folder in (where, *(where / part for part in _SELECTIONS)):
        if (folder / "image").is_dir() and (folder / "groundtruth_depth").is_dir():
            return _kitti_selection(name, folder)
    if _kitti_maps(where):
        return _kitti(name, where, where)
    for suffix, reader in ((".mat", open_nyu), (".csv", open_diw)):
        files = sorted(path for path in where.glob("[!.]*") if path.suffix.lower() == suffix)
        if len(files) > 1:
            names = ", ".join(path.name for path in files)
            raise ValueError(f"{where}: holds several {suffix} files ({names}); name one of them")
        if files:
            return reader(name, files[0])
    raise ValueError(f"{where}: no layout of depth data that is known. Known are: {LAYOUTS}")


def separate(name: str, images: Path, depths: Path) -> DepthData:
    """The set whose pictures and depth maps are in two folders: KITTI's trees, or equal names."""
    for folder in (images, depths):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder ({name}={images}+{depths})")
    return (_kitti if _kitti_maps(depths) else _paired)(name, images, depths)


def _paired(name: str, images: Path, depths: Path) -> DepthData:
    """Pictures and depth maps of the same stem, below two folders."""
    maps = {path.relative_to(depths).with_suffix(""): path for path in find_images(depths)}
    pictures = {path.relative_to(images).with_suffix(""): path for path in find_images(images)}
    stems = sorted(maps.keys() & pictures.keys())
    if not stems:
        raise ValueError(
            f"{images} and {depths}: none of the {len(pictures)} pictures bears the name of one of"
            f" the {len(maps)} depth maps"
        )
    _report_unpaired(name, maps, pictures)
    table = {stem.as_posix(): (pictures[stem], maps[stem]) for stem in stems}
    kind = depths.absolute().name
    data = _dataset(name, table, -1.0 if kind.startswith(INVERSE) else 1.0)
    return replace(data, metric=not kind.startswith(INVERSE + RELATIVE))


def _side_by_side(name: str, folder: Path) -> DepthData:
    """``X.color.jpg`` beside ``X.depth.png`` and the like."""

    def files(pattern: re.Pattern[str]) -> dict[str, Path]:
        matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
        return {match["stem"]: path for match, path in matches if match}

    maps, pictures = files(_DEPTH_NAME), files(_COLOR_NAME)
    stems = sorted(maps.keys() & pictures.keys())
    if not stems:
        raise ValueError(f"{folder}: no X.color.* beside its {len(maps)} X.depth.png files")
    _report_unpaired(name, maps, pictures)
    return _dataset(name, {stem: (pictures[stem], maps[stem]) for stem in stems})


def _report_unpaired(name: str, maps: Mapping[Any, Path], pictures: Mapping[Any, Path]) -> None:
    report(name, "depth maps without a picture", maps.keys() - pictures.keys())
    report(name, "pictures without a depth map", pictures.keys() - maps.keys())


def _kitti_selection(name: str, folder: Path) -> DepthData:
    """KITTI's depth_selection/val_selection_cropped: equal names but for one word."""
    table, unpaired = {}, []
    pictures = {path.stem: path for path in find_images(folder / "image")}
    for depth in find_images(folder / "groundtruth_depth"):
        stem = depth.stem.replace("groundtruth_depth", "image", 1)
        if stem in pictures:
            table[stem] = (pictures[stem], depth)
        else:
            unpaired.append(depth.stem)
    if not table:
        raise ValueError(f"{folder}: no picture in image/ belongs to a map in groundtruth_depth/")
    report(name, "depth maps without a picture", unpaired)
    report(name, "pictures without a depth map", pictures.keys() - table.keys())
    return _dataset(name, table, KITTI_METRES)


def _kitti_maps(folder: Path) -> list[Path]:
    below = "*_sync/proj_depth/groundtruth/image_0[23]/[!.]*.png"
    return sorted(chain.from_iterable(folder.glob(f"{up}{below}") for up in ("", "*/", "*/*/")))


def _kitti(name: str, images: Path, depths: Path) -> DepthData:
    """KITTI's annotated depth and raw pictures.

    Pictures without depth are not reported: the official set leaves out each drive's ends.
    """
    table, unpaired = {}, []
    for depth in _kitti_maps(depths):
        camera, drive = depth.parent.name, depth.parents[3].name
        below = f"{drive}/{camera}/data"
        # The second: ``images`` is the folder train/ or val/ itself.
        folders = (images / drive[:10] / below, images.parent / drive[:10] / below, images / below)
        candidates = (
            folder / f"{depth.stem}{suffix}" for folder in folders for suffix in (".png", ".jpg")
        )
        item = f"{drive}/{camera}/{depth.stem}"
        picture = next((path for path in candidates if path.is_file()), None)
        if picture:
            table[item] = (picture, depth)
        else:
            unpaired.append(item)
    if not table:
        raise ValueError(
            f"{images}: no picture of KITTI's {len(unpaired)} depth maps; expected"
            f" {drive[:10]}/{below}/{depth.stem}.png or .jpg below it (elsewhere: NAME=RAW+DEPTHS)"
        )
    report(name, "depth maps without a picture", unpaired)
    return _dataset(name, table, KITTI_METRES)


def _dataset(name: str, table: dict[str, tuple[Path, Path]], unit: float = 1.0) -> DepthData:
    return DepthData(name, list(table), partial(_read, table, unit), metric=True)


def _read(table: dict[str, tuple[Path, Path]], unit: float, item: str) -> DepthPicture:
    picture, path = table[item]
    depth = read_depth_png(path) * np.float32(unit)
    image = read_image(picture)
    check_same_shape(image.size, picture, depth.shape[::-1], path)
    return DepthPicture(image, depth)
