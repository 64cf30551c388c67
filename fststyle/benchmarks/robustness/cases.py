"""Damaged files, the commands that are given them, and what these leave behind."""

import io
import json
import random
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import onnx
from PIL import Image
from safetensors import SafetensorError, safe_open

from fststyle.benchmarks.robustness.children import End, Order, Server, last_line
from fststyle.benchmarks.robustness.mutations import Damage, damage, damage_card
from fststyle.benchmarks.robustness.seeds import (
    drawing,
    tiny_training,
    write_clips,
    write_pictures,
    write_pytorch_examples,
)
from fststyle.config import BenchRobustnessConfig
from fststyle.utils.files import atomic_write
from fststyle.utils.pretrained import CHECKPOINTS

OUTCOMES = (
    *("ended well", "message", "unclear message", "traceback", "signal", "half file", "hang"),
    "memory",
)
"""How a command ends: with exit status 0 and all its files; with 1 or 2, the input's name in what
it says; without that name; with a Python traceback; by a signal; with a file that is not whole, or
none; not within the time, or not within the memory that it is given. Only the first two are
right."""
RIGHT = OUTCOMES[:2]


class Row(NamedTuple):
    """A command and a kind of files that it is given; ``share``: of 100 inputs."""

    command: str
    kind: str
    share: int


PLAN = (
    Row("infer", "picture", 27),
    Row("infer", "video", 18),
    Row("infer", "onnx", 13),
    Row("infer --list", "onnx card", 4),
    Row("train --init", "checkpoint", 7),
    Row("train --init", "card", 4),
    Row("train", "picture", 5),
    Row("train --resume", "state", 4),
    Row("export", "checkpoint", 5),
    Row("export", "card", 3),
    Row("evaluate", "picture", 4),
    Row("evaluate", "video", 3),
    Row("evaluate", "checkpoint", 2),
    Row("evaluate", "card", 1),
)


@dataclass(frozen=True)
class Seeds:
    """Well-formed files.

    Attributes:
        of: by kind, those that are damaged.
        photos: a folder of three photos; ``painting``: a file.
        model: an exported network; ``network``: the checkpoint of it, in ``run``, the folder of its
            training.
    """

    of: Mapping[str, Sequence[Path]]
    photos: Path
    painting: Path
    model: Path
    network: Path
    run: Path


class Result(NamedTuple):
    """How a case ended; ``last_line``: the last it wrote."""

    number: int
    row: Row
    seed: str
    damage: str
    outcome: str
    last_line: str
    megabytes: float
    seconds: float


def make_seeds(server: Server, folder: Path, kinds: Collection[str]) -> Seeds:
    """Draw, train and export what is damaged, as far as ``kinds`` need it. Raises ValueError
    where a command fails on what is not damaged."""
    photos, painting, run = folder / "photos", folder / "painting.png", folder / "run"
    photos.mkdir(parents=True)
    for number in range(3):
        drawing(number).save(photos / f"{number}.png")
    drawing(9).save(painting)
    _run_or_raise(server, folder, _train(photos, painting, run))
    model, network = CHECKPOINTS / "styles" / "starry_night_live.onnx", run / "tiny.safetensors"
    models = [model]
    if "onnx" in kinds:
        for name, options in (("float", []), ("half", ["--uint8", "--fp16"])):
            models.append(folder / f"{name}.onnx")
            _run_or_raise(server, folder, ["export", network, "--output", models[-1], *options])
    of = {
        "picture": write_pictures(folder / "pictures"),
        "video": write_clips(folder / "clips") if "video" in kinds else [],
        "onnx": models,
        "onnx card": [model],
        "checkpoint": [network, network, *write_pytorch_examples(folder / "examples")],
        "card": [network],
        "state": [run / "state.safetensors"],
    }
    return Seeds(of, photos, painting, model, network, run)


def _run_or_raise(server: Server, folder: Path, arguments: Sequence[object]) -> None:
    log = folder / "log.txt"
    end = server.run(Order([str(a) for a in arguments], str(log), 600, 1e6))
    if end.how != "exit" or end.status:
        raise ValueError(f"{arguments[0]} fails on whole files: {last_line(log.read_text())}")


def _train(photos: Path, painting: Path, run: Path, *more: object) -> list[object]:
    return tiny_training(photos, painting, run, "--steps", 1, "--workers", 0, *more)


def plan(config: BenchRobustnessConfig) -> dict[int, Row]:
    """The row of every input, by its number, in an order by the seed; the rows' shares hold in
    every hundred."""
    rows = [row for row in PLAN for _ in range(row.share)]
    random.Random(config.seed).shuffle(rows)
    planned = {number: rows[number % len(rows)] for number in range(config.inputs)}
    if not config.only:
        return planned
    return {n: row for n, row in planned.items() if {row.command, row.kind} & {*config.only}}


def damaged(seeds: Seeds, row: Row, number: int, seed: int) -> tuple[Path, Damage]:
    """(the file that was whole, what became of it) for the input ``number`` of a run."""
    draw = random.Random(f"{seed}/{number}")
    files = seeds.of[row.kind]
    file = draw.choice(files)
    data = file.read_bytes()
    if row.kind in ("card", "onnx card"):
        return file, damage_card(file.name, data, draw)
    return file, damage(file.name, data, draw, [other.read_bytes() for other in files])


def run_case(
    server: Server, seeds: Seeds, row: Row, number: int, folder: Path, config: BenchRobustnessConfig
) -> Result:
    """Damage a file in ``folder``, which is made, run the command on it and classify its end."""
    file, made = damaged(seeds, row, number, config.seed)
    folder.mkdir()
    damaged_file, out = folder / f"given_{file.name}", folder / "out"
    damaged_file.write_bytes(made.data)
    arguments = [str(argument) for argument in _arguments(seeds, row, number, damaged_file, out)]
    (folder / "command.txt").write_text(json.dumps(arguments))
    log = folder / "log.txt"
    end = server.run(Order(arguments, str(log), config.seconds, config.megabytes))
    output = log.read_text(errors="replace")
    if row.kind == "state" and end.status:  # what was given stands where results would
        (out / "state.safetensors").unlink()
    return Result(
        *(number, row, file.name, made.done, outcome(end, output, damaged_file.name, out)),
        *(last_line(output), end.megabytes, end.seconds),
    )


def _arguments(
    seeds: Seeds, row: Row, number: int, damaged_file: Path, out: Path
) -> Sequence[object]:
    """The command for one damaged file; what else it needs is laid beside that."""
    if row.command == "infer":
        if row.kind == "onnx":
            return ["infer", damaged_file, seeds.photos / "0.png", "--output", out]
        return ["infer", seeds.model, damaged_file, "--output", out]
    if row.command == "infer --list":
        return ["infer", "--list", damaged_file]
    if row.command == "export":
        return ["export", damaged_file, "--output", out / "made.onnx"]
    if row.command == "train --init":
        return _train(seeds.photos, seeds.painting, out, "--init", damaged_file)
    if row.command == "train --resume":
        shutil.copytree(seeds.run, out)
        shutil.copy(damaged_file, out / "state.safetensors")
        return ["train", "--resume", "--name", "tiny", "--run-dir", out, "--steps", 2]
    if row.command == "train":
        if number % 2:
            return _train(seeds.photos, damaged_file, out)
        return _train(_among_photos(seeds, damaged_file), seeds.painting, out)
    result = ("--loss-network", "small", "--device", "cpu", "--size", 64, "--json", out / "f.json")
    if row.kind == "video":
        return ["evaluate", seeds.network, "--videos", damaged_file, "--frames", 4, *result]
    if row.kind == "picture":
        photos = _among_photos(seeds, damaged_file)
        return ["evaluate", seeds.network, "--photos", photos, *result]
    style = ("--style", seeds.painting)
    return ["evaluate", damaged_file, "--photos", seeds.photos, *style, *result]


def _among_photos(seeds: Seeds, damaged_file: Path) -> Path:
    """A folder with whole photos and the damaged one, which is moved there."""
    photos = damaged_file.parent / "photos"
    shutil.copytree(seeds.photos, photos)
    damaged_file.replace(photos / damaged_file.name)
    return photos


def outcome(end: End, output: str, name: str, out: Path) -> str:
    """One of ``OUTCOMES``; ``name``: of the damaged file, ``out``: where files were to
    be written."""
    if end.how in ("hang", "memory", "signal"):
        return end.how
    if "Traceback (most recent call last)" in output:
        return "traceback"
    files = [file for file in out.rglob("*") if file.is_file()]
    if any(file.match(atomic_write.PATTERN) or not is_whole(file) for file in files):
        return "half file"
    if end.status == 0:
        return "ended well"
    named = Path(name).stem in output or "out/state.safetensors" in output
    return "message" if named and end.status in (1, 2) else "unclear message"


def is_whole(file: Path) -> bool:
    """Whether a file that a command wrote can be read to its end."""
    check = _CHECKS.get(file.suffix.lower())
    try:
        if check:
            check(file)
    except (OSError, ValueError, SyntaxError, SafetensorError, av.error.FFmpegError):
        return False
    except Exception:  # protobuf's and ONNX's own
        return False
    return True


def _read_picture(file: Path) -> None:
    with Image.open(io.BytesIO(file.read_bytes())) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()


def _read_video(file: Path) -> None:
    with av.open(str(file)) as container:
        if not any(True for _ in container.decode(video=0)):
            raise ValueError("no frame")


def _read_tensors(file: Path) -> None:
    with safe_open(file, framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118
            tensors.get_tensor(name)


_CHECKS: Mapping[str, Callable[[Path], Any]] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif"), _read_picture),
    **dict.fromkeys((".mp4", ".mkv", ".webm", ".mov", ".m4v", ".avi", ".ts"), _read_video),
    ".onnx": lambda file: onnx.checker.check_model(str(file)),
    ".safetensors": _read_tensors,
    ".json": lambda file: json.loads(file.read_text()),
}
