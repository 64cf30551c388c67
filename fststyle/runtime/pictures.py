"""Which pictures are meant and where they go; one picture through an exported network."""

import glob
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.images import WRITERS, find_images
from fststyle.runtime.stylizer import Stylizer


def stylize(
    stylizer: Stylizer, image: Image.Image, *, strength: float = 1.0, keep_colour: bool = False
) -> Image.Image:
    """RGB or RGBA to the same, of the same size; transparency and colour profile are kept. Options
    as ``Stylizer`` has them."""
    frames = np.asarray(image.convert("RGB"))[None]
    output = Image.fromarray(stylizer(frames, strength=strength, keep_colour=keep_colour)[0])
    if image.mode == "RGBA":
        output.putalpha(image.getchannel("A"))
    if "icc_profile" in image.info:
        output.info["icc_profile"] = image.info["icc_profile"]
    return output


def plan(inputs: Sequence[str], output: Path) -> list[tuple[Path, Path]]:
    """(source, target) of every picture named by ``inputs``: files, folders and globs.

    Targets bear the source's name, below a folder its path within the folder; formats that cannot
    be written become PNG. Two sources of one name get numbers.

    Raises FileNotFoundError for an input that names nothing, ValueError where a source would be
    overwritten.
    """
    return place(find_inputs(inputs), output)


def place(found: Sequence[tuple[Path, Path]], output: Path) -> list[tuple[Path, Path]]:
    """As ``plan``, for what ``find_inputs`` found."""
    jobs: list[tuple[Path, Path]] = []
    taken: set[Path] = set()
    for source, name in found:
        if name.suffix.lower() not in WRITERS:
            name = name.with_name(f"{name.name}.png")
        target, number = output / name, 2
        while target in taken:
            target = output / name.with_name(f"{name.stem}-{number}{name.suffix}")
            number += 1
        taken.add(target)
        jobs.append((source, target))
    sources = {source.resolve() for source, _ in jobs}
    for _, target in jobs:
        if target.resolve() in sources:
            raise ValueError(f"{target} would be overwritten: choose another folder with --output")
    return jobs


def find_inputs(inputs: Sequence[str]) -> list[tuple[Path, Path]]:
    """(file, its name below an output folder) of files, folders and globs, each file once.

    Raises FileNotFoundError for an input that names nothing.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            found |= {file: file.relative_to(path) for file in find_images(path)}
        elif path.exists():
            found[path] = Path(path.name)
        else:
            files = [Path(name) for name in sorted(glob.glob(given, recursive=True))]
            if not files:
                raise FileNotFoundError(f"{given}: no such file, folder or pattern")
            found |= {file: Path(file.name) for file in files if file.is_file()}
    return list(found.items())
