"""What only a CUDA device can show."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import run_command

from fststyle.benchmark import OurStep
from fststyle.checkpoint import load_transform
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_losses_are_the_cpus(
    precision: str, vgg_state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fststyle.benchmark.STYLE_LAYERS", ("relu1_2", "relu2_2"))
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def losses(device: str, precision: str) -> dict[str, float]:
        torch.manual_seed(0)
        network = TransformNet(4).to(device)
        extractor = VGG19Features(vgg_state, ["relu2_2"]).to(device)
        step = OurStep(network, extractor, images[2:].to(device), precision)
        step(images[:2].to(device))
        return step.losses(images[:2].to(device))

    tolerance = 1e-3 if precision == "fp32" else 0.03
    assert losses("cuda", precision) == pytest.approx(losses("cpu", "fp32"), rel=tolerance)


@pytest.mark.parametrize("precision", ["auto", "fp16"])
def test_train_and_resume(train_options: list[Any], tmp_path: Path, precision: str) -> None:
    options = [*train_options, "--device", "cuda", "--precision", precision]
    done = run_command("train", *options, "--steps", 5)
    assert done.returncode == 0, done.stderr
    done = run_command("train", *options, "--steps", 8, "--resume")
    assert done.returncode == 0, done.stderr
    network, card = load_transform(tmp_path / "run" / "tiny.safetensors")
    assert card["step"] == 8
    assert all(parameter.isfinite().all() for parameter in network.parameters())
