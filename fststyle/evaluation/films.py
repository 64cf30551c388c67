"""Clips to measure on, and what others made of them: films, or folders of frames."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fststyle.evaluation.model_result import ModelResult
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import Source, open_source
from fststyle.utils.failures import Failures

FRAMES_FOLDER_RATE = 25.0
"""Frames per second of a folder of frames, which nothing here depends on."""


def open_clip(clip: Path) -> Source:
    """A film, or a folder of frames. Raises FileNotFoundError or ValueError where it is neither."""
    return open_source(str(clip), rate=FRAMES_FOLDER_RATE)


def frames_of(source: Source) -> Iterator[np.ndarray]:
    """Its frames, H×W×3 uint8."""
    return (item.pixels for item in source if isinstance(item, Frame))


def films_of(
    networks: Sequence[ModelResult], clip: Path, failures: Failures, stack: contextlib.ExitStack
) -> dict[str, Iterator[np.ndarray]]:
    """The frames of what others made of the clip, by name; what is missing is noted. They are open
    as long as ``stack``."""
    films = {}
    for result in networks:
        if result.film is not None:
            with failures.noting(f"{result.name} on {clip}"):
                source = stack.enter_context(contextlib.closing(open_clip(result.film(clip))))
                films[result.name] = frames_of(source)
    return films
