"""``distill`` as users run it, on tiny data."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.files import load_tensors
from fststyle.checkpoints.style import save_transform
from fststyle.networks.transform import TransformNet
from fststyle.training.distill_task import DistillTask
from fststyle.utils.tensors import as_tensor
from tests.conftest import contrasty, interrupting, picture, run_here

Capture = pytest.CaptureFixture[str]
TERMS = ("picture", "strokes", "contrast", "colour")
SEEN = ("style", "content", "painting")
"""Terms of the loss network's."""
CARD = {
    "style": [{"name": "dots.png", "sha256": "0" * 64}],
    "painting": {"title": "Dots", "painter": "Nobody", "year": "1900"},
}


@pytest.fixture(params=[True, False], ids=["mapped", "plain"])
def teacher(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "large.safetensors"
    network = contrasty(mapped=request.param)
    with torch.no_grad():  # milder, since what is black and white alone teaches little
        network.out.conv.weight.div_(8)
    save_transform(file, network, CARD)
    return file


def options(teacher: Path, photos: Path, folder: Path) -> list[Any]:
    settings = {
        "--teacher": teacher,
        "--content": photos,
        "--name": "small",
        "--run-dir": folder,
        "--weight-map": "horizontal",
        "--init": "none",
        "--width": 4,
        "--steps": 8,
        "--image-size": 32,
        "--checkpoint-interval": 3,
        "--picture-interval": 4,
        "--workers": 0,
        "--device": "cpu",
    }
    return [part for setting in settings.items() for part in setting]


def test_a_small_network_learns_from_a_large_one(
    teacher: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    large = load(teacher, STYLE)
    far_off = copy.deepcopy(large.network)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in far_off.parameters():
            parameter.add_(torch.randn_like(parameter) * parameter.abs().mean())
    save_transform(tmp_path / "far_off.safetensors", far_off, {})
    run = options(teacher, photos, tmp_path / "run")
    if large.network.mapped:
        picture(9).save(tmp_path / "painting.png")
        run += ["--style", tmp_path / "painting.png", "--style-size", 32]
    else:
        run += ["--loss-network", "none"]
    begun = ("--init", tmp_path / "far_off.safetensors")
    status, error = run_here(capsys, "distill", *run, *begun, "--steps", 60, "--lr", 1e-3)
    assert status == 0, error
    learnt = load(tmp_path / "run/small.safetensors", STYLE)
    assert (learnt.network.width, learnt.network.mapped) == (4, large.network.mapped)
    # Whose painting it is remains known, and what it was learnt from.
    assert learnt.card["painting"] == CARD["painting"]
    judges = ["painting.png"] if large.network.mapped else []
    assert [style["name"] for style in learnt.card["style"]] == ["dots.png", *judges]
    assert learnt.card["teacher"]["source"] == "large.safetensors"
    assert "depth_network" not in learnt.card
    losses = learnt.card["losses"]
    if large.network.mapped:
        names = {f"{term} map {m}" for term in TERMS + SEEN for m in (0, 1)}
    else:
        names = set(TERMS)
    assert set(losses) == names
    assert (tmp_path / "run/validation.png").is_file()

    photo = as_tensor(picture(1, 32, 32))
    given = [photo, torch.rand(1, 1, 32, 32)][: 1 + large.network.mapped]
    with torch.no_grad():
        wanted = large.network(*given).clamp(0, 1)
        before, after = ((n(*given) - wanted).abs().mean() for n in (far_off, learnt.network))
    assert after < 0.8 * before, (before, after)


@pytest.mark.parametrize("teacher", [True], indirect=True)
def test_it_goes_on_where_it_was(
    teacher: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_here(capsys, "distill", *options(teacher, photos, whole))[0] == 0
    with monkeypatch.context() as patched:
        patched.setattr(DistillTask, "validate", interrupting(DistillTask.validate, 1))
        assert run_here(capsys, "distill", *options(teacher, photos, broken))[0] == 130
    again = ("--resume", "--name", "small", "--run-dir", broken)
    assert run_here(capsys, "distill", *again)[0] == 0
    (one, _), (two, _) = (load_tensors(run / "small.safetensors") for run in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)

    picture(8).save(tmp_path / "painting.png")
    status, error = run_here(capsys, "distill", *again, "--style", tmp_path / "painting.png")
    assert status == 2 and "give that with --style" in error
    other = tmp_path / "other.safetensors"
    save_transform(other, TransformNet(4, mapped=True), CARD)
    status, error = run_here(capsys, "distill", *again, "--steps", 9, "--teacher", other)
    assert status == 2 and "not the one this run began with, large.safetensors" in error


@pytest.mark.parametrize("teacher", [False], indirect=True)
def test_a_teacher_whose_painting_is_only_named_can_be_gone_on_with(
    teacher: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    """As networks of pytorch/examples are."""
    save_transform(teacher, load(teacher, STYLE).network, {"style": [{"name": "candy.pth"}]})
    picture(8).save(tmp_path / "painting.png")
    run = options(teacher, photos, tmp_path / "run")
    status, error = run_here(capsys, "distill", *run, "--style", tmp_path / "painting.png")
    assert status == 0, error
    again = ("--resume", "--name", "small", "--run-dir", tmp_path / "run")
    assert run_here(capsys, "distill", *again)[0] == 0


@pytest.mark.parametrize("teacher", [True], indirect=True)
def test_what_cannot_teach(teacher: Path, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    painting = tmp_path / "painting.png"
    picture(0).save(painting)
    status, error = run_here(capsys, "distill", *options(painting, photos, tmp_path / "run"))
    assert status == 2 and "painting.png" in error
    run = options(teacher, photos, tmp_path / "run")
    status, error = run_here(capsys, "distill", *run, "--style", painting, "--loss-network", "none")
    assert status == 2 and "--loss-network" in error
    missing = options(Path("nobody"), photos, tmp_path / "run")
    status, error = run_here(capsys, "distill", *missing)
    assert status == 2 and "nobody" in error
    assert not list(tmp_path.glob("run/*"))
