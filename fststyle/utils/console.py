"""What is printed: in any encoding, to readers that leave, in one line a thing."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


def printable(text: object) -> str:
    """The text with line breaks and other control characters escaped, as file names may have."""
    return "".join(
        c.encode("unicode_escape").decode() if ord(c) < 32 or 127 <= ord(c) < 160 else c
        for c in str(text)
    )


class Stream:
    """Standard output or error that goes on when writing fails: the work is in files, and is not
    to end because nobody reads along any more.

    Attributes:
        error: why nothing is written any more; None where all is well.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: OSError | None = None
        with contextlib.suppress(AttributeError):  # other than a text file
            # A name that the console's encoding lacks is shown by its numbers.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """As ``io.TextIOBase`` has it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """As ``io.TextIOBase`` has it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.error = error
        # What waits in the buffer is written there, too, instead of failing at the end again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def console() -> Iterator[Stream]:
    """Within, ``sys.stdout`` and ``sys.stderr`` are ``Stream``s, and there where they were closed
    (``>&-``); yields the first."""
    _open_standard_files()
    with open(os.devnull, "w") as nowhere:
        output, errors = Stream(sys.stdout or nowhere), Stream(sys.stderr or nowhere)
        with (
            contextlib.redirect_stdout(cast(TextIO, output)),
            contextlib.redirect_stderr(cast(TextIO, errors)),
        ):
            try:
                yield output
            finally:
                output.flush()


@contextlib.contextmanager
def data_output() -> Iterator[int]:
    """Within, standard output is for data alone, by the file descriptor that is yielded: whatever
    is printed, by C libraries too, goes to standard error.

    Raises ValueError where it is a terminal, or was closed when Python began.
    """
    if sys.__stdout__ is None:
        raise ValueError("standard output is closed: send frames to a program, or to a file")
    if os.isatty(1):
        raise ValueError("frames are no text: send them to a program that reads them, or to a file")
    sys.stdout.flush()
    data = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield data
    finally:
        os.dup2(data, 1)
        os.close(data)


def _open_standard_files() -> None:
    """Where they are closed, the next file to be opened would become one of them, and get what C
    libraries say on standard error."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
