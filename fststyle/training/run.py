"""What every training has in common around the loop: processes, logger, batches, ends."""

import os
import shlex
import sys
from collections.abc import Callable, Generator
from typing import TypeVar

import torch
from torch.utils.data import Dataset

from fststyle import config as settings
from fststyle.config import RunConfig
from fststyle.data.loader import Batch, SampleNumbers, load_batches
from fststyle.training.distributed import DistributedContext, distributed_context
from fststyle.training.lock import run_folder
from fststyle.training.loop import Interrupted, Task, train
from fststyle.training.state import SavedState, TrainingState
from fststyle.utils.tensorboard import TensorBoardLogger, table

Config = TypeVar("Config", bound=RunConfig)
Result = TypeVar("Result")


def launch(
    config: Config,
    saved: SavedState | None,
    run: Callable[[Config, SavedState | None, DistributedContext], Result],
    smaller: str,
) -> Result:
    """``run(config, saved, context)`` in the group of processes torchrun started, if any.

    ``smaller``: options that save memory, for the message where it runs out.
    """
    with distributed_context(config.device) as context:
        settings.check(
            config.batch_size % (config.accumulate * context.size) == 0,
            f"--batch-size {config.batch_size} cannot be split evenly over {context.size} processes"
            f" of {config.accumulate} parts each",
        )
        torch.manual_seed(config.seed)
        try:
            with run_folder(config, context):
                return run(config, saved, context)
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"{context.device.type} has too little memory: use a smaller --batch-size or"
                f" {smaller}, or --accumulate 2"
            ) from error


def is_complete(state: TrainingState, config: RunConfig, context: DistributedContext) -> bool:
    """Whether a run has taken all its steps, or time, which is then said."""
    done, total = state.progress(config)
    if done < total:
        return False
    option = "--steps" if config.seconds is None else "--time"
    context.say(f"{config.folder} is complete: to go on, give more {option}")
    return True


def open_logger(
    config: RunConfig, state: TrainingState, context: DistributedContext, *, fresh: bool
) -> TensorBoardLogger:
    """TensorBoard's files of the run, with the settings where it begins; other processes than the
    leading one have a logger that writes nothing."""
    folder = config.folder / "tensorboard" if context.is_main_process else None
    logger = TensorBoardLogger(folder, state.step)
    if fresh:
        logger.text("settings", table(settings.to_json(config)), 0)
    return logger


def train_on(
    samples: Dataset[Batch],
    task: Task,
    state: TrainingState,
    config: RunConfig,
    precision: str,
    context: DistributedContext,
    logger: TensorBoardLogger,
    command: str,
) -> None:
    """The loop on batches of ``samples``; says how to go on where it is interrupted (``command``
    is the one that was given), and what could not be read."""
    workers = config.workers if config.workers is not None else _default_workers(context)

    def batches(start: int) -> Generator[Batch]:
        numbers = SampleNumbers(
            start, config.batch_size, config.accumulate, context.rank, context.size
        )
        return load_batches(samples, numbers, workers, context.device.type == "cuda")

    broken: dict[str, str] = {}
    run_dir = ["--run-dir", str(config.run_dir)] if config.run_dir else []
    again = shlex.join(["--name", config.name, "--resume", *run_dir])
    resume = f"fststyle {command} {again}"
    try:
        train(task, state, batches, config, precision, context, logger, broken)
    except Interrupted:
        if context.is_main_process:
            print(f"stopped at step {state.step}, saved in {config.folder}; go on with: {resume}")
        raise
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):  # as its handler of SIGCHLD says it
            raise
        raise OSError(
            "a process that reads photos was ended from outside, most often for lack of memory; go"
            f" on from the last checkpoint, with --workers 0 or fewer than {workers}: {resume}"
        ) from error
    finally:
        logger.close()
        if broken:  # other processes have met other photos
            names = "".join(f"\n  {reason}" for _, reason in sorted(broken.items()))
            print(f"{len(broken)} picture(s) passed over:{names}", file=sys.stderr)


def _default_workers(context: DistributedContext) -> int:
    """Decoding takes a small part of a CPU step but many cores beside a GPU."""
    cores = (os.cpu_count() or 1) // context.local_size
    return max(1, min(8, cores - 1) if context.device.type == "cuda" else min(2, cores // 2))
