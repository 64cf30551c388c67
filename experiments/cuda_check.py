"""A minute before the hours: every command of ``cuda.sh``, in miniature, in one process.

    python experiments/cuda_check.py OUT

The scripts run with an interpreter that only notes what it is asked for; then each kind of command
is carried out once, with the settings of ``TINY``, on a few of the files that FSTSTYLE_ASSETS
names (without it, those parts that need none). What fails is named, and the exit status is 1.
Works on a CPU, too, with PROVIDER=cpu.
"""

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

ROOT = Path(__file__).parent.parent
PARTS = "infer tests video train styles optimize methods depth"
WITHOUT_DATA = "infer tests video"
SIZE = "64x48"
SMALL_LOSS = {"--loss-network": "small"}
TINY: dict[tuple[str, ...], dict[str, str]] = {
    # Below 64 pixels the depth loss sees too little.
    ("train",): {"--steps": "2", "--image-size": "64", "--batch-size": "1", **SMALL_LOSS},
    ("depth", "train"): {"--steps": "2", "--batch-size": "1", "--size": SIZE, "--pairs": "50"},
    ("depth", "eval"): {"--size": SIZE, "--pairs": "50"},
    ("evaluate",): {"--size": "64", **SMALL_LOSS},
    ("compare",): {"--height": "64"},
    ("bench", "infer"): {"--repeats": "1"},
    ("bench", "train"): {"--repeats": "1", "--image-size": "64", "--batch-size": "1"},
    ("bench", "depth"): {"--repeats": "1", "--image-size": "64", "--batch-size": "1"},
    ("bench", "optimize"): {"--steps": "10", "--size": SIZE},
}
"""Options that are set, for each command."""
OWN_KIND = ("fp32", "bf16", "fp16", "none")
"""Values that make a command one of another kind."""
FILES = 12
"""Of each folder, the first ones, so that pictures and their depth maps stay together."""
PHOTOS = 3


def main(out: Path) -> int:
    out = out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.chdir(ROOT)
    assets = os.environ.get("FSTSTYLE_ASSETS")
    miniature = link_few(Path(assets), out / "assets") if assets else None
    on_gpu = os.environ.get("PROVIDER", "cuda") != "cpu"
    failed: list[str] = []
    started = time.perf_counter()
    for arguments in first_of_each_kind(
        [shrink(arguments, on_gpu) for arguments in record_commands(out, miniature)]
    ):
        start = time.perf_counter()
        reason = run_command(arguments)
        seconds = time.perf_counter() - start
        print(f"{'FAILED' if reason else 'ok':6} {seconds:5.1f} s  {' '.join(arguments[:4])} …")
        if reason:
            failed.append(f"{' '.join(arguments)}\n    {reason}")
    print(f"{len(failed)} failed, {time.perf_counter() - started:.0f} s", flush=True)
    for failure in failed:
        print(failure, file=sys.stderr)
    return 1 if failed else 0


def record_commands(out: Path, assets: Path | None) -> list[list[str]]:
    """The arguments of every call of the interpreter that ``cuda.sh`` makes, in order."""
    plan, recorder = out / "plan.jsonl", out / "python"
    note = "import json, sys; print(json.dumps(sys.argv[1:]), file=open({!r}, 'a'))"
    code = note.format(str(plan)).replace('"', '\\"')
    recorder.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}" "$@"\n')
    recorder.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHON": str(recorder),
        "OUT": str(out),
        "PARTS": PARTS if assets else WITHOUT_DATA,
        "FSTSTYLE_ASSETS": str(assets or ""),
        "CLIP": str(write_clip(out / "clip.mp4")),
        "STYLES": "starry_night",  # of those that styles.sh trains, one after the other, alike
    }
    subprocess.run(["sh", str(ROOT / "experiments/cuda.sh")], env=environment, check=True)
    return [json.loads(line) for line in plan.read_text().splitlines()]


def first_of_each_kind(plan: Sequence[list[str]]) -> list[list[str]]:
    """The first command of each kind: of those with the same options, whatever their values, one;
    precisions, and trainings from random weights, are kinds of their own. Networks that are
    converted and photos that are labelled are all needed later."""
    first: dict[tuple[str, ...], list[str]] = {}
    for arguments in plan:
        words = arguments[1:4] if arguments[0] == "-m" else arguments[:1]
        if "convert" in arguments or "predict" in arguments:
            words = [Path(arguments[4]).name, *words]
        options = [a for a in arguments if a.startswith("--") or a in OWN_KIND]
        first.setdefault((*(w for w in words if "/" not in w), *sorted(options)), arguments)
    return list(first.values())


def shrink(arguments: Sequence[str], on_gpu: bool) -> list[str]:
    """The same command with less to do."""
    reduced = [SIZE if re.fullmatch(r"\d+x\d+", a) else a for a in arguments]
    # Parts of data sets, NAME=FOLDER@FROM:TO, are those of whole ones.
    reduced = [re.sub(r"@[^@]*$", "", a) if re.match(r"\w+=.*/", a) else a for a in reduced]
    if reduced[:2] == ["-m", "pytest"]:  # that they can be imported; the part itself runs them
        return [*reduced, "--collect-only", "--quiet"]
    if reduced[:2] != ["-m", "fststyle"]:
        return reduced
    command = next((c for c in TINY if tuple(reduced[2 : 2 + len(c)]) == c), ())
    settings = dict(TINY.get(command, {}))
    if not on_gpu:
        settings |= {o: "auto" for o in ("--device", "--precision") if o in reduced}
        if command == ("bench", "infer"):
            settings["--precision"] = "fp32"
            reduced = [a for a in reduced if a != "fp16"]
    for option, value in settings.items():
        if option not in reduced:
            reduced += [option, value]
        for index in (i for i, word in enumerate(reduced) if word == option):
            reduced[index + 1] = value
    return reduced


def run_command(arguments: Sequence[str]) -> str:
    """Run ``python ARGUMENTS`` in this process; returns what went wrong, or nothing."""
    from fststyle.__main__ import main as fststyle

    status: Any
    try:
        if arguments[:2] == ["-m", "fststyle"]:
            status = fststyle(arguments[2:])
        elif arguments[0] == "-m":
            status = subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode
            if status == 5:  # pytest: nothing collected, which is no failure where all is skipped
                status = 0
        else:
            sys.argv = list(arguments)
            runpy.run_path(arguments[0], run_name="__main__")
            status = 0
    except SystemExit as error:
        status = error.code
    except Exception:
        return traceback.format_exc()
    return f"exit status {status}" if status else ""


def link_few(whole: Path, small: Path) -> Path:
    """A tree of links to the first files of every folder of ``whole``, with a clip of its own."""
    for folder in (whole, *sorted(path for path in whole.rglob("*") if path.is_dir())):
        target = small / folder.relative_to(whole)
        if "video" in folder.relative_to(whole).parts:
            continue
        target.mkdir(parents=True, exist_ok=True)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        limits = {"styles": None, "weights": None, "photos": PHOTOS, "pseudo_train": PHOTOS}
        named = next((n for n in (folder.name, folder.parent.name) if n in limits), None)
        for file in files[: limits[named] if named else FILES]:
            (target / file.name).symlink_to(file)
    (small / "video/davis").mkdir(parents=True)
    write_clip(small / "video/davis/clip.mp4")
    return small


def write_clip(path: Path) -> Path:
    """Twelve frames of noise that moves."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 88, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for left in range(12):
            frame = np.ascontiguousarray(noise[:, left : left + 64])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
