"""Many inputs, some of which fail: the rest is done, and a line says why for each that is not."""

import errno
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fststyle.utils.console import printable
from fststyle.utils.files import check_free

Source = TypeVar("Source")
Job = TypeVar("Job", bound=tuple[Any, ...])
Opened = TypeVar("Opened")

NO_MEMORY = re.compile(
    r"out of memory|not enough memory|(can't|cannot|failed to) allocate|bad[_ ]alloc", re.IGNORECASE
)
"""What torch and ONNX Runtime say, each in an exception of its own kind."""


class Failures:
    """Inputs that could not be used, and why.

    Attributes:
        reasons: a line for each input.
        disk_full: whether no later one can be written either.

    Args:
        memory: what to do where there is too little of it.
    """

    def __init__(self, memory: str = "try a smaller size") -> None:
        self.reasons: dict[str, str] = {}
        self.disk_full = False
        self._memory = memory

    @contextmanager
    def noting(self, source: object) -> Iterator[None]:
        """What goes wrong inside is noted as about ``source`` and ends there, whatever it is: no
        input is to keep others from being done."""
        try:
            yield
        except Exception as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            self.disk_full = self.disk_full or full
            if is_about_memory(error):
                self.add(source, f"too little memory for it: {self._memory}")
            else:
                self.add(source, one_line(error))

    def add(self, source: object, reason: str) -> None:
        """Note ``reason``; it is led by the source's name where it does not say it itself."""
        line = reason if str(source) in reason else f"{source}: {reason}"
        before = self.reasons.get(str(source))
        if before is None:
            self.reasons[str(source)] = printable(line)
        elif printable(reason) not in before:
            self.reasons[str(source)] = printable(f"{before}; {reason}")

    def report(self) -> int:
        """A line for each on stderr; returns the exit status, 1 where there are any and else 0."""
        for reason in self.reasons.values():
            print(reason, file=sys.stderr)
        return 1 if self.reasons else 0


def writable_jobs(
    jobs: Sequence[Job],
    written: Callable[[Job], Sequence[Path]],
    overwrite: bool,
    failures: Failures,
) -> list[Job]:
    """Those of ``jobs``, tuples of which the first is the input, that overwrite nothing by writing
    ``written``; the others are noted.

    Raises what ``check_free`` does where none would be left to do.
    """
    writable = []
    for job in jobs:
        with failures.noting(job[0]):
            check_free(written(job), overwrite)
            writable.append(job)
    if jobs and not writable:
        check_free((file for job in jobs for file in written(job)), overwrite)
    return writable


def open_all(
    sources: Sequence[Source], open_one: Callable[[Source], Opened], failures: Failures
) -> list[Opened]:
    """What can be opened of ``sources``, networks for instance; the others are noted.

    Raises the error of the only one, and ValueError where several are given and none can be.
    """
    if len(sources) == 1:
        return [open_one(sources[0])]
    opened = []
    for source in sources:
        with failures.noting(source):
            opened.append(open_one(source))
    if sources and not opened:
        raise ValueError("\n".join(failures.reasons.values()))
    return opened


def is_about_memory(error: Exception) -> bool:
    """Whether there was too little of it."""
    return isinstance(error, MemoryError) or bool(NO_MEMORY.search(str(error)))


def one_line(error: Exception) -> str:
    """What to tell of an error that an input caused."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    message = str(error).strip().partition("\n")[0]
    if isinstance(error, (ValueError, OSError)):
        return message or type(error).__name__
    return f"{type(error).__name__}: {message}"  # of other people's libraries, or our own mistake
