"""The training loop. It knows neither styles nor depth: a task tells it what is trained."""

import math
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from fststyle.config import LoopConfig
from fststyle.data.loader import Batch
from fststyle.training.distributed import DistributedContext
from fststyle.training.passed_over import IN_A_ROW, PassedOver, named
from fststyle.training.state import TrainingState
from fststyle.utils.device import autocast, keep_freed_memory
from fststyle.utils.nonfinite import MOST_ROLLBACKS, NonFiniteError
from fststyle.utils.schedules import decay
from fststyle.utils.signals import watch_signals
from fststyle.utils.tensorboard import TensorBoardLogger

LEAST_SCALE = 2.0**-10
"""Of the gradient in float16. It begins at 65,536 and halves where that is too much; where this is,
too, no scale will do."""

SECONDS_BAR = "{percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]"
"""Of a progress bar that counts seconds, whose rate says nothing."""


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


class Interrupted(KeyboardInterrupt):
    """The user (Ctrl-C) or the system (SIGTERM) asked for an end; all is saved."""


def train(
    task: Task,
    state: TrainingState,
    batches: Callable[[int], Generator[Batch]],
    config: LoopConfig,
    precision: str,
    context: DistributedContext,
    logger: TensorBoardLogger,
    broken: dict[str, str],
) -> None:
    """Take ``state`` to ``config.steps`` optimizer steps.

    A step whose gradient is not finite changes nothing but its number, as GradScaler has it; its
    photos are named. Where several in a row are such, the run goes back to the last checkpoint.

    Args:
        batches: given the number of samples used up, the batches from there on, without end;
            ``config.accumulate`` of them make a step of this process.
        broken: receives the photos that could not be used, each with the reason.

    Raises:
        Interrupted: after the step in progress, everything saved.
        NonFiniteError: after ``MOST_ROLLBACKS`` attempts; the last good checkpoint stands.
        OSError: the last checkpoint could not be written. Earlier failures are reported and the
            training goes on.
    """
    keep_freed_memory()
    device, wrapped = context.device, context.wrap(state.network)
    network = cast(nn.Module, torch.compile(wrapped)) if config.compile else wrapped
    meter, good, passed_over = Meter(state), state.capture(), PassedOver()
    # Looking at a flag makes the CPU wait for the GPU: there it is done every so many steps.
    look_every = 1 if device.type == "cpu" else 10
    done, total = state.progress(config)
    bar = _bar(config, done, total, show=context.is_main_process)
    clock = time.perf_counter()
    # The processes that read photos are started where signals are watched, and ended with them.
    with bar, watch_signals() as stop, closing(batches(state.samples)) as source:
        while done < total:
            for group in state.optimizer.param_groups:
                group["lr"] = config.lr * decay(done, total, config.lr_decay)
            seed_step(config.seed, context.rank, state.samples)
            bad = torch.zeros((), dtype=torch.bool, device=device)
            buffers = [buffer.clone() for buffer in state.network.buffers()]  # of batch norms
            photos: list[str] = []
            for part in range(config.accumulate):
                started = time.perf_counter()
                batch = next(source)
                meter.waited += time.perf_counter() - started
                broken |= batch.broken
                photos += batch.files
                images, targets = to_device(batch.images, device), batch.targets
                if targets is not None:
                    targets = targets.to(device, non_blocking=True)
                last = part == config.accumulate - 1
                with _local_gradients(wrapped, last), autocast(device, precision):
                    loss, terms = task.loss(network, images, targets, state.step)
                state.scaler.scale(loss / config.accumulate).backward()
                meter.add(loss, terms)
                bad |= ~loss.detach().isfinite()
            state.scaler.unscale_(state.optimizer)
            norm = nn.utils.clip_grad_norm_(
                state.network.parameters(), config.clip_grad or math.inf
            )
            if precision != "fp16":  # where a scale that is too large makes such gradients, too
                bad |= ~norm.isfinite()
            _step(state, norm)
            for buffer, before in zip(state.network.buffers(), buffers, strict=True):
                buffer.copy_(torch.where(bad, before, buffer))
            passed_over.add(bad, photos)
            state.step += 1
            state.samples += config.batch_size
            looks = state.step % look_every == 0
            if config.seconds is None:
                done = state.step
            elif looks:
                # Processes have clocks of their own, and must agree.
                begun, clock = clock, time.perf_counter()
                passed = torch.tensor(clock - begun, device=device)
                done = state.seconds = state.seconds + context.mean(passed).item()
            bar.update(min(done, total) - bar.n)

            ended = done >= total
            save = ended or state.step % config.checkpoint_interval == 0
            validate = ended or state.step % config.picture_interval == 0
            if not (save or validate or looks):
                continue
            for ago, names in passed_over.look(context):
                if context.is_main_process:
                    _report_passed_over(state.step - ago, names)
            hopeless = precision == "fp16" and state.scaler.get_scale() < LEAST_SCALE
            if hopeless or passed_over.in_a_row >= min(IN_A_ROW, config.steps):
                _roll_back(state, good, bar, passed_over.in_a_row)
                meter, passed_over = Meter(state), PassedOver()
                done, _ = state.progress(config)
                bar.n = min(done, total)
                bar.refresh()
                continue
            stopping = context.any(stop.requested)
            if ended or state.step % 10 == 0:
                photos_of = config.batch_size / config.accumulate
                means = meter.report(logger, norm, photos_of, context)
                bar.set_postfix_str(f"step {state.step} {means}" if config.seconds else means)
                meter = Meter(state)
            if context.is_main_process and validate:
                task.validate(state)
            if ended or stopping or (save and passed_over.in_a_row == 0):
                state.rollbacks = 0
                good = state.capture()
                _save(task, state, context, final=ended or stopping)
            if stopping:
                raise Interrupted


def _bar(config: LoopConfig, done: float, total: float, *, show: bool) -> tqdm:
    """Of steps, or of seconds."""
    if config.seconds is None:
        return tqdm(total=int(total), initial=int(done), unit="step", disable=not show)
    return tqdm(total=total, initial=min(done, total), bar_format=SECONDS_BAR, disable=not show)


def seed_step(seed: int, rank: int, samples: int) -> None:
    """Random numbers of a step follow from its number alone, in each process others: nothing of
    them needs to be kept for a resumed run."""
    (value,) = np.random.SeedSequence((seed, rank, samples)).generate_state(1, np.uint64)
    torch.manual_seed(int(value >> np.uint64(1)))


def _step(state: TrainingState, norm: Tensor) -> None:
    """A step of the optimizer, if the gradient is finite."""
    optimizer = state.optimizer
    if state.scaler.is_enabled():
        state.scaler.step(optimizer)  # which looks for itself
        state.scaler.update()
    elif norm.device.type == "cuda":
        # Fused optimizers look on the device, as GradScaler has them do, and nothing waits.
        optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif norm.isfinite():
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def to_device(images: Tensor, device: torch.device) -> Tensor:
    """N×3×H×W uint8 to float in [0,1] on the device, channels last in memory."""
    return images.to(device, non_blocking=True).float().div_(255)


class Meter:
    """Means since the last report; sums and count are the state's, so that they outlive the
    process."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state
        self.count, self.waited, self.started = 0, 0.0, time.perf_counter()

    def add(self, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """One batch's loss and terms; nothing is waited for."""
        sums = self.state.sums
        for name, value in {"loss": loss, **terms}.items():
            value = value.detach()
            sums[name] = sums[name] + value if name in sums else value
        self.state.batches += 1
        self.count += 1

    def report(
        self, logger: TensorBoardLogger, norm: Tensor, photos: float, context: DistributedContext
    ) -> str:
        """Write the means, over all processes, to the board and begin anew; returns them for the
        progress bar.

        ``photos``: in a batch.
        """
        state, seconds = self.state, time.perf_counter() - self.started
        sums = torch.stack([total.float() for total in state.sums.values()])
        values = (context.mean(sums) / state.batches).tolist()
        means = dict(zip(state.sums, values, strict=True))
        state.sums, state.batches = {}, 0
        logger.scalars({f"train/{name}": mean for name, mean in means.items()}, state.step)
        logger.scalars(
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


def _report_passed_over(step: int, photos: Sequence[str]) -> None:
    tqdm.write(
        f"step {step}: the loss or its gradient is not finite, so nothing is learnt from it"
        + named(photos),
        file=sys.stderr,
    )


def _roll_back(state: TrainingState, good, bar, in_a_row: int) -> None:  # type: ignore[no-untyped-def]
    """Back to the last good state, but on with the photos that follow; ``in_a_row`` steps have been
    passed over, 0 where float16's scale ran out."""
    often = f"{in_a_row} steps in a row" if in_a_row else "whatever float16's scale"
    samples, rollbacks, step = state.samples, state.rollbacks + 1, state.step
    seconds = state.seconds
    state.restore(*good)
    state.samples, state.rollbacks, state.seconds = samples, rollbacks, seconds
    if rollbacks > MOST_ROLLBACKS:
        raise NonFiniteError(
            f"the loss or its gradient was not finite near step {step}, {often}, {rollbacks} times"
            f" since step {state.step}{', whose checkpoint stands' * (state.step > 0)}: go on with"
            f" --resume --lr {state.optimizer.param_groups[0]['lr'] / 4:.2g}, or with --clip-grad 1"
            " or --precision fp32; if that does not help, the weights of the losses are too large"
        )
    if not bar.disable:
        tqdm.write(
            f"step {step}: so it was {often}; back to step {state.step}"
            f" ({rollbacks} of at most {MOST_ROLLBACKS} times)",
            file=sys.stderr,
        )


def _save(task: Task, state: TrainingState, context: DistributedContext, final: bool) -> None:
    if not context.is_main_process:
        return
    try:
        task.save(state)
    except OSError as error:
        if final:
            raise
        message = f"step {state.step}: no checkpoint written ({error}); the last one stands"
        tqdm.write(message, file=sys.stderr)
