"""The layouts of pictures with depth: NYU Depth v2, DIW, KITTI and folders of pairs."""

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fststyle.data.depth.maps import DepthData, DepthPicture, read_depth_png, report, usable
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

_DEPTH_BESIDE = re.compile(r"(?P<stem>[^.].*)[._]depth\.png")
_COLOR_BESIDE = re.compile(r"(?P<stem>[^.].*)[._](colors?|rgb)\.\w+")
_SELECTIONS = ("val_selection_cropped", "depth_selection/val_selection_cropped")


def detect(name: str, where: Path) -> DepthData:
    """The set in a file or folder, its layout told by what is there.

    Raises FileNotFoundError where nothing is, ValueError where no layout is recognized.
    """
    if where.is_file():
        if where.suffix.lower() not in (".mat", ".csv"):
            raise ValueError(f"{where}: expected a folder, NYU's .mat file or DIW's .csv file")
        return (_nyu if where.suffix.lower() == ".mat" else _diw)(name, where)
    if not where.is_dir():
        raise FileNotFoundError(f"{where}: no such folder ({name}={where})")
    if (where / "image").is_dir():
        for depths in sorted(where.iterdir()):
            if depths.is_dir() and depths.name.startswith(("depth", *INVERSE, *RELATIVE)):
                return _paired(name, where / "image", depths)
    if any(_DEPTH_BESIDE.fullmatch(path.name) for path in where.iterdir()):
        return _beside(name, where)
    for folder in (where, *(where / part for part in _SELECTIONS)):
        if (folder / "image").is_dir() and (folder / "groundtruth_depth").is_dir():
            return _kitti_selection(name, folder)
    if _kitti_maps(where):
        return _kitti(name, where, where)
    for suffix, reader in ((".mat", _nyu), (".csv", _diw)):
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
    both = sorted(maps.keys() & pictures.keys())
    if not both:
        raise ValueError(
            f"{images} and {depths}: none of the {len(pictures)} pictures bears the name of one of"
            f" the {len(maps)} depth maps"
        )
    report(name, "depth maps without a picture", maps.keys() - pictures.keys())
    report(name, "pictures without a depth map", pictures.keys() - maps.keys())
    table = {stem.as_posix(): (pictures[stem], maps[stem]) for stem in both}
    kind = depths.absolute().name
    data = _files(name, table, -1.0 if kind.startswith(INVERSE) else 1.0)
    return replace(data, metric=not kind.startswith(INVERSE + RELATIVE))


def _beside(name: str, folder: Path) -> DepthData:
    """``X.color.jpg`` beside ``X.depth.png`` and the like."""

    def stems(pattern: re.Pattern[str]) -> dict[str, Path]:
        matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
        return {match["stem"]: path for match, path in matches if match}

    maps, pictures = stems(_DEPTH_BESIDE), stems(_COLOR_BESIDE)
    both = sorted(maps.keys() & pictures.keys())
    if not both:
        raise ValueError(f"{folder}: no X.color.* beside its {len(maps)} X.depth.png files")
    report(name, "depth maps without a picture", maps.keys() - pictures.keys())
    report(name, "pictures without a depth map", pictures.keys() - maps.keys())
    return _files(name, {stem: (pictures[stem], maps[stem]) for stem in both})


def _kitti_selection(name: str, folder: Path) -> DepthData:
    """KITTI's depth_selection/val_selection_cropped: equal names but for one word."""
    table, lonely = {}, []
    pictures = {path.stem: path for path in find_images(folder / "image")}
    for depth in find_images(folder / "groundtruth_depth"):
        stem = depth.stem.replace("groundtruth_depth", "image", 1)
        if stem in pictures:
            table[stem] = (pictures[stem], depth)
        else:
            lonely.append(depth.stem)
    if not table:
        raise ValueError(f"{folder}: no picture in image/ belongs to a map in groundtruth_depth/")
    report(name, "depth maps without a picture", lonely)
    report(name, "pictures without a depth map", pictures.keys() - table.keys())
    return _files(name, table, KITTI_METRES)


def _kitti_maps(folder: Path) -> list[Path]:
    below = "*_sync/proj_depth/groundtruth/image_0[23]/[!.]*.png"
    return sorted(chain.from_iterable(folder.glob(f"{up}{below}") for up in ("", "*/", "*/*/")))


def _kitti(name: str, images: Path, depths: Path) -> DepthData:
    """KITTI's annotated depth and raw pictures.

    Pictures without depth are not reported: the official set leaves out each drive's ends.
    """
    table, lonely = {}, []
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
            lonely.append(item)
    if not table:
        raise ValueError(
            f"{images}: no picture of KITTI's {len(lonely)} depth maps; expected"
            f" {drive[:10]}/{below}/{depth.stem}.png or .jpg below it (elsewhere: NAME=RAW+DEPTHS)"
        )
    report(name, "depth maps without a picture", lonely)
    return _files(name, table, KITTI_METRES)


def _files(name: str, table: dict[str, tuple[Path, Path]], unit: float = 1.0) -> DepthData:
    return DepthData(name, list(table), partial(_read_files, table, unit), metric=True)


def _read_files(table: dict[str, tuple[Path, Path]], unit: float, item: str) -> DepthPicture:
    picture, path = table[item]
    depth = read_depth_png(path) * np.float32(unit)
    image = read_image(picture)
    check_same_shape(image.size, picture, depth.shape[::-1], path)
    return DepthPicture(image, depth)


def _nyu(name: str, path: Path) -> DepthData:
    """NYU Depth v2's labelled pictures: nyu_depth_v2_labeled.mat (MATLAB v7.3, which is HDF5).

    They are named 0001, 0002, … as MATLAB counts, and as the official splits name them.
    """
    with _open_hdf5(path) as file:
        images, depths = (
            tuple(getattr(file.get(key), "shape", ())) for key in ("images", "depths")
        )
    if len(images) != 4 or images[1] != 3 or (images[:1] + images[2:]) != depths:
        raise ValueError(
            f"{path}: not NYU's labelled pictures: expected images (N×3×W×H) and depths (N×W×H),"
            f" found {images or 'none'} and {depths or 'none'}"
        )
    items = [f"{number:04d}" for number in range(1, images[0] + 1)]
    return DepthData(name, items, partial(_read_nyu, path), metric=True)


def _read_nyu(path: Path, item: str) -> DepthPicture:
    # Opened each time: an open HDF5 file must not be shared by forked processes.
    with _open_hdf5(path) as file:
        try:
            image, depth = (file[key][int(item) - 1].T for key in ("images", "depths"))
        except (OSError, KeyError) as error:
            raise ValueError(f"{path}: picture {item} cannot be read ({error})") from error
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float32)
    picture = Image.fromarray(np.ascontiguousarray(image, np.uint8))
    return DepthPicture(picture, usable(depth, f"{path}: picture {item}"))


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


class _Judgement(NamedTuple):
    """``points``: y1, x1, y2, x2, 1-based, in a picture of ``size`` (width, height) pixels."""

    picture: Path
    points: tuple[float, ...]
    relation: str
    size: tuple[float, float] | None


def _diw(name: str, path: Path) -> DepthData:
    """Depth in the Wild: a line with the picture's file, a line ``y1,x1,y2,x2,relation[,w,h]``.

    The first point is farther for ``>``, nearer for ``<``: z₁ > z₂ and z₁ < z₂ with z the distance.
    So Chen et al. test metric depth on it (princeton-vl/relative_depth, test_model_on_DIW.lua,
    "eigen"). Their files hold no ``=``; there both are as far. A picture's map is known at the two
    points only: 1 at the farther, 0 at the other. A picture's second judgement is FILE#2.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error})") from error
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or len(lines) % 2:
        raise ValueError(f"{path}: expected DIW's pairs of lines, found {len(lines)} lines")
    table: dict[str, _Judgement] = {}
    seen: Counter[str] = Counter()
    for (_, file), (number, line) in zip(lines[::2], lines[1::2], strict=True):
        judgement = _parse_judgement(Path(file.strip('",')), line, f"{path}:{number}")
        key = judgement.picture.as_posix()
        seen[key] += 1
        table[key if seen[key] == 1 else f"{key}#{seen[key]}"] = judgement
    found, missing = _find_pictures(path.parent, table)
    if not found:
        raise ValueError(
            f"{path}: none of its {len(table)} pictures is there; the first would be"
            f" {path.parent / missing[0]}, or a file of that name below {path.parent}"
        )
    report(name, "judgements without their picture", missing)
    return DepthData(name, list(found), partial(_read_diw, found), metric=False)


def _parse_judgement(picture: Path, line: str, where: str) -> _Judgement:
    fields = [field.strip('" ') for field in line.split(",")]
    try:
        points = tuple(float(field) for field in fields[:4])
        relation = fields[4][:1]
        size = (float(fields[5]), float(fields[6])) if len(fields) > 6 else None
        known = relation in ("<", ">", "=") and all(0 <= at < 1e6 for at in points)
        if not known or (size and not min(size) >= 1):
            raise ValueError(line)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{where}: expected DIW's y1,x1,y2,x2,relation[,width,height] with <, > or =, found"
            f" {line!r}"
        ) from error
    return _Judgement(picture, points, relation, size)


def _find_pictures(
    folder: Path, table: dict[str, _Judgement]
) -> tuple[dict[str, _Judgement], list[str]]:
    """Those whose picture is there, with its path, and the names of the others.

    Looked for from the csv's folder and the one above, then by its name anywhere below.
    """
    found, missing, names = {}, [], None
    for item, judgement in table.items():
        candidates = (folder / judgement.picture, folder.parent / judgement.picture)
        picture = next((path for path in candidates if path.is_file()), None)
        if picture is None:
            if names is None:  # DIW's pictures end in .thumb, which find_images does not know
                names = {path.name: path for path in folder.rglob("*") if path.is_file()}
            picture = names.get(judgement.picture.name)
        if picture is None:
            missing.append(item)
        else:
            found[item] = judgement._replace(picture=picture)
    return found, missing


def _read_diw(table: dict[str, _Judgement], item: str) -> DepthPicture:
    judgement = table[item]
    image = read_image(judgement.picture)
    size = judgement.size or image.size
    check_same_shape(image.size, judgement.picture, size, f"the judgement of {item}")
    scale = image.height / size[1], image.width / size[0]
    limit = image.height - 1, image.width - 1
    first, second = (
        tuple(
            min(int(max(at - 0.5, 0) * s), end) for at, s, end in zip(p, scale, limit, strict=True)
        )
        for p in (judgement.points[:2], judgement.points[2:])
    )
    if first == second:
        raise ValueError(f"{judgement.picture}: both points of its judgement are the same pixel")
    depth = np.full((image.height, image.width), np.nan, np.float32)
    depth[first] = judgement.relation == ">"
    depth[second] = judgement.relation == "<"
    return DepthPicture(image, depth)
