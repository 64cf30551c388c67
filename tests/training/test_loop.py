import json
import re
from collections.abc import Generator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fststyle.config import LoopConfig
from fststyle.data.loader import Batch
from fststyle.training.distributed import DistributedContext
from fststyle.training.loop import seed_step, train
from fststyle.training.settings import MAY_CHANGE
from fststyle.training.state import TrainingState, load_state, save_state
from fststyle.utils.nonfinite import NonFiniteError
from fststyle.utils.schedules import decay
from fststyle.utils.tensorboard import TensorBoardLogger


class Regression:
    """A task with one weight per channel, that fails where it is told to."""

    def __init__(self) -> None:
        self.bad_calls: set[int] = set()
        self.calls = 0
        self.full_disk_at: set[int] = set()
        self.saved: list[int] = []

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self.calls += 1
        error = (network(images) - 1).square().mean()
        if self.calls in self.bad_calls:
            error = error * float("nan")
        return error, {"error": error}

    def validate(self, state: TrainingState) -> None:
        pass

    def save(self, state: TrainingState) -> None:
        if state.step in self.full_disk_at:
            raise OSError("no space left on device")
        self.saved.append(state.step)


def new_state() -> TrainingState:
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, 3)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), 0.01, fused=True)
    return TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))


def batches(start: int) -> Generator[Batch]:
    while True:
        random = torch.Generator().manual_seed(start)
        images = torch.randint(0, 256, (2, 3, 4, 4), generator=random, dtype=torch.uint8)
        yield Batch(images, {}, None, [f"photos/{start}.png", f"photos/{start + 1}.png"])
        start += 2


def run(task: Regression, state: TrainingState, **settings: Any) -> TrainingState:
    config = LoopConfig(**{"steps": 6, "batch_size": 2, "checkpoint_interval": 2, **settings})
    context, logger = DistributedContext(0, 1, torch.device("cpu")), TensorBoardLogger(None, 0)
    train(task, state, batches, config, "fp32", context, logger, {})
    return state


def same(one: TrainingState, two: TrainingState) -> bool:
    (a, x), (b, y) = one.capture(), two.capture()
    return (
        json.dumps(x, sort_keys=True) == json.dumps(y, sort_keys=True)
        and a.keys() == b.keys()
        and all(torch.equal(a[k], b[k]) for k in a)
    )


def test_checkpoints_come_at_their_interval_and_at_the_end() -> None:
    task = Regression()
    run(task, new_state(), steps=5)
    assert task.saved == [2, 4, 5]


def test_a_state_from_a_file_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = run(Regression(), new_state(), lr_decay=0)
    part = run(Regression(), new_state(), steps=4, lr_decay=0)
    save_state(tmp_path / "state", part, {})
    resumed = new_state()
    resumed.restore(*load_state(tmp_path / "state"))
    assert same(run(Regression(), resumed, lr_decay=0), whole)


def test_a_timed_training_ends_by_the_clock_and_goes_on_with_what_is_left() -> None:
    state = run(Regression(), new_state(), time="0.02s", steps=1)  # of which time makes nothing
    assert state.seconds >= 0.02 and state.step > 0
    resumed = new_state()
    resumed.restore(*state.capture())
    run(Regression(), resumed, time="0.02s")
    assert (resumed.step, resumed.seconds) == (state.step, state.seconds)
    run(Regression(), resumed, time=f"{2 * state.seconds}s")
    assert resumed.step > state.step


def test_a_nan_is_passed_over_and_its_photos_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As if the step had not been; in the middle of accumulating, too."""
    task = Regression()
    task.bad_calls = {4}
    state = run(task, new_state(), lr_decay=0)
    assert state.step == 6 and task.calls == 6 and state.rollbacks == 0
    expected = "step 4: the loss or its gradient is not finite, so nothing is learnt from it; its"
    assert f"{expected} photos: 6.png, 7.png" in capsys.readouterr().err

    def without_the_fourth(start: int) -> Generator[Batch]:
        yield from (batch for k, batch in enumerate(islice(batches(start), 6)) if k != 3)

    other = new_state()
    config = LoopConfig(steps=5, batch_size=2, lr_decay=0)
    context = DistributedContext(0, 1, torch.device("cpu"))
    train(
        Regression(),
        other,
        without_the_fourth,
        config,
        "fp32",
        context,
        TensorBoardLogger(None, 0),
        {},
    )
    for one, two in zip(state.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(one, two)
    task = Regression()
    task.bad_calls = {3}  # the first part of step 2
    assert run(task, new_state(), steps=3, batch_size=4, accumulate=2).step == 3
    assert "step 2: the loss" in capsys.readouterr().err


def test_several_in_a_row_take_the_run_back_and_on_with_other_photos() -> None:
    task = Regression()
    task.bad_calls = {4, 5, 6, 7, 8}  # the last good state is that of step 3
    state = run(task, new_state(), steps=12, checkpoint_interval=3)
    assert state.step == 12 and task.calls == 17
    assert state.samples == 2 * task.calls, "the photos that led to it are not taken again"
    assert all(p.isfinite().all() for p in state.network.parameters())


def test_a_nan_that_stays_ends_with_advice_that_can_be_followed() -> None:
    task, state = Regression(), new_state()
    task.bad_calls = set(range(3, 100))
    with pytest.raises(NonFiniteError, match="since step 2, whose checkpoint stands: go on") as end:
        run(task, state, steps=20)
    advised = {name.replace("-", "_") for name in re.findall(r"--([\w-]+)", str(end.value))}
    assert {"resume", "lr", "clip_grad", "precision"} == advised <= set(MAY_CHANGE)
    assert state.step == 2 and all(p.isfinite().all() for p in state.network.parameters())


def test_rollbacks_are_forgotten_once_a_checkpoint_is_reached() -> None:
    task = Regression()
    # Three times in a row after step 1, and three times after step 3; four would be too much.
    task.bad_calls = {*range(2, 17), *range(20, 35)}
    assert run(task, new_state(), steps=6, checkpoint_interval=3).rollbacks == 0


def test_losses_since_the_last_report_outlive_the_process(tmp_path: Path) -> None:
    class Reported(TensorBoardLogger):
        def scalars(self, values: Mapping[str, float], step: int) -> None:
            if "train/loss" in values:
                found[step] = values["train/loss"]

    def part(state: TrainingState, steps: int) -> TrainingState:
        config = LoopConfig(steps=steps, batch_size=2, checkpoint_interval=2, lr_decay=0)
        context = DistributedContext(0, 1, torch.device("cpu"))
        train(*(Regression(), state, batches, config, "fp32", context), Reported(None, 0), {})
        return state

    found: dict[int, float] = {}
    part(new_state(), 20)
    whole, found = found, {}
    task, state = Regression(), new_state()
    state.step = 0
    config = LoopConfig(steps=20, batch_size=2, checkpoint_interval=2, lr_decay=0)
    kept: list[int] = []

    def save(now: TrainingState) -> None:
        save_state(tmp_path / "state", now, {})
        kept.append(now.step)
        if now.step == 14:
            raise KeyboardInterrupt

    task.save = save  # type: ignore[method-assign,assignment]
    context = DistributedContext(0, 1, torch.device("cpu"))
    with pytest.raises(KeyboardInterrupt):
        train(task, state, batches, config, "fp32", context, Reported(None, 0), {})
    resumed = new_state()
    resumed.restore(*load_state(tmp_path / "state"))
    assert kept[-1] == resumed.step == 14
    part(resumed, 20)
    assert found == whole and whole.keys() == {10, 20}


def test_random_numbers_follow_from_the_step() -> None:
    def drawn(*step: int) -> list[float]:
        seed_step(*step)
        return torch.rand(3).tolist()

    assert drawn(1, 0, 8) == drawn(1, 0, 8)
    others = [drawn(2, 0, 8), drawn(1, 1, 8), drawn(1, 0, 12)]
    assert drawn(1, 0, 8) not in others and len({*map(tuple, others)}) == 3


def test_a_full_disk_in_between_does_not_end_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    task = Regression()
    task.full_disk_at = {2}
    run(task, new_state())
    assert task.saved == [4, 6]
    assert "no checkpoint written (no space left on device)" in capsys.readouterr().err
    task.full_disk_at = {6}
    with pytest.raises(OSError, match="no space left"):
        run(task, new_state())


def test_accumulated_parts_make_the_same_step() -> None:
    def parts(count: int) -> list[Tensor]:
        def source(start: int) -> Generator[Batch]:
            while True:
                random = torch.Generator().manual_seed(start)
                images = torch.randint(0, 256, (4, 3, 4, 4), generator=random, dtype=torch.uint8)
                for part in images.chunk(count):
                    yield Batch(part, {})
                start += 4

        state = new_state()
        config = LoopConfig(steps=3, batch_size=4, accumulate=count)
        context = DistributedContext(0, 1, torch.device("cpu"))
        train(Regression(), state, source, config, "fp32", context, TensorBoardLogger(None, 0), {})
        return list(state.network.parameters())

    torch.testing.assert_close(parts(2), parts(1))


def test_gradients_are_clipped_when_asked() -> None:
    state = new_state()
    state.optimizer = torch.optim.SGD(state.network.parameters())
    before = [p.detach().clone() for p in state.network.parameters()]
    run(Regression(), state, steps=1, lr=1.0, lr_decay=0, clip_grad=0.001)
    translate = torch.stack(
        [(p - b).norm() for p, b in zip(state.network.parameters(), before, strict=True)]
    ).norm()
    assert translate.item() == pytest.approx(0.001, rel=1e-3)


def test_the_learning_rate_falls_over_the_last_part() -> None:
    assert [decay(step, 10, 0.5) for step in (0, 5, 6, 9)] == [1, 1, 0.8, 0.2]
    assert decay(9, 10, 0.0) == 1


def test_tensorboard_that_cannot_write_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    logger = TensorBoardLogger(tmp_path / "file" / "tensorboard", 0)
    logger.scalars({"x": 1.0}, 1)
    logger.close()
    assert capsys.readouterr().err.count("going on without it") == 1


def test_a_step_that_is_passed_over_leaves_what_batch_norms_have_seen() -> None:
    class Unbounded(Regression):
        def loss(
            self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
        ) -> tuple[Tensor, dict[str, Tensor]]:
            bad = self.calls + 1 in self.bad_calls
            return super().loss(network, images * torch.inf if bad else images, targets, step)

    norms = []
    for steps, bad in ((1, set[int]()), (2, {2})):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        optimizer = torch.optim.Adam(network.parameters(), 0.01, fused=True)
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        task = Unbounded()
        task.bad_calls = bad
        run(task, TrainingState(network, optimizer, scaler), steps=steps)
        norms.append(dict(network.named_buffers()))
    assert norms[0].keys() == norms[1].keys() and len(norms[0]) == 3
    assert all(torch.equal(norms[0][name], norms[1][name]) for name in norms[0])
