import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from fststyle.inference import session
from fststyle.inference.images import stylize
from fststyle.inference.inputs import plan
from fststyle.inference.stylizer import Stylizer
from fststyle.utils.failures import Failures
from tests.conftest import ROOT, picture, run_command

BUILDS = {dist.name.replace("-", "_") for dist in metadata.distributions()}


@pytest.fixture
def models(exported: Callable[..., Path]) -> dict[str, Path]:
    return {"float": exported(), "uint8": exported(uint8=True)}


def test_float_and_uint8_files_give_the_same_pictures(models: dict[str, Path]) -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    one, two = (Stylizer(model)(frames) for model in models.values())
    assert one.shape == frames.shape and one.dtype == np.uint8
    assert np.abs(one.astype(int) - two).max() <= 1
    assert Stylizer(models["float"]).card["step"] == 3


def test_strength_and_color_are_inside_the_graph(models: dict[str, Path]) -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    content = frames.astype(float)
    for model in models.values():
        stylizer = Stylizer(model)
        full = stylizer(frames).astype(float)
        assert np.array_equal(stylizer(frames, strength=0), frames)
        half = stylizer(frames, strength=0.25)
        assert np.abs(half - (0.25 * full + 0.75 * content)).max() <= 1
        colorize = stylizer(frames, keep_colour=True)
        inside = ((colorize > 0) & (colorize < 255)).all(-1)
        difference = (colorize - content)[inside]
        assert inside.mean() > 0.5 and difference.std() > 3
        assert np.abs(difference - difference.mean(-1, keepdims=True)).max() <= 1
        luma = np.array([0.299, 0.587, 0.114])
        assert np.abs((colorize - full)[inside] @ luma).max() <= 1.5


def test_files_without_strength_are_told(models: dict[str, Path], tmp_path: Path) -> None:
    """Files of version 0.1 run; only what they lack is refused."""
    model = onnx.load(models["uint8"])
    for name in ("strength", "keep_colour"):
        kept = [i for i in model.graph.input if i.name != name]
        del model.graph.input[:]
        model.graph.input.extend(kept)
    onnx.save(model, tmp_path / "old.onnx")
    stylizer, frames = Stylizer(tmp_path / "old.onnx"), np.zeros((1, 16, 16, 3), np.uint8)
    assert stylizer(frames).shape == frames.shape
    with pytest.raises(ValueError, match="has no strength: export it again"):
        stylizer(frames, strength=0.5)


def test_files_and_providers_that_cannot_be_used(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        Stylizer(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged, or no ONNX file"):
        Stylizer(tmp_path / "bad.onnx")
    with pytest.raises(ValueError, match="--provider abacus: unknown; use auto"):
        Stylizer(models["float"], "abacus")
    with pytest.raises(ValueError, match="--provider coreml: not in this build|failed to start"):
        Stylizer(models["float"], "coreml" if sys.platform != "darwin" else "cuda")
    with pytest.raises(ValueError, match="20x15 pixels; at least 16x16"):
        Stylizer(models["float"])(np.zeros((1, 15, 20, 3), np.uint8))


def test_pictures_are_the_callers_own(models: dict[str, Path]) -> None:
    """Buffers are used again from picture to picture; what was returned stays."""
    first, second = (np.asarray(picture(seed, 50, 37))[None] for seed in (0, 1))
    for model in models.values():
        stylizer = Stylizer(model)
        output = stylizer(first)
        before = output.copy()
        assert not np.array_equal(stylizer(second), before)
        assert np.array_equal(output, before)


@pytest.mark.skipif("onnxruntime_gpu" not in BUILDS, reason="needs ONNX Runtime's GPU build")
def test_a_provider_that_fails_says_why(models: dict[str, Path]) -> None:
    """TensorRT is in the build, its libraries are not on the machine."""
    with pytest.raises(
        ValueError, match="tensorrt provider failed to start .*(libnvinfer|TensorRT)"
    ):
        Stylizer(models["uint8"], "tensorrt")


def test_what_is_fed_is_contiguous() -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    for uint8 in (False, True):
        fed = session.as_fed(frames[:, :, 3:], uint8)
        assert fed.flags.c_contiguous and np.shape(fed) == (
            (1, 37, 47, 3) if uint8 else (1, 3, 37, 47)
        )


def test_a_worse_provider_is_taken_when_a_better_one_fails(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "_choose", lambda provider: ["openvino", "cpu"])
    assert Stylizer(models["uint8"]).provider == "cpu"
    assert re.search(r"openvino provider failed to start \(.+\)", capsys.readouterr().err)


def test_transparency_and_profile_are_kept(models: dict[str, Path]) -> None:
    image = picture(0).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.info["icc_profile"] = b"profile"
    output = stylize(Stylizer(models["uint8"]), image)
    assert output.mode == "RGBA" and output.info["icc_profile"] == b"profile"
    assert output.getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_where_pictures_go(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/deep/2.png", "b/1.jpg", "b/3.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name)
    out = tmp_path / "out"

    def targets(*inputs: str) -> list[str]:
        jobs = plan([str(tmp_path / name) for name in inputs], out, Failures())
        return [target.relative_to(out).as_posix() for _, target in jobs]

    assert targets("a") == ["1.jpg", "deep/2.png"]
    assert targets("a/1.jpg", "b/1.jpg") == ["1.jpg", "1-2.jpg"]
    assert targets("*/1.jpg", "b/3.gif", "a/1.jpg") == ["1.jpg", "1-2.jpg", "3.gif.png"]
    with pytest.raises(FileNotFoundError, match="no such file, folder or pattern"):
        targets("c*.jpg")
    with pytest.raises(ValueError, match="would be overwritten"):
        plan([str(tmp_path / "a/1.jpg")], tmp_path / "a", Failures())


def test_the_command_does_the_rest_when_one_is_corrupt(
    models: dict[str, Path], tmp_path: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0, 64, 40).save(photos / "lying.jpg", exif=exif)
    picture(1, 200, 100).save(photos / "large.webp")
    picture(2, 10, 10).save(photos / "small.png")
    (photos / "corrupt.jpg").write_bytes(b"nothing")
    done = run_command("infer", models["uint8"], photos, "--output", out, "--max-size", 100)
    assert done.returncode == 1
    assert "provider cpu" in done.stdout and "2 of 4 stylized" in done.stdout
    assert "corrupt.jpg: not a picture" in done.stderr and "small.png: 10x10 pixels" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["large.webp", "lying.jpg"]
    with Image.open(out / "lying.jpg") as upright, Image.open(out / "large.webp") as reduced:
        assert upright.size == (40, 64) and 0x0112 not in upright.getexif()
        assert reduced.size == (100, 50)


def test_it_runs_without_torch(models: dict[str, Path], tmp_path: Path) -> None:
    picture(0).save(tmp_path / "photo.png")
    code = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'safetensors'): sys.modules[name] = None\n"
        "from fststyle.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["infer", models["float"], tmp_path / "photo.png", "--output", tmp_path / "out"]
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "photo.png").is_file()
    command[3:] = ["train", "--name", "x", "--style", "a.jpg", "--content", "b"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "pip install 'fststyle[train]'" in done.stderr


def test_the_scripts_are_the_commands(models: dict[str, Path], tmp_path: Path) -> None:
    picture(0).save(tmp_path / "photo.png")
    command: list[Any] = [sys.executable, ROOT / "infer.py", models["float"]]
    command += [tmp_path / "photo.png"]
    subprocess.run([*command, "--output", tmp_path / "out"], check=True, capture_output=True)
    assert (tmp_path / "out" / "photo.png").is_file()
    for script in ("train.py", "export.py"):
        subprocess.run([sys.executable, ROOT / script, "--help"], check=True, capture_output=True)
