"""Arrays of frames on their way through a network, and streams of them."""

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np
from PIL import Image

from fststyle.images.arrays import check_frames
from fststyle.images.geometry import fit_within
from fststyle.images.noise import add_noise
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
    grain: int,
    run: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    batch_size: int,
    maps: Callable[[Image.Image], np.ndarray] | None = None,
) -> Generator[np.ndarray, None, None]:
    """Each of ``frames``, H×W×3, through ``run``, which is given N×H×W×3 and what ``maps`` makes of
    them, N×h×w: reading, maps and grain in one thread, ``run`` in another. Errors are raised in
    their place in the order."""
    with (
        contextlib.closing(prefetch(_prepared(frames, grain, maps))) as read,
        contextlib.closing(_run_batches(read, run, batch_size)) as stylized,
        contextlib.closing(prefetch(stylized)) as output,
    ):
        yield from output


Prepared = tuple[np.ndarray, np.ndarray | None]
"""A frame and its weight map."""


def _prepared(
    frames: Iterable[np.ndarray], grain: int, maps: Callable[[Image.Image], np.ndarray] | None
) -> Iterator[Prepared]:
    for frame in frames:
        check_frames(frame, dimensions=(3,))
        weight_map = maps(Image.fromarray(frame)) if maps else None
        # Without grain a copy, too: a decoder may use its buffer again.
        yield add_noise(frame[None], grain)[0] if grain else frame.copy(), weight_map


def _run_batches(
    frames: Iterable[Prepared],
    run: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
    batch_size: int,
) -> Generator[np.ndarray, None, None]:
    for batch in _batches(frames, batch_size):
        maps = [weight_map for _, weight_map in batch if weight_map is not None]
        yield from run(np.stack([frame for frame, _ in batch]), np.stack(maps) if maps else None)


def _batches(frames: Iterable[Prepared], batch_size: int) -> Generator[list[Prepared], None, None]:
    """Frames of one size each, however many there are; an error of ``frames`` comes after those
    that were read before it."""
    batch: list[Prepared] = []
    try:
        for frame in frames:
            if batch and frame[0].shape != batch[0][0].shape:
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
