"""Which pictures are meant and where they go; one picture through an exported network."""

import glob
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fststyle.images import WRITERS, find_images
from fststyle.runtime.grain import add_grain
from fststyle.runtime.stylizer import Stylizer

WHOLE, TILE = 9.0, 1.0
"""Megapixels: up to how many a picture is stylized at once (3.5 GB at width 32), and how many a
tile of a larger one has (1.3 GB)."""


def stylize(
    stylizer: Stylizer,
    image: Image.Image,
    *,
    strength: float = 1.0,
    keep_colour: bool = False,
    grain: int = 0,
    tile: float | None = None,
    folder: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """RGB or RGBA to the same, of the same size; transparency and colour profile are kept.

    Args:
        strength, keep_colour: as ``Stylizer`` has them.
        grain: levels of ``add_grain``.
        tile: megapixels done at once, 0 for all; None for ``TILE`` in pictures above ``WHOLE``.
        folder: for what tiles leave for later, see ``Tiles``.
        stopped: asked after each tile; where it says so, KeyboardInterrupt is raised.
    """
    (pixels,) = add_grain(np.asarray(image.convert("RGB"))[None], grain)
    if tile is None:
        tile = TILE if image.width * image.height > WHOLE * 1e6 else 0
    if not tile:
        output = stylizer(pixels[None], strength=strength, keep_colour=keep_colour)[0]
    else:
        form = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
        with tqdm(total=1.0, desc="tiles", leave=False, bar_format=form) as bar:

            def progress(part: float) -> None:
                bar.update(part)
                if stopped():
                    raise KeyboardInterrupt

            output = stylizer.tiled(
                pixels,
                round(tile * 1e6),
                strength=strength,
                keep_colour=keep_colour,
                folder=folder,
                progress=progress,
            )
    stylized = Image.fromarray(output)
    if image.mode == "RGBA":
        stylized.putalpha(image.getchannel("A"))
    if "icc_profile" in image.info:
        stylized.info["icc_profile"] = image.info["icc_profile"]
    return stylized


def plan(
    inputs: Sequence[str], output: Path, suffixes: Collection[str] = WRITERS
) -> list[tuple[Path, Path]]:
    """(source, target) of every picture named by ``inputs``: files, folders and globs.

    Targets bear the source's name, below a folder its path within the folder; formats other than
    those of ``suffixes`` become PNG. Two sources of one name get numbers.

    Raises FileNotFoundError for an input that names nothing, ValueError where a source would be
    overwritten.
    """
    return place(find_inputs(inputs), output, suffixes)


def place(
    found: Sequence[tuple[Path, Path]], output: Path, suffixes: Collection[str] = WRITERS
) -> list[tuple[Path, Path]]:
    """As ``plan``, for what ``find_inputs`` found."""
    names = [_written(name, suffixes) for _, name in found]
    targets: dict[int, Path] = {}
    taken: set[Path] = set()
    # Those that keep their whole name come first: a.png is not to make way for a.jpg.
    for at in sorted(range(len(found)), key=lambda at: names[at] != found[at][1]):
        name = names[at]
        target, number = output / name, 2
        while target in taken:
            target = output / name.with_name(f"{name.stem}-{number}{name.suffix}")
            number += 1
        taken.add(target)
        targets[at] = target
    jobs = [(source, targets[at]) for at, (source, _) in enumerate(found)]
    sources = {source.resolve() for source, _ in jobs}
    for _, target in jobs:
        if target.resolve() in sources:
            raise ValueError(f"{target} would be overwritten: choose another folder with --output")
    return jobs


def _written(name: Path, suffixes: Collection[str]) -> Path:
    if name.suffix.lower() not in WRITERS:
        return name.with_name(f"{name.name}.png")
    return name if name.suffix.lower() in suffixes else name.with_suffix(".png")


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
