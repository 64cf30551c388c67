"""The package as a library: what ``import fststyle`` gives."""

import doctest
import importlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fststyle
from fststyle.checkpoints.files import load_card
from fststyle.checkpoints.style import save_transform
from fststyle.networks.transform import TransformNet
from fststyle.utils.pretrained import shipped_styles
from tests.conftest import ROOT, interrupting, picture

DOCUMENTED = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "fststyle").rglob("*.py"))
    if re.search(r"^ *>>> ", file.read_text("utf-8"), re.MULTILINE)
]
"""Modules whose examples are run, in a folder with a photo.jpg of 64×48 pixels, photos/ with four,
a painting, style.png, and a trained network, dots.safetensors."""


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(0).save("photo.jpg")
    picture(9).save("style.png")
    Path("photos").mkdir()
    for i in range(4):
        picture(i + 1).save(f"photos/{i}.png")
    save_transform(Path("dots.safetensors"), TransformNet(4), {})
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
    own = {name for name in first if name.startswith("fststyle")}
    assert own == {"fststyle", "fststyle.utils", "fststyle.utils.version"}
    assert not {"numpy", "PIL", "onnx", "onnxruntime", "torch"} & set(first) and not has_torch


def test_every_name_is_there() -> None:
    assert {"Stylizer", "list_styles", "load_style"} <= set(fststyle.__all__) <= set(dir(fststyle))
    for name in fststyle.__all__:
        assert getattr(fststyle, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'load_stile'"):
        fststyle.load_stile  # noqa: B018


def test_without_torch_it_is_said_what_to_install() -> None:
    code = "import sys; sys.modules['torch'] = None; import fststyle; fststyle.train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: fststyle.train needs torch, which is not installed: in a clone of"
        ' fststyle, pip install ".[train]"'
    )


def test_the_styles_that_ship_are_listed() -> None:
    styles = fststyle.list_styles()
    assert list(styles) == list(shipped_styles())
    for name, style in styles.items():
        assert (style.name, style.file) == (name, shipped_styles()[name])
        assert style.width == style.card["network"]["width"] and style.painting.count(", ") >= 2


def test_what_is_no_style_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="udnei is no style; did you mean udnie"):
        fststyle.load_style("udnei")
    with pytest.raises(FileNotFoundError, match="none.onnx: no such file"):
        fststyle.load_style(tmp_path / "none.onnx")
    with pytest.raises(
        ValueError, match="x.safetensors is to be exported first: fststyle export x"
    ):
        fststyle.load_style("x.safetensors")
    threads: Any
    for threads, message in (
        (0, "lie in [1, 1024]"),
        (1.5, "be a whole number"),
        ("2", "be a whole number"),
    ):
        with pytest.raises(ValueError, match=f"threads must {re.escape(message)}, not {threads!r}"):
            fststyle.load_style("udnie_live", threads=threads)


def test_an_unknown_keyword_is_named_with_its_function() -> None:
    functions: list[Any] = [fststyle.train, fststyle.optimize, fststyle.export]
    for function in functions:
        message = rf"{function.__name__}\(\): .* keyword argument 'stile'"
        with pytest.raises(TypeError, match=message):
            function(stile="a.jpg")


def test_a_training_goes_on_where_it_was_interrupted(
    photos: Path,
    painting: Path,
    vgg_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By Ctrl-C in the main thread; it goes on in another, which has no signals."""
    run = partial(
        fststyle.train,
        name="tiny",
        run_dir=tmp_path / "run",
        vgg_weights=str(vgg_file),
        method="plain",
        style_layers=["relu1_2", "relu2_2"],
        content_layers="relu2_2",
        calibrate=False,
        image_size=32,
        style_size=48,
        width=4,
        batch_size=2,
        workers=0,
        device="cpu",
    )
    from fststyle.training.style_task import StyleTask

    monkeypatch.setattr(StyleTask, "loss", interrupting(StyleTask.loss, 2))
    with pytest.raises(KeyboardInterrupt):
        run(style=painting, content=photos, steps=100)
    assert "stopped at step 2, saved" in capsys.readouterr().out
    with pytest.raises(ValueError, match="holds a run already"):
        run(style=painting, content=photos)
    with ThreadPoolExecutor() as threads:
        trained = threads.submit(run, style=painting, content=photos, resume=True, steps=4).result()
    assert trained.file == tmp_path / "run" / "tiny.safetensors" and trained.steps == 4
    assert trained.losses == load_card(trained.file)["losses"]
    again = run(style=painting, content=photos, resume=True, steps=4)
    assert again == trained
    with pytest.raises(ValueError, match="--width was 4 when this run began"):
        run(style=painting, content=photos, resume=True, width=8)


def test_depth_is_of_the_pictures_size_whatever_is_given(tmp_path: Path) -> None:
    photo = picture(0, 80, 48)
    photo.save(tmp_path / "photo.png")
    pixels = np.asarray(photo)
    floats: Any = pixels / 255
    estimate = partial(fststyle.estimate_depth, network="hourglass", device="cpu", size=48)
    depth = estimate(photo)
    assert depth.shape == (48, 80) and depth.dtype == np.float32
    for given in (tmp_path / "photo.png", str(tmp_path / "photo.png"), pixels):
        assert np.array_equal(estimate(given), depth)
    assert np.array_equal(estimate(np.stack([pixels, pixels])), [depth, depth])
    assert estimate(pixels[None][:0]).shape == (0, 48, 80)
    with pytest.raises(TypeError, match="uint8"):
        estimate(floats)
    with pytest.raises(FileNotFoundError, match="none.png: no such file"):
        estimate(tmp_path / "none.png")
    with pytest.raises(ValueError, match="--size must be at least 32"):
        fststyle.estimate_depth(photo, size=8)


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
trained = fststyle.train(style="a.jpg", content=Path("photos"), name="a", image_size=(64, 96))
reveal_type(trained.file)
reveal_type(trained.losses)
reveal_type(fststyle.export(trained.file, uint8=True, quantize="none").file)
optimized = fststyle.optimize(["a.jpg", Path("b.jpg")], style=["c.jpg"], size=(320, 640))
reveal_type(optimized.pictures[0].image)
reveal_type(fststyle.estimate_depth(np.zeros((64, 64, 3), np.uint8), flip=True))
stylize("photo.jpg", strenght=0.5)
stylize(3)
fststyle.train(style="a.jpg", name="a")
fststyle.export("a.safetensors", quantize="int4")
fststyle.optimize("a.jpg", style="b.jpg", steps="many")
"""
REVEALED = [
    "fststyle.inference.stylizer.Stylizer",
    *["PIL.Image.Image"] * 3,
    *["numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.unsignedinteger["] * 2,
    "str",
    "int | None",
    "pathlib.Path",
    "dict[str, float]",
    "pathlib.Path",
    "PIL.Image.Image",
    "numpy.ndarray[tuple[Any, ...], numpy.dtype[numpy.floating[",
]
"""How each type in ``USER`` begins; its last five lines are mistakes."""


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
    assert wrong == set(range(count - 4, count + 1)), done.stdout
