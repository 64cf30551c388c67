"""One run of a folder at a time."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fststyle.config import RunConfig
from fststyle.training.distributed import DistributedContext
from fststyle.utils.files import atomic_write

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = "running.lock"
"""The file whose lock a run holds; there only while one does, or after one was killed."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process. The system lets go of it however the process ends.

    Raises ValueError where another process holds it. Where the file system has no locks, as some
    networks' have none, a line says so, and two runs may meet.
    """
    file = open(folder / LOCK, "ab")  # noqa: SIM115
    try:
        _lock(file)
    except BlockingIOError as error:
        file.close()
        raise ValueError(
            f"{folder}: another process trains in it now; choose another --name or --run-dir"
        ) from error
    except OSError as error:
        print(f"{folder}: cannot be locked ({error}); start no other run in it", file=sys.stderr)
    try:
        yield
    finally:
        # While it is held, so that nobody's new file is taken for it; Windows keeps open files.
        with suppress(OSError):
            os.unlink(folder / LOCK)
        file.close()


@contextmanager
def run_folder(config: RunConfig, context: DistributedContext) -> Iterator[None]:
    """The run's folder, made, this run's alone, and cleared of half-written files; removed again
    where nothing was written into it.

    Raises PermissionError where nothing can be written into it, ValueError where another process
    trains in it.
    """
    made = not config.folder.exists()
    config.folder.mkdir(parents=True, exist_ok=True)
    if not os.access(config.folder, os.W_OK):
        raise PermissionError(f"{config.folder}: not writable; choose another --run-dir")
    if not context.is_main_process:
        yield
        return
    try:
        with locked(config.folder):
            for stale in config.folder.glob(atomic_write.PATTERN):
                stale.unlink()
            yield
    finally:
        if made:
            with suppress(OSError):  # it is not empty
                config.folder.rmdir()


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(str(error)) from error
    else:
        # Not flock, whose locks pass to the processes that read photos: those of a killed run would
        # keep its folder while they last.
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except PermissionError as error:  # POSIX leaves systems this one, too
            raise BlockingIOError(str(error)) from error
        if os.fstat(file.fileno()).st_nlink == 0:  # its last owner has just removed it
            raise BlockingIOError("removed")
