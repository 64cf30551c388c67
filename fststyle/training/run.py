"""What every training has in common around the loop: settings, run folder, batches, ends."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch.utils.data import Dataset

from fststyle import config as settings
from fststyle.checkpoints.style import STATE
from fststyle.config import RunConfig
from fststyle.data.loader import Batch, SampleNumbers, load_batches
from fststyle.training.distributed import DistributedContext, distributed_context
from fststyle.training.lock import locked
from fststyle.training.loop import Interrupted, Task, train
from fststyle.training.state import TrainingState, load_state
from fststyle.utils.files import atomic_write, check_file, sha256
from fststyle.utils.tensorboard import TensorBoardLogger

MAY_CHANGE = (
    "steps",
    "resume",
    "run_dir",
    "val",
    "vgg_weights",
    "device",
    "precision",
    "lr",
    "clip_grad",
    "compile",
    "workers",
    "checkpoint_interval",
    "picture_interval",
)
"""Settings that a resumed run may be given anew; of files, only where they lie. Precision, rate and
clipping are what helps a run whose loss stopped being finite."""
OUTPUTS = ("{name}.safetensors", "validation.png", "tensorboard")
"""What a run leaves in its folder beside its state."""

Config = TypeVar("Config", bound=RunConfig)
Result = TypeVar("Result")


def launch(
    config: Config,
    saved: Any,
    run: Callable[[Config, Any, DistributedContext], Result],
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
            with own_folder(config, context):
                return run(config, saved, context)
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"{context.device.type} has too little memory: use a smaller --batch-size or"
                f" {smaller}, or --accumulate 2"
            ) from error


def read_settings(
    kind: type[Config], options: Mapping[str, Any], may_change: Sequence[str]
) -> tuple[Config, Any]:
    """(settings, state to go on from or None), out of the options and the run folder.

    A resumed run has the settings it began with; options may change those of ``MAY_CHANGE`` and
    ``may_change``.

    Raises ValueError where a run would be overwritten, or resumed under other settings.
    """
    needed = settings.needed(kind)
    folder = settings.run_folder(options)
    state_file = folder / STATE
    if not options.get("resume"):
        config = settings.from_options(kind, options)
        if state_file.exists():
            raise ValueError(
                f"{folder} holds a run already: add --resume to go on with it, or choose another"
                " --name or --run-dir"
            )
        for name in OUTPUTS:
            file = folder / name.format(name=config.name)
            if file.exists():
                raise ValueError(
                    f"{file} exists already: choose another --name or --run-dir, or add --resume if"
                    " it is from this run, which then begins anew"
                )
        return config, None
    if not state_file.exists():
        if not needed <= options.keys():
            raise FileNotFoundError(f"{state_file}: no such file, so there is no run to resume")
        print(f"{folder} holds no checkpoint yet: starting at step 0", file=sys.stderr)
        return settings.from_options(kind, options), None
    saved = load_state(state_file)
    try:
        before = settings.from_json(kind, saved[1]["settings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{state_file}: damaged, of another kind of training or of another version of fststyle"
            f" ({error}); begin another run, with --init and its network's file"
        ) from error
    now = settings.from_options(kind, {**vars(before), **options})
    for name in settings.changed(before, now, ignore=(*MAY_CHANGE, *may_change)):
        raise ValueError(
            f"--{name.replace('_', '-')} was {getattr(before, name)} when this run began and cannot"
            f" become {getattr(now, name)}: resume without it, or begin another run"
        )
    return now, saved


def begun_with(init: Path | None, saved: Any) -> dict[str, str] | None:
    """What the card says of ``--init``; of a resumed run, what it said before.

    Raises FileNotFoundError or ValueError: there is no such file, or a resumed run did not begin
    with it: its weights are its state's.
    """
    if saved is None:
        if init is None:
            return None
        check_file(init)
        return {"name": init.name, "sha256": sha256(init)}
    before = saved[1].get("init")
    given_anew = init is not None and str(init) != saved[1]["settings"].get("init")
    if given_anew and (before is None or _sha256_of(init) != before["sha256"]):
        began = f"began with {before['name']}" if before else "began with none"
        raise ValueError(
            f"--init {init}: this run {began} and goes on from its own state; resume without"
            " --init, or begin another run"
        )
    return before


def _sha256_of(path: Path | None) -> str | None:
    try:
        return sha256(path) if path else None
    except OSError:
        return None


@contextmanager
def own_folder(config: RunConfig, context: DistributedContext) -> Iterator[None]:
    """The run's folder, made, this run's alone, and cleared of half-written files.

    Raises PermissionError where nothing can be written into it, ValueError where another process
    trains in it.
    """
    config.folder.mkdir(parents=True, exist_ok=True)
    if not os.access(config.folder, os.W_OK):
        raise PermissionError(f"{config.folder}: not writable; choose another --run-dir")
    if not context.is_main_process:
        yield
        return
    with locked(config.folder):
        for stale in config.folder.glob(atomic_write.PATTERN):
            stale.unlink()
        yield


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
    try:
        train(task, state, batches, config, precision, context, logger, broken)
    except Interrupted:
        if context.is_main_process:
            print(
                f"stopped at step {state.step}, saved in {config.folder};"
                f" go on with: {command} --name {config.name} --resume"
                + (f" --run-dir {config.run_dir}" if config.run_dir else "")
            )
        raise
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):  # as its handler of SIGCHLD says it
            raise
        raise OSError(
            "a process that reads photos was ended from outside, most often for lack of memory; go"
            f" on from the last checkpoint, with --workers 0 or fewer than {workers}: {command}"
            f" --name {config.name} --resume"
        ) from error
    finally:
        logger.close()
        if broken:  # other processes have met other photos
            names = "".join(f"\n  {reason}" for _, reason in sorted(broken.items()))
            print(f"{len(broken)} picture(s) passed over:{names}", file=sys.stderr)


def _default_workers(context: DistributedContext) -> int:
    """Decoding takes a small part of a CPU step but many cores beside a GPU."""
    cores = (os.cpu_count() or 1) // context.size
    return max(1, min(8, cores - 1) if context.device.type == "cuda" else min(2, cores // 2))
