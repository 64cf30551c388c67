import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fststyle.inference import infer
from fststyle.inference.stylizer import Stylizer
from tests.conftest import ROOT, picture, run_command, run_here, write_clip

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


def files(folder: Path) -> list[str]:
    return sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file())


def test_a_folder_of_everything(model: Path, tmp_path: Path, capsys: Capture) -> None:
    mixed, out = tmp_path / "mixed", tmp_path / "out.v2"
    mixed.mkdir()
    for name in ("a.jpg", "z.png", "日" * 83 + ".jpg"):
        picture(0).save(mixed / name)
    picture(0).save(mixed / "moving.gif", save_all=True, append_images=[picture(1)])
    write_clip(mixed / "clip.mp4", [0, 40])
    (mixed / "notes.txt").write_text("notes")
    (mixed / "dangling.jpg").symlink_to("nowhere")
    status, error = run_here(capsys, "infer", model, mixed, tmp_path / "none", "--output", out)
    assert status == 1
    lines = [line for line in error.splitlines() if line.startswith(str(tmp_path))]
    assert (
        len(lines) == 2
        and "dangling.jpg: no such file, but a link" in error
        and "none: no such" in error
    )
    made = ["a.jpg", "clip.mp4", "moving.gif", "z.png", "日" * 83 + ".jpg"]
    assert files(out) == sorted(made)


def test_results_are_overwritten_when_asked(model: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        picture(0).save(tmp_path / "in" / name)
    out = tmp_path / "out"
    command = ("infer", model, tmp_path / "in", "--output", out)
    out.mkdir()
    (out / "b.png").write_text("mine")
    status, error = run_here(capsys, *command)
    assert status == 1 and "b.png exists already: add --overwrite" in error
    assert files(out) == ["a.png", "b.png"] and (out / "b.png").read_text() == "mine"
    status, error = run_here(capsys, *command)
    assert status == 2 and "exists already (and 1 more): add --overwrite" in error
    (out / "a.png").unlink()
    assert run_here(capsys, *command, "--skip-existing")[0] == 0
    assert files(out) == ["a.png", "b.png"] and (out / "b.png").read_text() == "mine"
    assert run_here(capsys, *command, "--overwrite")[0] == 0
    with Image.open(out / "b.png") as image:
        assert image.size == (64, 48)


@pytest.mark.parametrize(("name", "folder"), [("x.2/", True), ("x.jpg/", True), ("x.bmp", False)])
def test_outputs_are_folders_or_files(
    name: str, folder: bool, model: Path, tmp_path: Path, capsys: Capture
) -> None:
    picture(0).save(tmp_path / "a.png")
    output = f"{tmp_path}/{name}"
    status, error = run_here(capsys, "infer", model, tmp_path / "a.png", "--output", output)
    assert status == (0 if folder else 2) and (tmp_path / name / "a.png").is_file() == folder
    assert folder or "cannot write .bmp" in error


def test_a_picture_that_is_called_a_film_is_done_and_pages_are_told_of(
    model: Path, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in" / "a.mp4", "wb") as file:
        picture(0).save(file, format="PNG")
    picture(0).save(tmp_path / "in" / "b.tif", save_all=True, append_images=[picture(1)])
    status, error = run_here(capsys, "infer", model, tmp_path / "in", "--output", tmp_path / "out")
    assert status == 0 and files(tmp_path / "out") == ["a.mp4.png", "b.tif"]
    assert "b.tif: the first of its 2 pages is taken" in error
    output = ("--output", tmp_path / "film.mp4")
    status, error = run_here(capsys, "infer", model, tmp_path / "in" / "a.mp4", *output)
    assert status == 2 and "a.mp4 is no film that can be read, so --output" in error


def test_a_full_disk_ends_it_with_a_line(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    for name in ("a.png", "b.png"):
        picture(0).save(tmp_path / name)

    def write(image: Image.Image, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(infer, "write_image", write)
    inputs = (tmp_path / "a.png", tmp_path / "b.png")
    status, error = run_here(capsys, "infer", model, *inputs, "--output", tmp_path / "out")
    assert status == 1 and error.count("No space left on device") == 1 and "b.png" not in error


class Fail(Exception):
    """As ONNX Runtime's."""


def test_too_large_a_picture_is_done_in_tiles_or_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    picture(0, 64, 64).save(tmp_path / "a.png")
    picture(1, 32, 32).save(tmp_path / "b.png")
    whole = Stylizer.run

    def call(self: Stylizer, frames: np.ndarray, *more: Any, **options: Any) -> np.ndarray:
        if frames.shape[1] > 32:
            raise Fail("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc\nmore")
        return whole(self, frames, *more, **options)

    monkeypatch.setattr(Stylizer, "run", call)
    command = ("infer", model, tmp_path / "a.png", tmp_path / "b.png", "--output")
    assert run_here(capsys, *command, tmp_path / "tiled")[0] == 0
    assert files(tmp_path / "tiled") == ["a.png", "b.png"]
    status, error = run_here(capsys, *command, tmp_path / "out", "--tile", 0)
    assert status == 1 and "a.png: too little memory for it: try a smaller --max-size" in error
    assert files(tmp_path / "out") == ["b.png"]


def test_a_style_that_fails_does_not_stop_the_others(
    exported: Callable[..., Path], model: Path, tmp_path: Path, capsys: Capture
) -> None:
    fixed = tmp_path / "fixed.onnx"
    fixed.write_bytes(exported(size=(32, 48)).read_bytes())
    picture(0).save(tmp_path / "a.png")
    write_clip(tmp_path / "b.mp4", [0, 40])
    inputs = (tmp_path / "a.png", tmp_path / "b.mp4")
    status, error = run_here(capsys, "infer", fixed, model, *inputs, "--output", tmp_path / "out")
    assert status == 1
    assert files(tmp_path / "out") == [f"{model.stem}/a.png", f"{model.stem}/b.mp4"]
    assert sum(line.startswith(f"{tmp_path}/") for line in error.splitlines()) == 2


def test_the_command_does_the_rest_when_one_is_corrupt(model: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0, 64, 40).save(photos / "lying.jpg", exif=exif)
    picture(1, 200, 100).save(photos / "large.webp")
    picture(2, 10, 10).save(photos / "small.png")
    (photos / "corrupt.jpg").write_bytes(b"nothing")
    done = run_command("infer", model, photos, "--output", out, "--max-size", 100)
    assert done.returncode == 1
    assert "provider cpu" in done.stdout and "2 of 4 stylized" in done.stdout
    assert "corrupt.jpg: not a picture" in done.stderr and "small.png: 10x10 pixels" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["large.webp", "lying.jpg"]
    with Image.open(out / "lying.jpg") as upright, Image.open(out / "large.webp") as reduced:
        assert upright.size == (40, 64) and 0x0112 not in upright.getexif()
        assert reduced.size == (100, 50)


def test_it_runs_without_torch(model: Path, tmp_path: Path) -> None:
    picture(0).save(tmp_path / "photo.png")
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'safetensors'): sys.modules[name] = None\n"
        "from fststyle.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["infer", model, tmp_path / "photo.png", "--output", tmp_path / "out"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "photo.png").is_file()
    command[3:] = ["train", "--name", "x", "--style", "a.jpg", "--content", "b"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "pip install '.[train]'" in done.stderr


def test_the_scripts_are_the_commands(model: Path, tmp_path: Path) -> None:
    picture(0).save(tmp_path / "photo.png")
    command: list[Any] = [sys.executable, ROOT / "infer.py", model]
    command += [tmp_path / "photo.png"]
    subprocess.run([*command, "--output", tmp_path / "out"], check=True, capture_output=True)
    assert (tmp_path / "out" / "photo.png").is_file()
    for script in ("train.py", "export.py"):
        subprocess.run([sys.executable, ROOT / script, "--help"], check=True, capture_output=True)
