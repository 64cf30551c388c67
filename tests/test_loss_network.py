"""The small loss network: its training, and what takes it."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import picture, run_command

from fststyle.checkpoint import load_card, load_tensors
from fststyle.loss_network import load_loss_network
from fststyle.networks.vgg import VGG19Features
from fststyle.training.distill import Student, judge, mixture


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        picture(seed, 90, 80).save(folder / f"{seed}.png")
    return folder


def test_widths_are_what_the_weights_say() -> None:
    student = Student((4, 6, 8, 10))
    maps = student.features(torch.rand(1, 3, 32, 32), ["relu1_2", "relu4_4"])
    assert [m.shape for m in maps.values()] == [(1, 4, 32, 32), (1, 10, 4, 4)]
    state = {f"features.{k}": v for k, v in [("0.weight", torch.zeros(4, 2, 3, 3)),
                                             ("0.bias", torch.zeros(4))]}  # fmt: skip
    with pytest.raises(ValueError, match=r"should be \(4, 3, 3, 3\), found \(4, 2, 3, 3\)"):
        VGG19Features(state, ["relu1_1"])


def test_losses_are_sums_over_pictures() -> None:
    """So that each picture's gradient is its own, whatever stands beside it."""
    torch.manual_seed(0)
    student = Student((4, 6, 8, 10)).eval()
    images, others = torch.rand(2, 3, 3, 32, 32)
    with torch.no_grad():
        of = student(others)[0]
    for kind in ("content", "style"):
        image = images.clone().requires_grad_()
        (both,) = torch.autograd.grad(judge(student(image)[0], of, kind), image)
        assert both.abs().amax((1, 2, 3)).min() > 0
        changed = images.clone()
        changed[2] = torch.rand(3, 32, 32)
        changed.requires_grad_()
        (other,) = torch.autograd.grad(judge(student(changed)[0], of, kind), changed)
        torch.testing.assert_close(other[:2], both[:2])
        assert not torch.allclose(other[2], both[2])


def test_mixtures_lie_between_pictures() -> None:
    images = torch.zeros(4, 3, 32, 32)
    images[0] = 1
    mixed = mixture(images, torch.Generator().manual_seed(0))
    assert mixed.shape == images.shape and mixed.min() >= 0 and mixed.max() <= 1
    assert torch.equal(mixed, mixture(images, torch.Generator().manual_seed(0)))
    assert mixed[0].mean() > 0.4 and mixed[2].mean() < 0.3


def test_what_is_no_loss_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="use vgg19, small or NAME.safetensors"):
        load_loss_network("vgg16", None)
    with pytest.raises(FileNotFoundError, match="none.safetensors: no such file"):
        load_loss_network(str(tmp_path / "none.safetensors"), None)
    head = Path(__file__).parents[1] / "checkpoints/depth/hourglass.safetensors"
    with pytest.raises(ValueError, match="holds a 'hourglass', not a loss network"):
        load_loss_network(str(head), None)


@pytest.mark.assets
def test_it_is_trained_resumed_and_used(
    assets: Path, pictures: Path, painting: Path, tmp_path: Path
) -> None:
    given = {"FSTSTYLE_ASSETS": str(assets)}
    options: list[Any] = [
        *("--data", pictures, pictures, "--val", pictures, "--name", "tiny"),
        *("--widths", 4, 6, 8, 10, "--image-size", 64, "--batch-size", 2),
    ]
    for folder, steps in (("whole", (4,)), ("parts", (2, 4))):
        for number, step in enumerate(steps):
            more = ["--resume"] if number else []
            done = run_command(
                *("loss", "train", *options, "--run-dir", tmp_path / folder, "--steps", step),
                *("--lr-decay", 0, *more),
                env=given,
            )
            assert done.returncode == 0, done.stderr
    files = [tmp_path / folder / "tiny.safetensors" for folder in ("whole", "parts")]
    whole, parts = (load_tensors(file)[0] for file in files)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    card = load_card(files[0])
    assert card["figures"].keys() >= {"features", "style cosine", "content cosine"}
    # A style is trained against it, with depth, where no VGG-19 is.
    done = run_command(
        *("train", "--style", painting, "--content", pictures, "--name", "s", "--width", 4),
        *("--run-dir", tmp_path / "s", "--steps", 2, "--image-size", 48, "--batch-size", 2),
        *("--style-size", 48, "--loss-network", files[0], "--depth-cache", "off"),
        env={"FSTSTYLE_ASSETS": ""},
    )
    assert done.returncode == 0, done.stderr
    style = load_card(tmp_path / "s/s.safetensors")
    assert style["loss_network"] == "tiny.safetensors"
    assert style["depth_network"]["kind"] == "hourglass"
    done = run_command(
        *("evaluate", tmp_path / "s/s.safetensors", "--photos", pictures, "--style", painting),
        *("--style-size", 48, "--loss-network", files[0], "--json", tmp_path / "x.json"),
        env={"FSTSTYLE_ASSETS": ""},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "x.json").read_text())["photos"] == 4
