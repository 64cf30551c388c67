"""Batches for training, read by processes of their own, in an order that can be taken up again."""

import gc
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class Batch(NamedTuple):
    """``images``: N×3×H×W uint8, channels last in memory. ``broken``: files that could not be
    decoded while it was put together, each with the reason. ``targets``: what belongs to the
    images, N×…, where there is something. ``files``: the images' own, where they are known."""

    images: Tensor
    broken: dict[str, str]
    targets: Tensor | None = None
    files: Sequence[str] = ()


class SampleNumbers:
    """Batch sampler: what one of ``world`` processes takes from sample ``start`` on, without end.

    Each step takes ``batch_size`` consecutive samples, each process an equal part of them, in
    ``parts`` batches.
    """

    def __init__(self, start: int, batch_size: int, parts: int, rank: int, world: int) -> None:
        self.start, self.batch_size = start, batch_size
        self.parts, self.rank, self.world = parts, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        share = self.batch_size // (self.parts * self.world)
        first = self.start + self.rank * share * self.parts
        while True:
            for part in range(self.parts):
                yield list(range(first + part * share, first + (part + 1) * share))
            first += self.batch_size


def load_batches(
    dataset: Dataset[Batch], numbers: SampleNumbers, workers: int, pin_memory: bool
) -> Generator[Batch]:
    """Batches, of which ``workers`` processes keep 4 each ready; 0 reads them here when asked.

    The processes leave Ctrl-C and SIGTERM to this one, and end when the generator is closed or this
    process ends, however it does.
    """
    loader = DataLoader(
        dataset,
        sampler=numbers,  # type: ignore[arg-type]
        batch_size=None,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),  # the global one's state is nobody else's
    )
    gc.collect()  # here, and not in the processes, see _start_worker
    with _signals_blocked():
        batches = iter(loader)
    try:
        yield from batches
    except ValueError as error:
        _, _, worker_traceback = str(error).partition("Original Traceback")
        if not worker_traceback:
            raise
        message = worker_traceback.strip().splitlines()[-1].partition(": ")[2]
        raise ValueError(message) from error


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Processes started in here never see Ctrl-C and SIGTERM, from their first instruction on: what
    a terminal, Slurm, systemd or ``timeout`` sends to the whole group is then the main process's,
    which ends them when it has no more use for them. Windows has no such thing.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(_: int) -> None:
    """In a worker process: leave signals alone, and end when who started it has ended,
    which DataLoader's own watch misses while a batch waits to be taken."""
    # What was inherited is not this process's to free: a video decoder would wait for threads that
    # no fork takes along.
    gc.freeze()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_exit_after, args=(os.getppid(),), daemon=True).start()


def _exit_after(parent: int) -> None:
    """When the process ``parent`` has ended, or, where a system tells who sends a signal, when it
    says so: that is how Python ends what still runs when it ends, and waits for it."""
    received = None
    while os.getppid() == parent and not (received and received.si_pid == parent):
        if hasattr(signal, "sigtimedwait"):
            received = signal.sigtimedwait((signal.SIGTERM,), 1)
        else:
            time.sleep(1)
    os._exit(0)
