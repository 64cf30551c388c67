import json
from pathlib import Path

import pytest
import torch

from fststyle.benchmarks.baselines import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    PlainDescent,
    calibrated_extractor,
)
from fststyle.benchmarks.optimize import WEIGHTS, OurDescent
from fststyle.checkpoints.style import save_transform
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.transform import TransformNet
from tests.conftest import run_here


def test_both_loops_have_one_loss(
    deep_vgg: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_transform(tmp_path / "net.safetensors", TransformNet(4), {})
    options = ("--size", "48x64", "--steps", 20, "--precision", "fp32", "--device", "cpu")
    more = ("--vgg-weights", deep_vgg, "--network", tmp_path / "net.safetensors")
    status, error = run_here(
        capsys, "bench", "optimize", *options, *more, "--json", tmp_path / "figures.json"
    )
    assert status == 0, error
    figures = json.loads((tmp_path / "figures.json").read_text())
    plain, ours = figures["optimize"]
    assert plain["steps"] == ours["steps"] == 20
    assert ours["final loss"] == pytest.approx(ours["unclamped"])
    assert ours["final loss"] < 1.05 * plain["final loss"]
    assert 0 < figures["steps_from_network"] <= 20


def test_the_loss_of_both_loops_is_the_same(deep_vgg: Path) -> None:
    extractor = calibrated_extractor("vgg19", torch.device("cpu"), deep_vgg)
    content, painting, picture = torch.rand(3, 1, 3, 48, 48)
    objective = StyleObjective(extractor, [painting], CONTENT_LAYERS, STYLE_LAYERS, WEIGHTS)
    ours = OurDescent(objective, content, "fp32", 4)
    terms = objective.compare(picture, ours.targets)
    plain = PlainDescent(extractor, content, painting, WEIGHTS, 4)
    torch.testing.assert_close(plain.loss(picture), objective.weighted_sum(terms))
