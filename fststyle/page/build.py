"""``fststyle page``: a folder of files that stylizes in the browser, for any file server."""

import gzip
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from fststyle.config import PageConfig
from fststyle.config.calls import from_settings
from fststyle.depth.estimator import training_size
from fststyle.images.clouds import CELL, DARK, EVEN, cloud_square
from fststyle.images.io import write_image
from fststyle.images.noise import GRAIN, grain_square
from fststyle.inference.maps import DEPTH_NETWORK
from fststyle.page.kernels import Kernels
from fststyle.page.networks import browser_style, check_description
from fststyle.page.scene import draw_scene
from fststyle.page.serve import serve
from fststyle.sessions.model_file import read_model
from fststyle.utils.files import check_free, hidden_beside, swap_folder
from fststyle.utils.pretrained import style_file
from fststyle.utils.version import __version__

SITE, ENGINE = (Path(__file__).parent / name for name in ("site", "engine"))
"""The page as it was written by hand; ONNX Runtime Web, see experiments/page_engine.py, and
transform.c as WebAssembly, see experiments/page_kernels.py."""
CATALOGUE = "page.json"
"""The file of a page that says what it has: by it a folder is known as a page."""
SAMPLE_SIZE = (960, 600)
JPEG_QUALITY = 88


@from_settings(PageConfig)
def page(config: PageConfig) -> None:
    """Write the page, and serve it where that is asked for; one that is there is served as it is.

    Raises OSError or ValueError with the reason, and writes nothing, where a style cannot be read
    or something is in the way.
    """
    if config.output is not None:
        there = (config.output / CATALOGUE).is_file()
        if not (there and config.serve and not config.styles and not config.overwrite):
            _check_place(config.output, config.overwrite)
            _write_whole(config, config.output)
        if config.serve:
            serve(config.output, config.port, config.open)
        return
    with tempfile.TemporaryDirectory(prefix="fststyle-page-") as folder:
        _fill(config, Path(folder))
        serve(Path(folder), config.port, config.open)


def _check_place(output: Path, overwrite: bool) -> None:
    """Raise where something else than a page would be lost, or a page unasked."""
    if not output.is_dir():
        check_free([output], overwrite=False, option="OUT")
    elif any(output.iterdir()):
        if not (output / CATALOGUE).is_file():
            raise FileExistsError(f"{output} holds other things than a page: choose another folder")
        if not overwrite:
            raise FileExistsError(
                f"{output} is a page already: add --overwrite to replace it, or choose another"
                " folder"
            )


def _write_whole(config: PageConfig, output: Path) -> None:
    """The folder takes its name when all is there; until then what was there stays."""
    new = hidden_beside(output)
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fill(config, new)
        old = swap_folder(new, output)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    files = [file for file in output.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"{output}: {len(config.shown)} styles, {len(files)} files, {size:.1f} MB", flush=True)


def _fill(config: PageConfig, folder: Path) -> None:
    """Write the page's files into ``folder``, which is made."""
    try:
        shutil.copytree(SITE, folder, dirs_exist_ok=True)
        shutil.copytree(ENGINE, folder / "engine")
    except shutil.Error as error:  # a list of all files that failed, of which one says why
        source, _, why = error.args[0][0]
        raise OSError(f"{source} cannot be copied ({why})") from error
    for name in ("styles", "swatches"):
        (folder / name).mkdir()
    styles = [_add_style(style_file(name), folder) for name in config.shown]
    catalogue = {
        "version": __version__,
        "styles": styles,
        "check": check_description(),
        "depth": _add_depth(folder),
        "grain": add_grain(folder),
    }
    sample = Image.fromarray(draw_scene(SAMPLE_SIZE))
    write_image(sample, folder / "sample.jpg", JPEG_QUALITY)
    (folder / CATALOGUE).write_text(
        json.dumps(catalogue, ensure_ascii=False), encoding="utf-8", newline="\n"
    )
    _name_files(folder)


def _add_style(file: Path, folder: Path) -> dict[str, Any]:
    """Write a style's network and swatch; returns its entry in the catalogue."""
    style, name = browser_style(file), file.stem
    (folder / "styles" / f"{name}.onnx").write_bytes(style.network)
    write_image(style.swatch, folder / "swatches" / f"{name}.jpg", JPEG_QUALITY)
    return {
        "name": name,
        "title": style.title,
        "painter": style.painter,
        "year": style.year,
        "file": f"styles/{quote(name)}.onnx",
        "bytes": len(style.network),
        "kernels": _add_kernels(style.kernels, name, folder),
        "swatch": f"swatches/{quote(name)}.jpg",
        "controls": style.controls,
        "expected": style.expected,
    }


def _add_kernels(kernels: Kernels | None, name: str, folder: Path) -> dict[str, Any] | None:
    """The same of its numbers for the page's kernels."""
    if kernels is None:
        return None
    packed = gzip.compress(kernels.numbers.tobytes(), mtime=0)
    file = f"styles/{quote(name)}.f32.gz"
    (folder / "styles" / f"{name}.f32.gz").write_bytes(packed)
    return {"file": file, "width": kernels.width, "mapped": kernels.mapped}


def _add_depth(folder: Path) -> dict[str, Any] | None:
    """The same of the depth network; None where it is not installed."""
    if not DEPTH_NETWORK.is_file():
        return None
    file, name = read_model(DEPTH_NETWORK), f"depth/{DEPTH_NETWORK.name}"
    (folder / "depth").mkdir()
    (folder / name).write_bytes(file.data)
    return {"file": name, "bytes": len(file.data), "side": training_size(file.card)}


def add_grain(folder: Path) -> dict[str, Any]:
    """The grain of ``infer`` and its clouds, squares of signed bytes one after the other."""
    grain, clouds = grain_square(GRAIN.levels).astype("int8"), cloud_square(GRAIN.levels)
    (folder / "grain.bin").write_bytes(grain.tobytes() + clouds.tobytes())
    return {
        "file": "grain.bin",
        "bytes": grain.size + clouds.size,
        "side": len(grain),
        "clouds": {"side": len(clouds), "cell": CELL, "even": EVEN, "dark": DARK},
    }


def _name_files(folder: Path) -> None:
    """Tell the service worker which files there are, and a version that is another one where any of
    them is."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "sw.js")
    names = [quote(file.relative_to(folder).as_posix()) for file in files]
    made_of = hashlib.sha256()
    for file, name in zip(files, names, strict=True):
        made_of.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    worker = folder / "sw.js"
    text = worker.read_text(encoding="utf-8")
    for sign, value in (("VERSION", made_of.hexdigest()[:12]), ("FILES", names)):
        line = f"const {sign} = {json.dumps(value)};"
        before = next(row for row in text.splitlines() if row.startswith(f"const {sign} = "))
        text = text.replace(before, line)
    worker.write_text(text, encoding="utf-8", newline="\n")
