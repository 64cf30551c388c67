"""The training loop. It knows neither styles nor depth: a task tells it what is trained."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from fststyle.config import LoopConfig
from fststyle.data.photos import Batch
from fststyle.runtime.signals import watch_signals
from fststyle.training.board import Board
from fststyle.training.device import autocast, keep_freed_memory
from fststyle.training.distributed import World
from fststyle.training.state import TrainingState

MOST_ROLLBACKS = 3
"""How often in a row, with no checkpoint reached in between, a run is taken back."""


class Task(Protocol):
    """What is trained."""

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """(weighted sum, unweighted terms) for N×3×H×W images in [0,1] on the device, and what
        their batch holds of targets."""

    def validate(self, state: TrainingState) -> None:
        """Measure and draw; only the leading process is asked."""

    def save(self, state: TrainingState) -> None:
        """Write the checkpoint; only the leading process is asked. OSError if that fails."""


class NonFiniteError(ValueError):
    """The loss or a gradient stopped being a finite number, and going back did not help."""


class Interrupted(KeyboardInterrupt):
    """The user (Ctrl-C) or the system (SIGTERM) asked for an end; all is saved."""


def train(
    task: Task,
    state: TrainingState,
    batches: Callable[[int], Iterator[Batch]],
    config: LoopConfig,
    precision: str,
    world: World,
    board: Board,
    broken: dict[str, str],
) -> None:
    """Take ``state`` to ``config.steps`` optimizer steps.

    Args:
        batches: given the number of samples used up, the batches from there on, without end;
            ``config.accumulate`` of them make a step of this process.
        broken: receives the photos that could not be decoded, each with the reason.

    Raises:
        Interrupted: after the step in progress, everything saved.
        NonFiniteError: after ``MOST_ROLLBACKS`` attempts; the last good checkpoint stands.
        OSError: the last checkpoint could not be written. Earlier failures are reported and the
            training goes on.
    """
    keep_freed_memory()
    device, network = world.device, world.wrap(state.network)
    if config.compile:
        network = torch.compile(network)  # type: ignore[assignment]
    meter, good = Meter(), state.capture()
    # Looking at a flag makes the CPU wait for the GPU: there it is done every so many steps.
    look_every = 1 if device.type == "cpu" else 10
    failed = torch.zeros((), dtype=torch.bool, device=device)
    source = batches(state.samples)
    bar = tqdm(total=config.steps, initial=state.step, unit="step", disable=not world.leads)
    with bar, watch_signals() as stop:
        while state.step < config.steps:
            for group in state.optimizer.param_groups:
                group["lr"] = config.lr * decay(state.step, config.steps, config.lr_decay)
            for part in range(config.accumulate):
                started = time.perf_counter()
                batch = next(source)
                meter.waited += time.perf_counter() - started
                broken |= batch.broken
                images, targets = to_device(batch.images, device), batch.targets
                if targets is not None:
                    targets = targets.to(device, non_blocking=True)
                last = part == config.accumulate - 1
                with _local_gradients(network, last), autocast(device, precision):
                    loss, terms = task.loss(network, images, targets, state.step)
                state.scaler.scale(loss / config.accumulate).backward()
                meter.add(loss, terms)
                failed |= ~loss.detach().isfinite()
            state.scaler.unscale_(state.optimizer)
            norm = nn.utils.clip_grad_norm_(
                state.network.parameters(), config.clip_grad or math.inf, foreach=True
            )
            if precision != "fp16":  # whose scaler passes over such steps and scales down
                failed |= ~norm.isfinite()
            state.scaler.step(state.optimizer)
            state.scaler.update()
            state.optimizer.zero_grad(set_to_none=True)
            state.step += 1
            state.samples += config.batch_size
            bar.update()

            ended = state.step == config.steps
            save = ended or state.step % config.checkpoint_interval == 0
            validate = ended or state.step % config.picture_interval == 0
            if not (save or validate or state.step % look_every == 0):
                continue
            if world.any(failed):
                _roll_back(state, good, bar)
                failed.zero_()
                meter = Meter()
                continue
            stopping = world.any(torch.tensor(stop.requested))
            report = ended or state.step % 10 == 0
            if report:
                photos = config.batch_size / config.accumulate
                bar.set_postfix_str(meter.report(board, state, norm, photos))
            if world.leads and validate:
                task.validate(state)
            if save or stopping:
                state.rollbacks = 0
                good = state.capture()
                _save(task, state, world, final=ended or stopping)
            if stopping:
                raise Interrupted
            if report:
                meter = Meter()


def decay(step: int, steps: int, part: float) -> float:
    """Factor on the learning rate: 1, then falling evenly to 0 over the last ``part`` of steps."""
    return min(1.0, (steps - step) / (part * steps)) if part > 0 else 1.0


def to_device(images: Tensor, device: torch.device) -> Tensor:
    """N×3×H×W uint8 to float in [0,1] on the device, channels last in memory."""
    return images.to(device, non_blocking=True).float().div_(255)


class Meter:
    """Means since the last report."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count, self.waited, self.started = 0, 0.0, time.perf_counter()

    def add(self, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """One batch's loss and terms; nothing is waited for."""
        for name, value in {"loss": loss, **terms}.items():
            value = value.detach()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.count += 1

    def report(self, board: Board, state: TrainingState, norm: Tensor, photos: float) -> str:
        """Write the means to the board; returns them for the progress bar. ``photos``: a batch."""
        seconds = time.perf_counter() - self.started
        means = {name: total.item() / self.count for name, total in self.sums.items()}
        board.scalars({f"train/{name}": mean for name, mean in means.items()}, state.step)
        board.scalars(
            {
                "train/gradient_norm": norm.item(),
                "train/learning_rate": state.optimizer.param_groups[0]["lr"],
                "speed/photos_per_second": self.count * photos / seconds,
                "speed/waiting_for_photos": self.waited / seconds,
            },
            state.step,
        )
        return " ".join(f"{name} {mean:.3g}" for name, mean in means.items())


def _local_gradients(network: nn.Module, last: bool):  # type: ignore[no-untyped-def]
    """Only the last part of an accumulated step exchanges gradients."""
    if isinstance(network, DistributedDataParallel) and not last:
        return network.no_sync()
    return nullcontext()


def _roll_back(state: TrainingState, good, bar) -> None:  # type: ignore[no-untyped-def]
    """Back to the last good state, but on with the photos that follow."""
    samples, rollbacks, step = state.samples, state.rollbacks + 1, state.step
    state.restore(*good)
    state.samples, state.rollbacks = samples, rollbacks
    if rollbacks > MOST_ROLLBACKS:
        raise NonFiniteError(
            f"the loss or a gradient was not finite near step {step}, {rollbacks} times since step"
            f" {state.step}, whose checkpoint stands: try a lower --lr, --clip-grad 1 or"
            " --precision fp32, then --resume"
        )
    bar.n = state.step
    bar.refresh()
    tqdm.write(
        f"step {step}: the loss or a gradient is not finite; back to step {state.step}"
        f" ({rollbacks} of at most {MOST_ROLLBACKS} times)",
        file=sys.stderr,
    )


def _save(task: Task, state: TrainingState, world: World, final: bool) -> None:
    if not world.leads:
        return
    try:
        task.save(state)
    except OSError as error:
        if final:
            raise
        message = f"step {state.step}: no checkpoint written ({error}); the last one stands"
        tqdm.write(message, file=sys.stderr)
