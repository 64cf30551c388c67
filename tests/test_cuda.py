"""What a GPU computes; bodies run on the CPU, too, so that they stay alive where there is none."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch

from fststyle.benchmarks.train import OurStep
from fststyle.checkpoints import STYLE, load
from fststyle.config import LoopConfig
from fststyle.data.loader import Batch
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features
from fststyle.training.distributed import DistributedContext
from fststyle.training.loop import train
from fststyle.training.state import TrainingState
from fststyle.utils.device import DTYPES
from fststyle.utils.tensorboard import TensorBoardLogger
from tests.conftest import run_here

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
LAYERS = ["relu1_2", "relu2_2"]


def objective(
    state: dict[str, torch.Tensor], painting: torch.Tensor, device: str, precision: str
) -> StyleObjective:
    extractor = VGG19Features(state, LAYERS).to(device)
    weights = {"content": 1.0, "style": 2.0}
    made = StyleObjective(extractor, [painting.to(device)], ["relu2_2"], LAYERS, weights)
    extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    return made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_losses_are_float32s(
    device: str, precision: str, vgg_state: dict[str, torch.Tensor]
) -> None:
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def losses(device: str, precision: str) -> dict[str, float]:
        torch.manual_seed(0)
        network = TransformNet(4).to(device)
        step = OurStep(network, objective(vgg_state, images[2:], device, precision), precision)
        step(images[:2].to(device))
        return step.losses(images[:2].to(device))

    tolerance = 1e-3 if precision == "fp32" else 0.03
    assert losses(device, precision) == pytest.approx(losses("cpu", "fp32"), rel=tolerance)


class Styling:
    """A task: a style, and what its losses were."""

    def __init__(self, criterion: StyleObjective) -> None:
        self.criterion, self.losses = criterion, list[float]()

    def loss(
        self, network: Any, images: torch.Tensor, targets: Any, step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        terms = self.criterion(network(images), images)
        loss = self.criterion.weighted_sum(terms)
        self.losses.append(loss.item())
        return loss, terms

    def validate(self, state: TrainingState) -> None:
        pass

    def save(self, state: TrainingState) -> None:
        pass


@pytest.mark.parametrize("device", DEVICES)
def test_float16_trains_as_float32_does(device: str, vgg_state: dict[str, torch.Tensor]) -> None:
    """What ``auto`` takes on GPUs without bfloat16. The painting's Gram sums are beyond float16."""
    random = torch.Generator().manual_seed(0)
    painting = torch.rand(1, 3, 64, 64, generator=random)
    photos = torch.randint(0, 256, (2, 3, 32, 32), generator=random, dtype=torch.uint8)
    # Activations are 4 times as large in all layers, sums of squares 16 times.
    bright = {**vgg_state, "features.0.weight": 4 * vgg_state["features.0.weight"]}

    def batches(start: int) -> Generator[Batch]:
        while True:
            yield Batch(photos.contiguous(memory_format=torch.channels_last), {})

    def losses(precision: str) -> tuple[list[float], float]:
        torch.manual_seed(0)
        network = TransformNet(4).to(device).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(network.parameters(), fused=True)
        scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")
        state = TrainingState(network, optimizer, scaler)
        criterion = objective(bright, painting, device, precision)
        assert max(gram.max() * 64**2 * len(gram[0]) for gram in criterion.grams.values()) > 65504
        criterion.weights = {"content": 4**-2, "style": 4**-4}
        task = Styling(criterion)
        config = LoopConfig(steps=4, batch_size=2)
        context = DistributedContext(0, 1, torch.device(device))
        train(task, state, batches, config, precision, context, TensorBoardLogger(None, 0), {})
        return task.losses, scaler.get_scale()

    (half, scale), (single, _) = losses("fp16"), losses("fp32")
    assert scale == 65536, "no step was passed over"
    assert half == pytest.approx(single, rel=0.01) and half[-1] < half[0]


@pytest.mark.parametrize("device", DEVICES)
def test_a_step_without_a_finite_gradient_changes_nothing(device: str) -> None:
    """On a GPU the optimizer looks for itself, and nothing waits."""

    class Bad(Styling):
        def loss(self, network: Any, images: torch.Tensor, targets: Any, step: int) -> Any:
            error = network(images).square().mean() * (float("inf") if step == 1 else 1.0)
            return error, {}

    def batches(start: int) -> Generator[Batch]:
        while True:
            yield Batch(torch.full((1, 3, 4, 4), 255, dtype=torch.uint8), {})

    network = torch.nn.Conv2d(3, 1, 3).to(device)
    state = TrainingState(
        network,
        torch.optim.Adam(network.parameters(), fused=True),
        torch.amp.GradScaler(device, enabled=False),
    )
    config, context = (
        LoopConfig(steps=3, batch_size=1),
        DistributedContext(0, 1, torch.device(device)),
    )
    train(Bad.__new__(Bad), state, batches, config, "fp32", context, TensorBoardLogger(None, 0), {})
    steps = {float(values["step"]) for values in state.optimizer.state_dict()["state"].values()}
    assert steps == {2.0} and state.step == 3
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["auto", "fp16"])
def test_train_and_resume(
    train_options: list[Any], tmp_path: Path, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*train_options, "--device", "cuda", "--precision", precision]
    assert run_here(capsys, "train", *options, "--steps", 5)[0] == 0
    assert run_here(capsys, "train", *options, "--steps", 8, "--resume")[0] == 0
    model = load(tmp_path / "run" / "tiny.safetensors", STYLE)
    network, card = model.network, model.card
    assert card["step"] == 8
    assert all(parameter.isfinite().all() for parameter in network.parameters())
