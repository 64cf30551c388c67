import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from fststyle.benchmarks.baselines import WEIGHTS, PlainStep
from fststyle.benchmarks.race import race
from fststyle.benchmarks.timing import median_ratio
from fststyle.benchmarks.train import OurStep
from fststyle.data.photos import PhotoCrops
from fststyle.images.find import find_images
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features
from tests.conftest import picture, run_here


def test_both_steps_have_the_same_losses(
    vgg_state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fststyle.benchmarks.baselines.STYLE_LAYERS", ("relu1_2", "relu2_2"))
    torch.manual_seed(0)
    network, images = TransformNet(4), torch.rand(3, 3, 32, 48)
    extractor = VGG19Features(vgg_state, ["relu2_2"])
    layers = ["relu2_2"], ["relu1_2", "relu2_2"]
    objective = StyleObjective(extractor, [images[2:]], *layers, WEIGHTS)
    steps: tuple[PlainStep, OurStep] = (
        PlainStep(network, extractor, images[2:]),
        OurStep(network, objective, "fp32"),
    )
    for _ in range(2):
        plain, ours = (step.losses(images[:2]) for step in steps)
        assert plain == pytest.approx(ours, rel=1e-3)
        for step in steps:
            step(images[:2])


def test_ratios_are_of_pairs() -> None:
    assert median_ratio([1, 10, 2], [1, 5, 1]) == 2


def test_bench_infer_writes_its_figures(
    traced_once: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    for seed in range(8):
        picture(seed, 70, 64).save(tmp_path / f"{seed}.png")
    options = ["--width", 4, "--size", "64x48", "--repeats", 2, "--json", tmp_path / "x.json"]
    options += ["--precision", "fp32", "int8", "--photos", tmp_path]
    status, error = run_here(capsys, "bench", "infer", *options)
    assert status == 0, error
    result = json.loads((tmp_path / "x.json").read_text())
    # Torch in three ways; each file without a map, with one as input, and given one.
    assert [row["size"] for row in result["infer"]] == ["64x48"] * (3 + 2 * 3)
    for row in result["infer"]:
        assert 0 < row["50 % ms"] <= row["95 % ms"] <= row["99 % ms"]
    assert [row["infer process"] for row in result["processes"]] == ["256x256", "64x48"]
    assert all(row["MB"] > 20 and row["seconds"] > 0 for row in result["processes"])
    assert result["hardware"]["cores"]


@pytest.mark.assets
def test_bench_train_writes_its_figures(
    assets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--image-size", 32, "--batch-size", 1, "--width", 4, "--repeats", 1]
    options += ["--content", assets / "photos/val", "--json", tmp_path / "x.json"]
    status, error = run_here(capsys, "bench", "train", *options)
    assert status == 0, error
    result = json.loads((tmp_path / "x.json").read_text())
    assert [row["step"] for row in result["train"]] == ["plain", "fststyle", "fststyle, small"]
    assert result["photos_read_per_second"] > 0


def test_the_race_goes_to_the_loss_of_the_first(photos: Path) -> None:
    losses = {"slow": 100.0, "fast": 100.0, "stuck": 100.0}

    def step(name: str, factor: float) -> Callable[[torch.Tensor], None]:
        def taken(images: torch.Tensor) -> None:
            assert images.shape == (2, 3, 32, 32) and images.max() <= 1
            losses[name] *= factor

        return taken

    runners = {"slow": step("slow", 0.9), "fast": step("fast", 0.8), "stuck": step("stuck", 1.0)}
    crops = PhotoCrops(find_images(photos), (32, 32), seed=0)
    rows = race(10, runners, losses.__getitem__, crops, 2, torch.device("cpu"))
    assert [(row["training"], row["steps"], row["reached"]) for row in rows] == [
        ("slow", 10, True),
        ("fast", 5, True),  # 0.8⁵ < 0.9¹⁰
        ("stuck", 10, False),
    ]


@pytest.mark.assets
def test_bench_train_races(
    assets: Path, painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--image-size", 32, "--batch-size", 1, "--width", 4, "--repeats", 1, "--race", 2]
    options += ["--content", assets / "photos/val", "--json", tmp_path / "x.json"]
    status, error = run_here(capsys, "bench", "train", *options)
    assert status == 2 and "add --content PHOTOS and --style PAINTING" in error
    status, error = run_here(capsys, "bench", "train", *options, "--style", painting)
    assert status == 0, error
    rows = json.loads((tmp_path / "x.json").read_text())["race"]
    assert [row["training"] for row in rows] == ["plain", "fststyle, adam", "fststyle, muon"]
    assert all(row["seconds"] > 0 and row["loss"] > 0 for row in rows)
