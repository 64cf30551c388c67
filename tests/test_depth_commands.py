"""``depth train``, ``eval``, ``predict`` and ``export`` as users run them, on tiny data."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT, picture, run_command, run_here
from PIL import Image

from fststyle.__main__ import main
from fststyle.checkpoint import load_tensors
from fststyle.depth_network import load_depth, save_depth
from fststyle.images import read_image
from fststyle.networks.hourglass import HourglassDepth


@pytest.fixture(scope="module")
def depth_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos whose brightness is their depth, farther towards the top."""
    folder = tmp_path_factory.mktemp("depth_data")
    for kind in ("image", "depth"):
        (folder / kind).mkdir()
    for i in range(5):
        ramp = np.linspace(250, 10, 48)[:, None] + np.asarray(picture(i), np.float32)[..., 0] / 8
        depth = ramp.clip(0, 255).astype(np.uint8)
        Image.fromarray(np.repeat(depth[..., None], 3, 2)).save(folder / "image" / f"{i}.png")
        Image.fromarray(depth).save(folder / "depth" / f"{i}.png")
    return folder


@pytest.fixture
def options(depth_data: Path, tmp_path: Path) -> list[Any]:
    return [
        *("--network", "hourglass", "--data", f"ramps={depth_data}", "--name", "tiny"),
        *("--run-dir", tmp_path / "run", "--size", "32x48", "--batch-size", 2, "--steps", 6),
        *("--pairs", 200, "--distance", 10, "--precision", "fp32", "--device", "cpu"),
        *("--checkpoint-interval", 2, "--picture-interval", 6, "--val", f"val={depth_data}"),
    ]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = run_command(*arguments)
    assert done.returncode == 0, done.stderr
    return done


def here(*arguments: object) -> None:
    """As ``run``, in this process, which saves seconds of imports."""
    assert main([str(argument) for argument in arguments]) == 0


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def tensors_of(file: Path) -> dict[str, torch.Tensor]:
    return load_tensors(file)[0]


@pytest.mark.slow
def test_an_interrupted_run_goes_on_bit_for_bit(options: list[Any], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fststyle", "depth", "train", *map(str, options)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    state = tmp_path / "run" / "state.safetensors"
    deadline = time.monotonic() + 120
    while not state.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130 and b"go on with: depth train --name tiny --resume" in out
    assert load_tensors(state)[1]["step"] < 6, "stopped too late for this test to mean anything"
    run("depth", "train", "--resume", "--name", "tiny", "--run-dir", tmp_path / "run")
    other = list(options)
    other[other.index("--run-dir") + 1] = tmp_path / "whole"
    run("depth", "train", *other)
    for name in ("tiny.safetensors", "state.safetensors"):
        one, two = tensors_of(tmp_path / "run" / name), tensors_of(tmp_path / "whole" / name)
        assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.slow
def test_a_network_learns_is_measured_exported_and_run_without_torch(
    options: list[Any],
    depth_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options[options.index("--steps") + 1] = 20
    scenes = [*("--scenes", depth_data / "image", "--share", "ramps=4", "scenes=1")]
    here("depth", "train", *options, *scenes)
    network = tmp_path / "run" / "tiny.safetensors"
    card = load_tensors(network)[1]
    assert card["kind"] == "hourglass" and card["step"] == 20
    assert card["data"]["scenes"]["share"] == 0.2 and card["settings"]["size"] == "32x48"
    assert str(tmp_path.parent) not in json.dumps(card), "a card names no folder"
    depth, _ = load_depth(network)
    images = [np.array(read_image(f).resize((48, 32))) for f in (depth_data / "image").iterdir()]
    with torch.no_grad():
        output = depth(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255)
    assert 0.7 < output.std() < 1.4, "over the training photos it is 1"

    here(
        *("depth", "eval", network, "--data", f"ramps={depth_data}@:4", "--size", "32x48"),
        *("--json", tmp_path / "e.json", "--sheet", tmp_path / "e.png"),
    )
    results = json.loads((tmp_path / "e.json").read_text())["results"]
    assert results["vertical gradient"]["ramps"]["accuracy"] > 0.95
    assert results["tiny"]["ramps"]["accuracy"] > 0.8, "it has learnt the ramps"
    assert size_of(tmp_path / "e.png")[0] > 300

    here("export", network, "--uint8", "--output", tmp_path / "d.onnx")
    maps = {}
    for name in (network, tmp_path / "d.onnx"):
        output = tmp_path / name.suffix[1:]
        here("depth", "predict", depth_data / "image", "--network", name, "--output", output)
        with Image.open(output / "depth" / "3.png") as depth_map:
            maps[name.suffix] = np.asarray(depth_map).astype(float)
        assert size_of(output / "colour" / "3.jpg")[0] > 2 * 64
    assert maps[".onnx"].shape == (48, 64) and maps[".onnx"].max() == 65534
    assert np.abs(maps[".onnx"] - maps[".safetensors"]).max() < 65535 * 2e-3
    # What it wrote can be learnt from.
    own = f"own={depth_data / 'image'}+{tmp_path / 'onnx' / 'depth'}"
    here("depth", "eval", network, "--data", own, "--size", "32x48")
    inputs = (tmp_path / "d.onnx", depth_data / "image")
    status, error = run_here(capsys, "infer", *inputs, "--output", tmp_path)
    assert status == 2 and "not a style network" in error


def test_a_head_on_vgg_trains_and_exports(
    options: list[Any], deep_vgg: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options[options.index("--steps") + 1] = 2
    options[options.index("--network") + 1] = "vgg_head"
    here("depth", "train", *options, "--vgg-weights", deep_vgg)
    network = tmp_path / "run" / "tiny.safetensors"
    assert load_tensors(network)[1]["loss_network"]["id"]
    here("export", network, "--vgg-weights", deep_vgg, "--output", tmp_path / "h.onnx")
    other = ("--network", "hourglass", "--run-dir", tmp_path / "other")
    command = ("depth", "train", *options, "--init", network, *other, "--vgg-weights", deep_vgg)
    status, error = run_here(capsys, *command)
    assert status == 2 and "holds a 'vgg_head', not a 'hourglass'" in error


@pytest.mark.slow
def test_fine_tuning_begins_with_the_network_given(options: list[Any], tmp_path: Path) -> None:
    network = HourglassDepth()
    save_depth(tmp_path / "init.safetensors", network, {})
    options[options.index("--steps") + 1] = 1
    init = tmp_path / "init.safetensors"
    run("depth", "train", *options, "--init", init, "--lr", 1e-9, "--weight-decay", 0)
    init.unlink()  # a run that is resumed has no more need of it
    again = ("depth", "train", "--resume", "--name", "tiny", "--run-dir", tmp_path / "run")
    assert "is complete" in run(*again).stdout
    trained = tensors_of(tmp_path / "run" / "state.safetensors")
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(trained[f"network.{name}"], parameter.data, atol=1e-6, rtol=0)


def test_bad_files_are_named_and_passed_over(options: list[Any], tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    for kind in ("image", "depth"):
        (folder / kind).mkdir(parents=True)
    for i in range(3):
        picture(i).save(folder / "image" / f"{i}.png")
    picture(0).convert("L").save(folder / "depth" / "0.png")
    picture(0).save(folder / "depth" / "1.png")
    Image.new("L", (64, 48), 7).save(folder / "depth" / "2.png")
    options[options.index("--data") + 1] = f"mixed={folder}"
    options[options.index("--steps") + 1] = 4
    done = run("depth", "train", *options)
    assert "2 picture(s) passed over" in done.stderr
    assert "1.png: a depth map is greyscale" in done.stderr
    assert "2.png: an empty depth map" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "nothing"], "'nothing' names no depth data"),
        (["--data", "a=no_such_folder"], "no_such_folder: no such folder"),
        (["--size", "30x48"], "--size takes multiples of 16, not 30x48"),
        (["--share", "other=1"], "--share other=…: no set of that name"),
        (["--share", "ramps=-1"], "--share must be above 0"),
        (["--init", "missing.safetensors"], "missing.safetensors: no such file"),
    ],
)
def test_bad_settings_get_one_line(
    options: list[Any], change: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, error = run_here(capsys, "depth", "train", *options, *change)
    assert status == 2 and message in error and error.count("\n") == 1
