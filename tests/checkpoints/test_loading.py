"""One loader for every file with a network in it, and VGG-19 read once by each command."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fststyle.checkpoints import DEPTH, KINDS, LOSS, STYLE, foreign_files, load, loading
from fststyle.checkpoints.depth import depth_extractor, save_depth
from fststyle.checkpoints.files import save_tensors
from fststyle.checkpoints.style import save_transform
from fststyle.networks.depth_head import VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features
from tests.conftest import ROOT, picture, run_here

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def head_file(tmp_path_factory: pytest.TempPathFactory, deep_vgg: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    save_depth(path, VGGDepthHead(), {"loss_network": depth_extractor(deep_vgg)[1]})
    return path


@pytest.mark.parametrize("name", ["great_wave", "starry_night_live", "hourglass", "small"])
def test_what_ships_is_opened_by_its_name(name: str) -> None:
    model = load(name)
    assert Path(model.source).stem == name and model.card["kind"] == model.kind
    assert not model.network.training
    (path,) = ROOT.glob(f"checkpoints/*/{model.source}")
    again = load(path, model.purpose)
    assert again.card == model.card
    for ours, theirs in zip(
        *(m.network.state_dict().values() for m in (model, again)), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_what_a_file_holds_decides(
    tmp_path: Path, vgg_state: State, deep_vgg: Path, head_file: Path
) -> None:
    save_transform(tmp_path / "style.safetensors", TransformNet(4), {})
    save_depth(tmp_path / "hourglass.safetensors", HourglassDepth(), {})
    torch.save(HourglassDepth().state_dict(), tmp_path / "published.pth")
    torch.save(vgg_state, tmp_path / "vgg.pth")
    save_file(vgg_state, tmp_path / "vgg.safetensors")
    kinds = {
        "style.safetensors": ("transform", TransformNet),
        "hourglass.safetensors": ("hourglass", HourglassDepth),
        "published.pth": ("hourglass", HourglassDepth),
        "vgg.pth": ("vgg19", VGG19Features),
        "vgg.safetensors": ("vgg19", VGG19Features),
    }
    for name, (kind, network) in kinds.items():
        model = load(tmp_path / name)
        assert model.kind == kind and type(model.network) is network and model.source == name
    head = load(head_file, vgg_weights=deep_vgg)
    assert head.kind == "vgg_head" and isinstance(head.network, VGGDepth)
    assert head.card["id"].startswith("head-")


@pytest.mark.parametrize("name", ["great_wave", "hourglass"])
def test_networks_take_the_smallest_size_they_name(name: str) -> None:
    model = load(name)
    side = model.min_size
    with torch.inference_mode():
        assert model.network(torch.rand(1, 3, side, side)).shape[-2:] == (side, side)
        with pytest.raises(ValueError, match=f"at least {side}x{side}"):
            model.network(torch.rand(1, 3, side - 1, side))
    assert side % model.multiple == 0


def test_a_file_of_another_kind_is_named(tmp_path: Path, vgg_state: State) -> None:
    def refused(message: str, *expected: str) -> None:
        with pytest.raises(ValueError, match=message) as error:
            load(path, *expected)
        assert "\n" not in str(error.value) and str(path) in str(error.value)

    path = ROOT / "checkpoints/depth/hourglass.safetensors"
    refused("holds a 'hourglass', not a style network", STYLE)
    refused("holds a 'hourglass', not a loss network", LOSS)
    path = ROOT / "checkpoints/base/base_8.safetensors"
    refused("holds a 'transform', not a depth network", DEPTH)
    path = tmp_path / "state.safetensors"
    save_tensors(path, {"x": torch.zeros(1)}, {"kind": "training_state"})
    refused("holds a 'training_state', not a network that is known")
    path = tmp_path / "vgg.pth"
    torch.save(vgg_state, path)
    refused("no pytorch/examples fast_neural_style network", STYLE)
    path = tmp_path / "x.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    refused("not written by fststyle")
    path = tmp_path / "x.pth"
    torch.save({"x": torch.zeros(1)}, path)
    unknown = "not pytorch/examples'.* not VGG-19 .* not the published hourglass"
    refused(unknown)
    refused(unknown, STYLE, DEPTH)
    path = tmp_path / "vgg.pth"
    torch.save({n: t for n, t in vgg_state.items() if n != "features.2.bias"}, path)
    refused("the loss network's weights lack 'features.2.bias'")


@pytest.mark.parametrize(
    ("name", "expected", "message"),
    [
        ("vgg19", (DEPTH,), "vgg19 is a loss network, not a depth network"),
        ("vgg19", (STYLE, DEPTH), "vgg19 is a loss network, not a style network or depth network"),
        ("transformers:x", (STYLE,), "transformers:x is a depth network, not a style network"),
        ("transformers:", (), "names no network"),
        ("", (), "names no network"),
        ("nosuch", (STYLE,), "nosuch: no such file, .* composition_vii, .*woman_with_a_hat_live$"),
        ("nosuch", (DEPTH,), "nosuch: no such file, .* those are fast, hourglass, vgg_head$"),
        ("nosuch.pth", (), "nosuch.pth: no such file$"),
        (None, (), "expected a file, or the name of a network, found None"),
    ],
)
def test_a_name_of_another_kind_or_none_is_refused_unread(
    name: Any, expected: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for reader in ("read_vgg19", "load_transformers_depth"):
        monkeypatch.delattr(loading, reader)
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message) as error:
        load(name, *expected)
    assert "\n" not in str(error.value)


def test_every_kind_says_what_it_is_for() -> None:
    assert {kind.purpose for kind in KINDS.values()} == {STYLE, DEPTH, LOSS}


@pytest.mark.parametrize("command", ["train", "optimize", "evaluate", "depth eval"])
def test_every_command_reads_vgg_once(
    command: str,
    head_file: Path,
    deep_vgg: Path,
    photos: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The loss network, what a depth network reads and the calibration of both share it."""
    vgg = tmp_path / "vgg.safetensors"  # a file of its own, which no other test has read
    vgg.write_bytes(deep_vgg.read_bytes())
    style = tmp_path / "style.safetensors"
    save_transform(style, TransformNet(4), {"style": [{"name": "painting"}]})
    data = tmp_path / "data"
    for kind, mode in (("image", "RGB"), ("depth", "L")):
        (data / kind).mkdir(parents=True)
        picture(0, 64, 48).convert(mode).save(data / kind / "0.png")
    read = []

    def counted(file: Path) -> State:
        read.append(file)
        return load_file(file)

    monkeypatch.setattr(foreign_files, "load_file", counted)
    objective = ["--style", painting, "--style-size", 48, "--depth-network", head_file]
    options = {
        "train": [
            *objective,
            *("--content", photos, "--name", "x", "--run-dir", tmp_path / "run", "--width", 4),
            *("--steps", 1, "--image-size", 48, "--batch-size", 1, "--depth-cache", "off"),
            *("--method", "combined", "--workers", 0),
        ],
        "optimize": [
            *(photos / "0.png", *objective, "--output", tmp_path / "x.png"),
            *("--size", 48, "--steps", 1, "--method", "combined"),
        ],
        "evaluate": [style, "--photos", photos, *objective, "--size", 64],
        "depth eval": [head_file, "--data", f"x={data}", "--size", "48x64", "--pairs", 50],
    }[command]
    status, error = run_here(
        capsys, *command.split(), *options, "--vgg-weights", vgg, "--device", "cpu"
    )
    assert status == 0, error
    assert read == [vgg]
