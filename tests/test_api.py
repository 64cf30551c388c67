"""The package as a library: what ``import fststyle`` gives."""

import doctest
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fststyle
from fststyle.utils.pretrained import shipped_styles
from tests.conftest import ROOT, picture

DOCUMENTED = ["fststyle", "fststyle.inference.styles", "fststyle.inference.stylizer"]
"""Modules whose examples are run, in a folder with a photo.jpg of 64×48 pixels."""


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(0).save("photo.jpg")
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted and not found.failed


def test_names_are_imported_on_first_use() -> None:
    """Importing the package imports nothing else of it, and no package that takes time; stylizing
    does without torch."""
    code = (
        "import json, sys; before = set(sys.modules); import fststyle\n"
        "first = set(sys.modules) - before\n"
        "fststyle.load_style('starry_night_live', provider='cpu')\n"
        "print(json.dumps([sorted(first), 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    first, has_torch = json.loads(done.stdout)
    assert [name for name in first if name.startswith("fststyle")] == ["fststyle"]
    assert not {"numpy", "PIL", "onnx", "onnxruntime", "torch"} & set(first) and not has_torch


def test_every_name_is_there() -> None:
    assert {"Stylizer", "list_styles", "load_style"} <= set(fststyle.__all__) <= set(dir(fststyle))
    for name in fststyle.__all__:
        assert getattr(fststyle, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'load_stile'"):
        fststyle.load_stile  # noqa: B018


def test_the_styles_that_ship_are_listed() -> None:
    styles = fststyle.list_styles()
    assert list(styles) == list(shipped_styles())
    for name, style in styles.items():
        assert (style.name, style.file) == (name, shipped_styles()[name])
        assert style.width == style.card["network"]["width"] and style.painting.count(", ") >= 2


def test_what_is_no_style_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="udnei is no style: the styles that ship are .*udnie"):
        fststyle.load_style("udnei")
    with pytest.raises(FileNotFoundError, match="none.onnx: no such file"):
        fststyle.load_style(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="threads must be at least 1"):
        fststyle.load_style("udnie_live", threads=0)


USER = """
from pathlib import Path

import numpy as np
from PIL import Image

import fststyle

stylize = fststyle.load_style("great_wave", provider="cpu", threads=2)
reveal_type(stylize)
reveal_type(stylize("photo.jpg", strength=0.5, keep_color=True, grain=3, tile=0.5, max_size=99))
reveal_type(stylize(Path("photo.jpg")))
reveal_type(stylize(Image.new("RGB", (64, 64))))
reveal_type(stylize(np.zeros((64, 64, 3), np.uint8)))
for frame in stylize.stream([np.zeros((64, 64, 3), np.uint8)], batch_size=2):
    reveal_type(frame)
for name, style in fststyle.list_styles().items():
    reveal_type(style.painting)
    reveal_type(style.width)
stylize("photo.jpg", strenght=0.5)
stylize(3)
"""
REVEALED = [
    "fststyle.inference.stylizer.Stylizer",
    *["PIL.Image.Image"] * 3,
    *["numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.unsignedinteger["] * 2,
    "str",
    "int | None",
]
"""How each type in ``USER`` begins; its last two lines are mistakes."""


@pytest.mark.slow
def test_types_are_complete(tmp_path: Path) -> None:
    """mypy reads the package as one that is installed, from outside of its folder."""
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "user.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
    )
    revealed = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(revealed) == len(REVEALED), done.stdout + done.stderr
    assert all(map(str.startswith, revealed, REVEALED)), revealed
    wrong = {int(number) for number in re.findall(r"^user.py:(\d+): error", done.stdout, re.M)}
    count = len(USER.splitlines())
    assert wrong == {count - 1, count}, done.stdout
