"""What users copy, run as it stands there: as far as one machine can."""

import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fststyle
from fststyle.__main__ import _parser
from fststyle.checkpoints import STYLE, load
from tests.conftest import ROOT, picture, run_here

EXAMPLES = ROOT / "examples"
LIVE = "starry_night_live"


def run(
    *command: object, env: Mapping[str, object] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command that ends well, from the project's folder, with this environment's Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": path, "PYTHONPATH": ROOT, "PYTHON": sys.executable, **(env or {})}
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def files(folder: Path) -> dict[str, int]:
    """Names below a folder, and when each file was written."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in found}


def assert_same(file: Path, expected: Image.Image) -> None:
    """Up to one of 255: threads share the sums in other ways."""
    with Image.open(file) as image:
        difference = np.asarray(image, int) - np.asarray(expected, int)
    assert np.abs(difference).max() <= 1


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Five pictures of several formats, two of them in a folder below."""
    folder = tmp_path / "album"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(["a.jpg", "b.png", "c.webp", "more/a.jpg", "more/d.png"]):
        picture(number).save(folder / name)
    return folder


def test_five_lines_are_enough(album: Path, tmp_path: Path) -> None:
    done = run(sys.executable, EXAMPLES / "five_lines.py", album / "a.jpg", tmp_path / "made.png")
    assert done.returncode == 0, done.stderr
    expected = fststyle.load_style("starry_night", provider="cpu")(album / "a.jpg")
    assert_same(tmp_path / "made.png", expected)


WITHOUT_US = "import sys, runpy; sys.modules['fststyle'] = sys.modules['torch'] = None; "


def test_a_host_program_needs_neither_fststyle_nor_torch(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fststyle.inference.stylizer.with_tones", lambda picture, *_: picture)
    model, photo = ROOT / f"checkpoints/styles/{LIVE}.onnx", album / "a.jpg"
    script = EXAMPLES / "onnx_host.py"
    code = WITHOUT_US + f"runpy.run_path({str(script)!r}, run_name='__main__')"
    done = run(sys.executable, "-c", code, model, photo, tmp_path / "made.png")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout == "transform The Starry Night\n"
    expected = fststyle.load_style(LIVE, provider="cpu")(
        photo, strength=0.8, grain=0, near=0.0, far=0.0
    )
    assert_same(tmp_path / "made.png", expected)


def test_a_node_does_what_comfyui_asks_of_it(mapless: Path) -> None:
    """Loaded by its path, asked for its inputs, given what those say, and called by their names."""
    path = EXAMPLES / "comfyui_fststyle.py"
    spec = importlib.util.spec_from_file_location(str(path.with_suffix("")), path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ((name, node),) = module.NODE_CLASS_MAPPINGS.items()
    assert module.NODE_DISPLAY_NAME_MAPPINGS.keys() == {name} and node.CATEGORY == "image/style"
    inputs = node.INPUT_TYPES()
    kinds = {key: value[0] for kind in inputs.values() for key, value in kind.items()}
    settings = {
        key: value[1]["default"]
        for kind in inputs.values()
        for key, value in kind.items()
        if len(value) > 1 and "default" in value[1]
    }
    assert "great_wave" in kinds["style"] and kinds["image"] == "IMAGE" and kinds["mask"] == "MASK"
    assert settings.keys() == kinds.keys() - {"image", "style", "mask"}

    def call(**given: Any) -> np.ndarray:
        (output,) = getattr(node(), node.FUNCTION)(**{**settings, **given})
        assert node.RETURN_TYPES == ("IMAGE",) and output.dtype == torch.float32
        return (output.numpy() * 255).round().astype(int)

    frames = np.stack([np.asarray(picture(number)) for number in (0, 1)])
    image = torch.from_numpy(frames.astype(np.float32) / 255)
    masks = torch.rand(2, 48, 64, generator=torch.Generator().manual_seed(0))
    seen = call(image=image, style="great_wave", mask=masks, strength=0.7, near=0.9, far=0.2)
    stylize = fststyle.load_style("great_wave")
    for frame, mask, output in zip(frames, masks.numpy(), seen, strict=True):
        expected = stylize(frame, weight_map=mask, strength=0.7, near=0.9, far=0.2)
        assert np.abs(output - expected).max() <= 1
    seen = call(image=image[:1], style="great_wave", onnx_file=str(mapless), keep_color=True)
    expected = fststyle.load_style(mapless)(frames[0], keep_color=True)
    assert np.abs(seen[0] - expected).max() <= 1
    with pytest.raises(ValueError, match="takes no weight map"):
        call(image=image, style=LIVE, onnx_file=str(mapless), mask=masks)


def test_a_script_of_touchdesigner_stylizes_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for its operators, which have pictures as its documentation says."""
    monkeypatch.chdir(ROOT)
    callbacks = runpy.run_path(str(EXAMPLES / "touchdesigner_script_top.py"))
    frame = np.asarray(picture(0))
    fed = np.dstack([frame[::-1], np.full(frame.shape[:2], 255, np.uint8)]).astype(np.float32) / 255
    shown: list[np.ndarray] = []
    source = SimpleNamespace(numpyArray=lambda: fed)
    callbacks["onCook"](SimpleNamespace(inputs=[source], copyNumpyArray=shown.append))
    expected = fststyle.load_style(LIVE, provider="cpu")(frame, grain=0, near=0.0, far=0.0)
    assert shown[0].dtype == np.uint8 and shown[0].flags.c_contiguous
    assert np.abs(shown[0][::-1].astype(int) - expected).max() <= 1


RAY = """
import json, runpy, sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[1])
script, runs = sys.argv[2], json.loads(sys.argv[3])
for arguments in runs:
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        print("status", end.code, flush=True)
"""
"""The same example several times, on one local Ray."""


@pytest.fixture
def ray_folder() -> Iterator[str]:
    """A short path: Ray's sockets lie there."""
    folder = tempfile.mkdtemp(prefix="ray")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is missing: pip install '.[examples]'",
)
def test_ray_stylizes_a_folder(album: Path, tmp_path: Path, ray_folder: str) -> None:
    target = tmp_path / "made"
    (album / "broken.png").write_bytes(b"nothing")
    whole = [str(album), str(target), "--style", LIVE, "--keep-color"]
    runs = [whole, whole, [*whole, "--strength", "2"], [*whole[:1], str(album / "in"), *whole[2:]]]
    done = run(
        *(sys.executable, "-c", RAY, ray_folder, EXAMPLES / "ray_stylize.py", json.dumps(runs)),
        env={"RAY_USAGE_STATS_ENABLED": 0, "RAY_AUTH_MODE": "disabled"},
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "stylized" in line or "status" in line]
    assert lines == [
        f"5 of 6 stylized into {target}; 0 there already",
        "status 1",
        f"0 of 1 stylized into {target}; 5 there already",
        "status 1",
        "status 2",
        "status 2",
    ]
    assert done.stderr.count("broken.png: not a picture that can be read") == 2
    assert "strength must lie in" in done.stderr and "would be read, too" in done.stderr
    assert "Traceback" not in done.stderr
    names = [path.relative_to(album) for path in album.rglob("*.*") if path.stem != "broken"]
    assert files(target).keys() == {name.as_posix() for name in names}
    stylize = fststyle.load_style(LIVE, provider="cpu")
    for name in names:
        with Image.open(target / name) as made, Image.open(album / name) as original:
            assert (made.format, made.size) == (original.format, original.size)
        if name.suffix == ".png":
            assert_same(target / name, stylize(album / name, keep_color=True))


# Slurm, of which stubs take the place


def stub(folder: Path, name: str, script: str) -> None:
    """A program."""
    (folder / name).write_text(f"#!/bin/sh\n{script}")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("script", "command"), [("slurm_infer", "infer"), ("slurm_train", "train")]
)
def test_the_commands_in_a_script_are_understood(script: str, command: str) -> None:
    text = (EXAMPLES / f"{script}.sh").read_text()
    lines = re.findall(r"^# +(?:\w+=\S+ )?sbatch .*?\.sh (.+)$", text, re.MULTILINE)
    assert lines
    for line in lines:
        options = shlex.split(line.replace("[OPTIONS of infer]", ""))
        if command == "infer":
            options.insert(2, "--output")
        _parser().parse_args([command, *options])


def test_an_array_stylizes_each_picture_once(album: Path, tmp_path: Path) -> None:
    target = tmp_path / "made"

    def task(number: int, count: int, **env: object) -> subprocess.CompletedProcess[str]:
        slurm = {"SLURM_ARRAY_TASK_ID": number, "SLURM_ARRAY_TASK_COUNT": count, **env}
        script = EXAMPLES / "slurm_infer.sh"
        return run("bash", script, LIVE, album, target, "--provider", "cpu", env=slurm)

    made: list[set[str]] = []
    for number in (1, 2, 3):
        before = files(target)
        done = task(number, 3)
        assert done.returncode == 0, done.stderr
        assert before.items() <= files(target).items(), "what was there is not made again"
        made.append(files(target).keys() - before.keys())
    assert all(made) and files(target).keys() == files(album).keys()
    first = files(target)
    (target / min(made[1])).unlink()
    assert task(1, 3).returncode == 0
    assert files(target).keys() == first.keys() - {min(made[1])}
    # Only the second again, as --array=2 has it: of how many it is one has to be said.
    assert task(2, 1).returncode == 2
    assert task(2, 1, SHARDS=3).returncode == 0
    assert files(target).keys() == first.keys()


@pytest.mark.slow
def test_a_training_on_two_nodes_matches_one_process(
    train_options: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nodes are processes of this machine, each with a ``torchrun`` of its own."""
    train_options += ["--steps", 5, "--grain", 0]  # of which every process has its own
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    programs = tmp_path / "bin"
    programs.mkdir()
    stub(
        programs, "scontrol", '[ "$*" = "show hostnames node[1-2]" ] && echo localhost && echo two'
    )
    stub(programs, "srun", '"$@" & one=$!\n"$@" & two=$!\nwait $one && wait $two')
    stub(programs, "torchrun", f'exec "{sys.executable}" -m torch.distributed.run "$@"')
    done = run(
        *("bash", EXAMPLES / "slurm_train.sh", *train_options),
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "SLURM_JOB_NODELIST": "node[1-2]",
            "SLURM_NNODES": 2,
            "SLURM_JOB_ID": 7,
            "PORT": port,
            "OMP_NUM_THREADS": 1,
        },
    )
    assert done.returncode == 0, done.stderr
    one = tmp_path / "one"
    status, error = run_here(capsys, "train", *train_options, "--run-dir", one)
    assert status == 0, error
    alone, together = (load(run / "tiny.safetensors", STYLE) for run in (one, tmp_path / "run"))
    # Adam makes steps of one size out of gradients of any, rounding errors included.
    assert together.card["losses"] == pytest.approx(alone.card["losses"], rel=2e-3)
    content = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(together.network(content), alone.network(content), atol=5e-3, rtol=0)
