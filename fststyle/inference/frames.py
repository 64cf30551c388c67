"""Arrays of frames on their way through a network, and streams of them."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

from fststyle.config.infer import Grain
from fststyle.images.arrays import check_frames
from fststyle.images.geometry import fit_within
from fststyle.inference.video.steady import FilmGrain, Motion, SteadyStrokes
from fststyle.utils.threads import prefetch


def stylize_array(
    array: np.ndarray,
    max_size: int | None,
    batch_size: int,
    stylize: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """H×W×3 or N×H×W×3 to an array of the same shape, sides within ``max_size``; ``stylize`` is
    given N×H×W×3, at most ``batch_size`` of them.

    Raises TypeError or ValueError for arrays of another type or shape.
    """
    check_frames(array, dimensions=(3, 4))
    frames = array if array.ndim == 4 else array[None]
    if max_size and len(frames) and max(frames.shape[1:3]) > max_size:
        frames = np.stack([np.asarray(fit_within(Image.fromarray(f), max_size)) for f in frames])
    batches = [frames[at : at + batch_size] for at in range(0, len(frames), batch_size)]
    output = np.concatenate([frames[:0], *map(stylize, batches)])
    return output if array.ndim == 4 else output[0]


def stream_frames(
    frames: Iterable[np.ndarray],
    grain: Grain,
    run: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    batch_size: int,
    maps: Callable[[Image.Image], np.ndarray] | None = None,
    steady: float = 0.0,
) -> Generator[np.ndarray, None, None]:
    """Each of ``frames``, H×W×3, through ``run``, which is given N×H×W×3 and what ``maps`` makes of
    them, N×h×w, then steadied by ``steady``: reading, maps, motion and grain in one thread, the
    rest in another. Errors are raised in their place in the order."""
    with (
        contextlib.closing(prefetch(_prepared(frames, grain, maps, steady))) as read,
        contextlib.closing(_run_batches(read, run, batch_size, steady)) as stylized,
        contextlib.closing(prefetch(stylized)) as output,
    ):
        yield from output


class Prepared(NamedTuple):
    """A frame, its weight map and its motion."""

    pixels: np.ndarray
    map: np.ndarray | None
    motion: Motion | None


def _prepared(
    frames: Iterable[np.ndarray],
    grain: Grain,
    maps: Callable[[Image.Image], np.ndarray] | None,
    steady: float,
) -> Iterator[Prepared]:
    film_grain = FilmGrain(grain, steady=steady > 0)
    for frame in frames:
        check_frames(frame, dimensions=(3,))
        weight_map = maps(Image.fromarray(frame)) if maps else None
        pixels, motion = film_grain(frame, weight_map)
        if not grain.levels:  # a decoder may use its buffer again
            pixels = frame.copy()
        yield Prepared(pixels, weight_map, motion)


def _run_batches(
    frames: Iterable[Prepared],
    run: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    batch_size: int,
    steady: float,
) -> Generator[np.ndarray, None, None]:
    strokes = SteadyStrokes(steady) if steady else None
    for batch in _batches(frames, batch_size):
        maps = [frame.map for frame in batch if frame.map is not None]
        output = run(np.stack([frame.pixels for frame in batch]), np.stack(maps) if maps else None)
        for pixels, frame in zip(output, batch, strict=True):
            yield strokes(pixels, frame.motion) if strokes else pixels


def _batches(frames: Iterable[Prepared], batch_size: int) -> Generator[list[Prepared], None, None]:
    """Frames of one size each, however many there are; an error of ``frames`` comes after those
    that were read before it."""
    batch: list[Prepared] = []
    try:
        for frame in frames:
            if batch and frame.pixels.shape != batch[0].pixels.shape:
                yield batch
                batch = []
            batch.append(frame)
            if len(batch) == batch_size:
                yield batch
                batch = []
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
