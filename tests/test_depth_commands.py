"""``depth train``, ``eval``, ``predict`` and ``export`` as users run them, on tiny data."""

import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

import fststyle
from fststyle.__main__ import main
from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import save_depth
from fststyle.checkpoints.files import load_tensors
from fststyle.data.depth import formats as depth_formats
from fststyle.depth import opening
from fststyle.images.io import read_image
from fststyle.networks.hourglass import HourglassDepth
from fststyle.training.depth_task import DepthTask
from tests.conftest import ROOT, interrupting, picture, run_here, write_clip


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


def here(*arguments: object) -> None:
    """A command in this process, which saves seconds of imports."""
    assert main([str(argument) for argument in arguments]) == 0


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def tensors_of(file: Path) -> dict[str, torch.Tensor]:
    return load_tensors(file)[0]


def test_an_interrupted_run_goes_on_bit_for_bit(
    options: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(DepthTask, "save", interrupting(DepthTask.save, 1))
        assert main(["depth", "train", *map(str, options)]) == 130
    assert "go on with: fststyle depth train --name tiny --resume" in capsys.readouterr().out
    assert 2 <= load_tensors(tmp_path / "run" / "state.safetensors")[1]["step"] < 6
    here("depth", "train", "--resume", "--name", "tiny", "--run-dir", tmp_path / "run")
    other = list(options)
    other[other.index("--run-dir") + 1] = tmp_path / "whole"
    here("depth", "train", *other)
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
    depth = load(network, DEPTH).network
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


def test_depth_of_a_film_is_a_film(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "film.mkv"
    write_clip(film, list(range(5)))
    network = ("--network", "fast", "--device", "cpu", "--output", tmp_path / "out")
    here("depth", "predict", film, *network)
    with av.open(tmp_path / "out" / "depth" / "film.mp4") as shown:
        frames = [f.to_ndarray(format="rgb24") for f in shown.decode(video=0)]
    assert len(frames) == 5 and frames[0].shape == (48, 64, 3) and frames[0].std() > 30
    status, error = run_here(capsys, "depth", "predict", film, *network)
    assert status == 2 and "exists" in error
    here("depth", "predict", film, *network, "--overwrite")
    stack = np.stack([np.asarray(picture(0))] * 3)
    steady = fststyle.estimate_depth(stack, network="fast", steady=True, device="cpu")
    alone = fststyle.estimate_depth(stack, network="fast", device="cpu")
    np.testing.assert_allclose(steady, alone, atol=1e-4)


def test_without_torch_depth_is_told_by_the_fast_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(0).save(tmp_path / "p.png")
    here("depth", "predict", tmp_path / "p.png", "--network", "fast", "--output", tmp_path / "a")
    monkeypatch.setattr(opening, "find_spec", lambda _: None)
    here("depth", "predict", tmp_path / "p.png", "--output", tmp_path / "b")
    maps = [np.asarray(Image.open(tmp_path / o / "depth" / "p.png"), float) for o in "ab"]
    assert np.abs(maps[0] - maps[1]).max() < 65535 * 5e-3


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


def test_fine_tuning_begins_with_the_network_given(
    options: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = HourglassDepth()
    save_depth(tmp_path / "init.safetensors", network, {})
    options[options.index("--steps") + 1] = 1
    init = tmp_path / "init.safetensors"
    here("depth", "train", *options, "--init", init, "--lr", 1e-9, "--weight-decay", 0)
    init.unlink()  # a run that is resumed has no more need of it
    here("depth", "train", "--resume", "--name", "tiny", "--run-dir", tmp_path / "run")
    assert "is complete" in capsys.readouterr().out
    trained = tensors_of(tmp_path / "run" / "state.safetensors")
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(trained[f"network.{name}"], parameter.data, atol=1e-6, rtol=0)


def test_bad_files_are_named_and_passed_over(
    options: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    here("depth", "train", *options)
    error = capsys.readouterr().err
    assert "2 picture(s) passed over" in error
    assert "1.png: a depth map is greyscale" in error
    assert "2.png: an empty depth map" in error


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


def test_pictures_are_measured_one_by_one_and_only_what_was_measured_counts(
    depth_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "mixed"
    shutil.copytree(depth_data, folder)
    (folder / "image" / "1.png").write_bytes(b"nothing")
    (folder / "depth" / "2.png").unlink()
    (folder / "depth" / "2.png").symlink_to(tmp_path / "nowhere")
    kept: list[weakref.ref[Image.Image]] = []
    alive: list[int] = []

    def read(path: Path) -> Image.Image:
        alive.append(sum(image() is not None for image in kept))
        image = read_image(path)
        kept.append(weakref.ref(image))
        return image

    monkeypatch.setattr(depth_formats, "read_image", read)
    network, figures = tmp_path / "net.safetensors", tmp_path / "figures.json"
    torch.manual_seed(0)
    save_depth(network, HourglassDepth(), {"settings": {"size": "32x48"}})
    evaluation = (
        *("depth", "eval", network, tmp_path / "none.safetensors", "--size", "32x48"),
        *("--data", f"mixed={folder}", f"gone={tmp_path / 'gone'}", f"ramps={depth_data}@:2"),
        *("--json", figures, "--device", "cpu"),
    )
    status = main(list(map(str, evaluation)))
    printed = capsys.readouterr()
    assert status == 1 and "Traceback" not in printed.err
    for name in ("mixed: 1: ", "none.safetensors", "gone: no such folder"):
        assert sum(name in line for line in printed.err.splitlines()) == 1, name
    assert max(alive) <= 1, "at most the picture before is still there"
    found = json.loads(figures.read_text())
    assert found["pictures"] == {"mixed": 3, "ramps": 2} and "| mixed (3) | net |" in printed.out
    assert any("1.png" in reason for reason in found["passed_over"].values())
    assert found["results"]["net"].keys() == {"mixed", "ramps"}
    before = figures.read_bytes()
    status, error = run_here(capsys, *evaluation)
    assert status == 2 and "figures.json exists already: add --overwrite" in error
    assert figures.read_bytes() == before
    assert main([*map(str, evaluation), "--overwrite"]) == 1


def test_depths_that_are_no_numbers_are_told_as_such(
    depth_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As nan in the table, null in JSON; and no map is written of them."""
    network = HourglassDepth()
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert norm.running_var is not None
    norm.running_var.fill_(-1)  # whose root is no number; files with NaN in them are refused
    save_depth(tmp_path / "nan.safetensors", network, {"settings": {"size": "32x48"}})
    evaluation = (
        *("depth", "eval", tmp_path / "nan.safetensors", "--data", f"a={depth_data}@:2"),
        *("--size", "32x48", "--json", tmp_path / "figures.json", "--device", "cpu"),
        *("--sheet", tmp_path / "sheet.png"),
    )
    here(*evaluation)
    assert "| nan | nan | nan |" in capsys.readouterr().out
    text = (tmp_path / "figures.json").read_text()
    figures = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert figures["results"]["nan"]["a"]["accuracy"] is None
    assert figures["results"]["vertical gradient"]["a"]["accuracy"] > 0.9
    photo = depth_data / "image" / "0.png"
    status, error = run_here(
        *(capsys, "depth", "predict", photo, "--network", tmp_path / "nan.safetensors"),
        *("--output", tmp_path / "out", "--device", "cpu"),
    )
    assert status == 1 and "0.png: the depth that nan tells is not finite" in error
    assert not list(tmp_path.glob("out/**/*.*"))


def test_two_sets_of_one_name_and_two_networks_of_one_stem(
    depth_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = [tmp_path / name / "net.safetensors" for name in ("a", "b")]
    for seed, network in enumerate(networks):
        torch.manual_seed(seed)
        network.parent.mkdir()
        save_depth(network, HourglassDepth(), {"settings": {"size": "32x48"}})
    evaluation = ("depth", "eval", *networks, networks[1], "--size", "32x48", "--device", "cpu")
    sets = (f"a={depth_data}@:1", f"a={depth_data}@1:2")
    status, error = run_here(capsys, *evaluation, "--data", *sets)
    assert status == 2 and "two sets bear one name: a, a" in error
    here(*evaluation, "--data", sets[0], "--json", tmp_path / "figures.json")
    results = json.loads((tmp_path / "figures.json").read_text())["results"]
    one, two = results["net"]["a"], results[str(networks[1])]["a"]
    assert one != two and results[f"{networks[1]} (2)"]["a"] == two


def test_every_photo_has_a_depth_map_of_its_own_and_one_that_fails_stops_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "photos", tmp_path / "out"
    folder.mkdir()
    for seed, suffix in enumerate(("jpg", "png", "webp")):
        picture(seed, 64, 48 + 16 * seed).save(folder / f"a.{suffix}")
    (folder / "b.png").write_bytes(b"nothing")
    (folder / "c.png").symlink_to(tmp_path / "nowhere")
    Image.new("RGB", (300, 1)).save(folder / "d.png")
    network = ROOT / "checkpoints/depth/hourglass.safetensors"
    command = ("depth", "predict", folder, "--network", network, "--size", 64, "--output", output)
    status, error = run_here(capsys, *command, "--device", "cpu")
    assert status == 1 and "b.png: not a picture" in error and "c.png: no such file" in error
    maps = {file.name: size_of(file) for file in (output / "depth").iterdir()}
    assert maps == {"a.png": (64, 64), "a-2.png": (64, 48), "a-3.png": (64, 80), "d.png": (300, 1)}
    assert {f.stem for f in (output / "colour").iterdir()} == {Path(n).stem for n in maps}
    (output / "depth" / "a.png").write_bytes(b"mine")
    status, error = run_here(capsys, *command, "--device", "cpu")
    assert status == 1 and error.count("exists already (and 1 more): add --overwrite") == 4
    assert (output / "depth" / "a.png").read_bytes() == b"mine"
    assert run_here(capsys, *command, "--device", "cpu", "--overwrite")[0] == 1
    assert size_of(output / "depth" / "a.png") == (64, 64)
