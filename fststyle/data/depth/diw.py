"""Depth in the Wild (Chen et al. 2016): photos of which the order of two points is known."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fststyle.data.depth.maps import DepthData, DepthPicture, report
from fststyle.images.geometry import check_same_shape
from fststyle.images.io import read_image


class _Annotation(NamedTuple):
    """``points``: y1, x1, y2, x2, 1-based, in a picture of ``size`` (width, height) pixels."""

    picture: Path
    points: tuple[float, ...]
    relation: str
    size: tuple[float, float] | None


def open_diw(name: str, path: Path) -> DepthData:
    """The set in a csv: a line with the picture's file, a line ``y1,x1,y2,x2,relation[,w,h]``.

    The first point is farther for ``>``, nearer for ``<``: z₁ > z₂ and z₁ < z₂ with z the distance.
    So Chen et al. test metric depth on it (princeton-vl/relative_depth, test_model_on_DIW.lua,
    "eigen"). Their files hold no ``=``; there both are as far. A picture's map is known at the two
    points only: 1 at the farther, 0 at the other. A picture's second annotation is FILE#2.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error})") from error
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or len(lines) % 2:
        raise ValueError(f"{path}: expected DIW's pairs of lines, found {len(lines)} lines")
    table: dict[str, _Annotation] = {}
    seen: Counter[str] = Counter()
    for (_, file), (number, line) in zip(lines[::2], lines[1::2], strict=True):
        annotation = _parse(Path(file.strip('",')), line, f"{path}:{number}")
        key = annotation.picture.as_posix()
        seen[key] += 1
        table[key if seen[key] == 1 else f"{key}#{seen[key]}"] = annotation
    located, missing = _find_pictures(path.parent, table)
    if not located:
        raise ValueError(
            f"{path}: none of its {len(table)} pictures is there; the first would be"
            f" {path.parent / missing[0]}, or a file of that name below {path.parent}"
        )
    report(name, "judgements without their picture", missing)
    return DepthData(name, list(located), partial(_read, located), metric=False)


def _parse(picture: Path, line: str, where: str) -> _Annotation:
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
    return _Annotation(picture, points, relation, size)


def _find_pictures(
    folder: Path, table: dict[str, _Annotation]
) -> tuple[dict[str, _Annotation], list[str]]:
    """Those whose picture is there, with its path, and the names of the others.

    Looked for from the csv's folder and the one above, then by its name anywhere below.
    """
    located, missing, names = {}, [], None
    for item, annotation in table.items():
        candidates = (folder / annotation.picture, folder.parent / annotation.picture)
        picture = next((path for path in candidates if path.is_file()), None)
        if picture is None:
            if names is None:  # DIW's pictures end in .thumb, which find_images does not know
                names = {path.name: path for path in folder.rglob("*") if path.is_file()}
            picture = names.get(annotation.picture.name)
        if picture is None:
            missing.append(item)
        else:
            located[item] = annotation._replace(picture=picture)
    return located, missing


def _read(table: dict[str, _Annotation], item: str) -> DepthPicture:
    annotation = table[item]
    image = read_image(annotation.picture)
    size = annotation.size or image.size
    check_same_shape(image.size, annotation.picture, size, f"the judgement of {item}")
    scale = image.height / size[1], image.width / size[0]
    limit = image.height - 1, image.width - 1
    first, second = (
        tuple(
            min(int(max(at - 0.5, 0) * s), end) for at, s, end in zip(p, scale, limit, strict=True)
        )
        for p in (annotation.points[:2], annotation.points[2:])
    )
    if first == second:
        raise ValueError(f"{annotation.picture}: both points of its judgement are the same pixel")
    depth = np.full((image.height, image.width), np.nan, np.float32)
    depth[first] = annotation.relation == ">"
    depth[second] = annotation.relation == "<"
    return DepthPicture(image, depth)
