import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
import torch

from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
from fststyle.images.find import find_images
from tests.conftest import ROOT, picture


def test_processes_and_parts_share_every_step_without_overlap() -> None:
    shares = [list(islice(iter(SampleNumbers(100, 8, 2, rank, 2)), 4)) for rank in (0, 1)]
    assert shares[0] == [[100, 101], [102, 103], [108, 109], [110, 111]]
    assert shares[1] == [[104, 105], [106, 107], [112, 113], [114, 115]]


def test_workers_do_not_change_what_comes(photos: Path) -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        crops = PhotoCrops(find_images(photos), (32, 32), seed=3)
        loader = load_batches(crops, SampleNumbers(4, 2, 1, 0, 1), workers, False)
        return [batch.images for batch in islice(loader, 5)]

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one, two)


ENDING = """
import sys
from pathlib import Path
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
crops = PhotoCrops(list(Path(sys.argv[1]).iterdir()), (32, 32), seed=0)
batches = load_batches(crops, SampleNumbers(0, 2, 1, 0, 1), 1, False)
next(batches)
"""


def test_a_process_ends_while_its_workers_are_reading(photos: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ENDING, str(photos)], cwd=ROOT)
    assert done.returncode == 0


READING = """
import pathlib, sys
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
from fststyle.utils.signals import watch_signals
files = sorted(pathlib.Path(sys.argv[1]).iterdir())
with watch_signals() as stop:
    source = load_batches(PhotoCrops(files, (32, 32), 0), SampleNumbers(0, 2, 1, 0, 1), 2, False)
    next(source)
    children = pathlib.Path(f"/proc/self/task/{__import__('os').getpid()}/children")
    print(*children.read_text().split(), flush=True)
    while not stop.requested:
        next(source)
    for _ in range(20):
        next(source)
    source.close()
print("ended well", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_to_the_group_are_the_main_processs(number: signal.Signals, tmp_path: Path) -> None:
    """As Slurm, systemd, ``timeout`` and a terminal's Ctrl-C send them. Killed, it leaves none."""
    picture(0).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", READING, str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        children = [int(child) for child in process.stdout.readline().split()]
        assert len(children) == 2
        if number == signal.SIGKILL:
            process.kill()
        else:
            for _ in range(2):  # ``timeout`` and ``torchrun`` send it twice
                os.killpg(process.pid, number)
        printed, error = process.communicate()
        if number != signal.SIGKILL:
            assert process.returncode == 0 and printed == "ended well\n" and not error, error
        while any(Path(f"/proc/{child}").exists() and _runs(child) for child in children):
            time.sleep(0.1)


def _runs(child: int) -> bool:
    """Not a zombie, which nobody may collect where the tests run."""
    try:
        return "State:\tZ" not in Path(f"/proc/{child}/status").read_text()
    except OSError:
        return False
