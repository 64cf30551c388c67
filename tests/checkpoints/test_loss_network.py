"""The small loss network: its training, and what takes it."""

import json
from pathlib import Path

import pytest
import torch

from fststyle.checkpoints.files import load_card
from fststyle.checkpoints.loading import shipped
from fststyle.losses.build import load_loss_network
from fststyle.networks.vgg import CONVS, TORCHVISION_INDEX, VGG19Features
from fststyle.training.prune_vgg import DEEPEST, LAYERS, criterion, mixture, narrowed, parity
from tests.conftest import ROOT, picture, run_here


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(4):
        picture(seed, 90, 80).save(folder / f"{seed}.png")
    return folder


def random_network(widths: tuple[int, ...]) -> VGG19Features:
    """He initialization keeps activations alive."""
    random = torch.Generator().manual_seed(0)
    state, channels = {}, 3
    for name in CONVS[: CONVS.index(DEEPEST) + 1]:
        width, index = widths[int(name[0]) - 1], TORCHVISION_INDEX[name]
        weight = torch.randn(width, channels, 3, 3, generator=random)
        state[f"features.{index}.weight"] = weight * (2 / (9 * channels)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(width)
        channels = width
    return VGG19Features(state, [f"relu{DEEPEST}"])


def test_widths_are_what_the_weights_say() -> None:
    maps = random_network((4, 6, 8, 10))(torch.rand(1, 3, 32, 32), ["relu1_2", "relu4_4"])
    assert [m.shape for m in maps.values()] == [(1, 4, 32, 32), (1, 10, 4, 4)]
    state = {"features.0.weight": torch.zeros(4, 2, 3, 3), "features.0.bias": torch.zeros(4)}
    with pytest.raises(ValueError, match=r"should be \(4, 3, 3, 3\), found \(4, 2, 3, 3\)"):
        VGG19Features(state, ["relu1_1"])


def test_narrow_networks_point_where_their_teacher_does() -> None:
    widths = (6, 8, 10, 12)
    teacher = random_network(widths)
    images = torch.rand(12, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    same, narrow = (narrowed(teacher, w, images, 6000) for w in (widths, (4, 6, 8, 10)))
    with torch.no_grad():
        for layer in LAYERS:
            torch.testing.assert_close(
                same(images, [layer])[layer], teacher(images, [layer])[layer], rtol=0.02, atol=0.02
            )
    cosines, other = (parity(teacher, s, images) for s in (narrow, random_network((4, 6, 8, 10))))
    assert min(parity(teacher, same, images).values()) > 0.99
    # Random weights leave a network nothing to save in its deeper layers.
    for name, cosine in list(cosines.items())[:4]:
        assert max(0.2, other[name] + 0.1) < cosine < 0.999, name


def test_losses_are_sums_over_pictures() -> None:
    """So that each picture's gradient is its own, whatever stands beside it."""
    network = random_network((4, 6, 8, 10))
    images, others = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        of = network(others, LAYERS)
    for kind in ("content", "style"):
        changed = images.clone()
        changed[2] = images[0]
        both, other = (
            torch.autograd.grad(criterion(network(at, LAYERS), of, "relu2_2", kind), at)[0]
            for at in (images.clone().requires_grad_(), changed.requires_grad_())
        )
        assert both.abs().amax((1, 2, 3)).min() > 0
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
    head = ROOT / "checkpoints/depth/hourglass.safetensors"
    with pytest.raises(ValueError, match="holds a 'hourglass', not a loss network"):
        load_loss_network(str(head), None)


@pytest.mark.assets
def test_it_is_made_and_used(
    assets: Path,
    pictures: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "tiny.safetensors"
    status, error = run_here(
        *(
            capsys,
            "loss",
            "train",
            "--data",
            pictures,
            pictures,
            "--val",
            pictures,
            "--output",
            file,
        ),
        *("--widths", 4, 6, 8, 10, "--image-size", 64, "--pictures", 6, "--samples", 2000),
    )
    assert status == 0, error
    monkeypatch.setenv("FSTSTYLE_ASSETS", "")
    card = load_card(file)
    assert len(card["figures"]) == 8 and str(tmp_path) not in json.dumps(card)
    # A style is trained against it, with depth, where no VGG-19 is.
    status, error = run_here(
        *(capsys, "train", "--style", painting, "--content", pictures, "--name", "s", "--width", 4),
        *("--run-dir", tmp_path / "s", "--steps", 2, "--image-size", 48, "--batch-size", 2),
        *("--style-size", 48, "--loss-network", file, "--depth-cache", "off"),
    )
    assert status == 0, error
    style = load_card(tmp_path / "s/s.safetensors")
    assert style["loss_network"] == "tiny.safetensors"
    assert style["depth_network"]["kind"] == "fast"
    status, error = run_here(
        *(
            capsys,
            "evaluate",
            tmp_path / "s/s.safetensors",
            "--photos",
            pictures,
            "--style",
            painting,
        ),
        *("--style-size", 48, "--loss-network", file, "--json", tmp_path / "x.json"),
    )
    assert status == 0, error
    assert json.loads((tmp_path / "x.json").read_text())["photos"] == 4


def test_the_one_that_ships_optimizes_a_picture(
    pictures: Path, painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shipped()["small"].stat().st_size < 4e6
    status, error = run_here(
        *(
            capsys,
            "optimize",
            pictures / "0.png",
            "--style",
            painting,
            "--output",
            tmp_path / "x.png",
        ),
        *("--steps", 3, "--size", 64, "--loss-network", "small", "--method", "plain"),
    )
    assert status == 0, error
    assert (tmp_path / "x.png").is_file()
