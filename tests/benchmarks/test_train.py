import json
from pathlib import Path

import pytest
import torch

from fststyle.benchmarks.baselines import WEIGHTS, PlainStep
from fststyle.benchmarks.timing import median_ratio
from fststyle.benchmarks.train import OurStep
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
    assert [row["size"] for row in result["infer"]] == ["64x48"] * 5
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
