"""Trainings that are killed at any moment and go on exactly."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import torch

from fststyle.benchmarks.robustness.children import Order, Server, last_line
from fststyle.benchmarks.robustness.seeds import tiny_training
from fststyle.checkpoints.files import load_tensors
from fststyle.config import BenchRobustnessConfig
from fststyle.utils.files import atomic_write

STEPS, INTERVAL = 24, 2
"""Of a training, and between its checkpoints: two files are written at each."""
IN_WRITES = 0.4
"""Part of the kills that is aimed at moments at which a file is half written."""
AGAIN = 0.25
"""Part of the resumed trainings that is killed, too."""
ATTEMPTS = 10
FILES = ("tiny.safetensors", "state.safetensors")


class Reference(NamedTuple):
    """A training that ran to its end: its folder, the seconds it took and the files it wrote."""

    folder: Path
    seconds: float
    writes: int


class Kill(NamedTuple):
    """What became of one training.

    Attributes:
        times: how often it was killed; ``in_write``: how often with a file half written.
        resumed: what ``--resume`` ended in; "exactly" where its files are those of the training
            that was not killed.
    """

    times: int
    in_write: int
    resumed: str


def train_once(server: Server, photos: Path, painting: Path, folder: Path) -> Reference:
    """The training that the others are compared with. Raises ValueError where it fails."""
    folder.mkdir()
    run, log = folder / "run", folder / "log.txt"
    end = server.run(Order(_options(photos, painting, run), str(log), 600, 1e6))
    if end.how != "exit" or end.status:
        raise ValueError(f"train fails on whole files: {last_line(log.read_text())}")
    # Of every checkpoint its two files; of every validation its picture.
    return Reference(run, end.seconds, 2 * STEPS // INTERVAL + STEPS // (4 * INTERVAL))


def _options(photos: Path, painting: Path, run: Path) -> list[str]:
    intervals = ("--checkpoint-interval", INTERVAL, "--picture-interval", 4 * INTERVAL)
    options = tiny_training(photos, painting, run, "--steps", STEPS, *intervals)
    return [str(option) for option in options]


def kill_and_resume(
    server: Server,
    whole: Reference,
    photos: Path,
    painting: Path,
    folder: Path,
    number: int,
    config: BenchRobustnessConfig,
) -> Kill:
    """Kill training ``number`` at a moment by the seed, perhaps its continuation, too; let it end,
    and compare. One that ends before its moment is begun anew."""
    draw = random.Random(f"{config.seed}/kill/{number}")
    for attempt in range(ATTEMPTS):
        run = folder / str(attempt)
        options = [*_options(photos, painting, run), "--workers", str(draw.randint(0, 1))]
        order = Order(options, str(folder / "log.txt"), config.seconds, config.megabytes)
        kill = _kill(server, whole, order, run, draw)
        if kill.times:
            return kill
    raise ValueError(f"{ATTEMPTS} trainings in a row ended before they were killed")


def _kill(server: Server, whole: Reference, order: Order, run: Path, draw: random.Random) -> Kill:
    run.parent.mkdir(exist_ok=True)
    times = in_write = 0
    kills = 2 if draw.random() < AGAIN else 1
    while True:
        end = server.run(_killed(order, draw, whole, run) if times < kills else order)
        if end.how != "killed":
            break
        times += 1
        in_write += any(run.glob(atomic_write.PATTERN))
        if not _is_absent_or_whole(run):
            return Kill(times, in_write, "half file")
        if "--resume" not in order.arguments:
            order = order._replace(arguments=[*order.arguments, "--resume"])
    if end.how != "exit":
        return Kill(times, in_write, end.how)
    if end.status:
        text = Path(order.log).read_text()
        return Kill(times, in_write, "traceback" if "Traceback" in text else "message")
    if any(run.glob(atomic_write.PATTERN)):
        return Kill(times, in_write, "half file")
    return Kill(times, in_write, "exactly" if same_runs(run, whole.folder) else "otherwise")


def _killed(order: Order, draw: random.Random, whole: Reference, run: Path) -> Order:
    if draw.random() < IN_WRITES:
        write = draw.randint(1, whole.writes)
        return order._replace(kill_in_write=write, folder=str(run))
    return order._replace(kill_after=draw.uniform(0, whole.seconds))


def _is_absent_or_whole(run: Path) -> bool:
    try:
        for name in FILES:
            if (run / name).exists():
                load_tensors(run / name)
    except ValueError:
        return False
    return True


def same_runs(one: Path, two: Path) -> bool:
    """Whether two trainings left the same networks, states and figures, bit for bit."""
    for name in FILES:
        (a, x), (b, y) = load_tensors(one / name), load_tensors(two / name)
        if _comparable(x) != _comparable(y) or a.keys() != b.keys():
            return False
        if not all(torch.equal(a[key], b[key]) for key in a):
            return False
    return True


def _comparable(card: dict[str, Any]) -> dict[str, Any]:
    """A card without what says where a run lay and how it was started."""
    of_the_start = ("run_dir", "resume", "workers")
    settings = {name: v for name, v in card["settings"].items() if name not in of_the_start}
    return {**card, "settings": settings}
