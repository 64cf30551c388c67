"""Commands in processes of their own that start at once.

A server (``python -m fststyle.benchmarks.robustness.children``) imports everything once and forks
for every command: a second of imports becomes milliseconds. It imports only, on one thread, so that
what it forks is as a process that has just started.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import psutil

from fststyle.utils.files import atomic_write

WARM = (
    *("torch", "torchvision.transforms.v2", "torch.export", "torch.onnx", "onnxscript", "onnx"),
    *("onnx.reference", "onnx.shape_inference", "tensorboard.summary", "skimage.metrics", "scipy"),
    *("cv2", "av", "PIL.Image", "PIL.ImageCms", "safetensors.torch", "tqdm", "platformdirs"),
    *(
        "fststyle.checkpoints.style",
        "fststyle.losses.functional",
        "fststyle.data.photos",
        "fststyle.data.loader",
        "fststyle.networks.vgg",
    ),
)
"""What is imported before forking; not ONNX Runtime, whose import starts a thread."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What keeps libraries from starting threads as they are imported, which no fork takes along."""
LOOK = 0.005
"""Seconds between looks at a process."""
CLOSE_LOOK = 0.0003
"""The same while a file is waited for that stands for milliseconds."""


class Order(NamedTuple):
    """A command to run.

    Attributes:
        arguments: of ``fststyle``.
        log: the file that receives stdout and stderr.
        seconds, megabytes: at which it is ended, as hanging or as too large.
        kill_after: seconds after which it is killed.
        kill_in_write: which half-written file to kill it at, from 1, counted as they appear in
            ``folder``.
    """

    arguments: list[str]
    log: str
    seconds: float
    megabytes: float
    kill_after: float | None = None
    kill_in_write: int | None = None
    folder: str | None = None


class End(NamedTuple):
    """How a command ended.

    Attributes:
        how: "exit", "signal", "hang", "memory", or "killed" as was ordered.
        status: exit status, or number of the signal.
        megabytes: its largest resident memory; 300 are the libraries.
        seconds: that it took.
    """

    how: str
    status: int
    megabytes: float
    seconds: float


def last_line(output: str) -> str:
    """Of what a command wrote, at most 300 characters."""
    lines = [line.rpartition("\r")[2] for line in output.split("\n") if line.strip()]
    return lines[-1][:300] if lines else ""


class Server:
    """The server's process; to be closed, or used in a ``with``."""

    def __init__(self) -> None:
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "FSTSTYLE_ASSETS": ""}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fststyle.benchmarks.robustness.children"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C is for who asked for it
        )

    def run(self, order: Order) -> End:
        """Run a command to its end. Raises RuntimeError where the server itself has ended."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except (BrokenPipeError, ValueError):
            answer = ""
        if not answer:
            raise RuntimeError("the process that starts the commands has ended")
        return End(*json.loads(answer))

    def close(self) -> None:
        """End it, and the command that runs."""
        self._process.terminate()
        self._process.wait()
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve() -> None:
    """Run what stands on stdin, an ``Order`` a line, and answer on stdout."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    for name in WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what is there stays shared
    groups: list[int] = []
    try:
        for line in sys.stdin:
            order = Order(*json.loads(line))
            started = time.monotonic()
            child = os.fork()
            if child == 0:
                _run_command(order)
            groups.append(child)
            end = _watch(child, order, started)
            if end.how != "killed":  # whose readers of photos, orphaned, meet the next command
                _kill_groups(groups)
            print(json.dumps(end), flush=True)
    finally:
        _kill_groups(groups)


def _run_command(order: Order) -> NoReturn:
    """The command itself, in the forked process."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, copy in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, copy)
    sys.argv = ["fststyle", *order.arguments]
    status: Any = 0
    try:
        runpy.run_module("fststyle", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
        status = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()  # as Python does at its end, whose rest takes longer than most commands
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _watch(child: int, order: Order, started: float) -> End:
    watched, how, peak = order.folder and Path(order.folder), "", 0.0
    seen: set[str] = set()
    look = CLOSE_LOOK if order.kill_in_write else LOOK
    while True:
        ended, state, usage = os.wait4(child, os.WNOHANG)
        seconds = time.monotonic() - started
        if ended:
            break
        if not how and order.kill_in_write and watched:
            seen.update(file.name for file in watched.glob(atomic_write.PATTERN))
        peak = max(peak, _resident(child))
        due = order.kill_after is not None and seconds > order.kill_after
        if due or (order.kill_in_write and len(seen) >= order.kill_in_write):
            how = "killed"
        elif seconds > order.seconds:
            how = "hang"
        elif peak > order.megabytes:
            how = "memory"
        if how:
            os.kill(child, signal.SIGKILL)
        time.sleep(look)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    peak = max(peak, usage.ru_maxrss / unit)
    status = os.waitstatus_to_exitcode(state)
    if not how or status >= 0:
        how = "signal" if status < 0 else "exit"
    return End(how, abs(status), peak, seconds)


def _resident(process: int) -> float:
    """Megabytes."""
    try:
        return psutil.Process(process).memory_info().rss / 1e6
    except psutil.Error:
        return 0.0


def _kill_groups(groups: list[int]) -> None:
    """Kill what is left of commands and their processes."""
    while groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(groups.pop(), signal.SIGKILL)


if __name__ == "__main__":
    serve()
