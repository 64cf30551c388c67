"""Pictures of any size in fixed memory: strips of rows, one stretch of the network at a time.

Instance norm needs the mean and variance of whole maps, so tiles that run through the network one
by one would each come out in their own colours. Here every norm is a pass of its own over the
picture: it measures the map in front of the norm strip by strip, after which the norm is a fixed
scale and shift. Each pass begins at what earlier ones kept in files: the maps of a quarter of the
picture's height and width; what is larger is computed again. At width 32 that is a third more
arithmetic than the untiled picture takes.
"""

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np

from fststyle.inference.graph_segments import STRIDE, Graph, Segment
from fststyle.sessions.model_file import MAP
from fststyle.sessions.precision import load_for
from fststyle.sessions.session import as_fed, as_frames, start


class Tiles:
    """A style network cut up at its norms.

    Args:
        model: a file written by ``fststyle export`` for pictures of any size.
        provider, threads: as ``start`` takes them.

    Raises ValueError where the file is for pictures of one size.
    """

    def __init__(self, model: Path, provider: str, threads: int | None) -> None:
        try:
            self._graph = Graph(load_for(model, provider))
        except (LookupError, TypeError, AttributeError) as error:  # a part that all have is missing
            raise ValueError(f"damaged: its graph is no style network's ({error!r})") from error
        self._provider, self._threads = provider, threads

    def __call__(
        self,
        picture: np.ndarray,
        pixels: int,
        given: Mapping[str, np.ndarray],
        *,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda done: None,
    ) -> np.ndarray:
        """H×W×3 uint8 to the same, stylized.

        Args:
            pixels: about how many of them a strip has, its overlap with the next left out.
            given: the graph's inputs beside the picture.
            folder: for the maps that are kept, some 128 bytes a pixel at width 32; the system's for
                temporary files by default.
            progress: called after each strip with the part of the whole work that it was.
        """
        graph = self._graph
        rows = -(-len(picture) // STRIDE)
        fixed: dict[str, np.ndarray] = {}
        output = np.empty_like(picture)
        written: dict[str, Rows] = {}
        with contextlib.ExitStack() as stack:
            cached: dict[str, Cached] = {}
            if graph.map is not None:
                cached[graph.map] = _map_rows(given, rows, -(-picture.shape[1] // STRIDE))
            for number, segment in enumerate(graph.segments):
                last, moments = segment is graph.segments[-1], Moments()
                strips = self._strips(segment, picture, pixels, {**fixed, **given}, cached)
                for begin, end, outputs in strips:
                    for name in segment.cached:
                        if name not in written:
                            written[name] = stack.enter_context(Rows(rows, outputs[name], folder))
                            cached[name] = written[name]
                        written[name].write(begin, outputs[name])
                    if last:
                        stylized = outputs[graph.output][0].transpose(1, 2, 0)
                        output[STRIDE * begin : STRIDE * end] = stylized
                    else:
                        moments.add(outputs[segment.outputs[0]])
                    progress((end - begin) / rows / len(graph.segments))
                if not last:
                    fixed |= graph.norm(number, moments.mean, moments.variance)
                for name in list(cached):
                    if not any(name in later.sources for later in graph.segments[number + 1 :]):
                        cached.pop(name).close()
        return output

    def _strips(
        self,
        segment: Segment,
        picture: np.ndarray,
        pixels: int,
        given: Mapping[str, np.ndarray],
        cached: Mapping[str, "Cached"],
    ) -> Iterator[tuple[int, int, dict[str, np.ndarray]]]:
        """(begin, end, outputs of ``segment`` by name, 1×C×H×W) of each strip, in units of
        ``STRIDE`` rows of the picture."""
        height, width, _ = picture.shape
        rows = -(-height // STRIDE)
        run = self._starter(segment, given)
        rows_at_once = max(2 * segment.halo, round(pixels / (STRIDE * width)), 1)
        for begin, end in spans(rows, rows_at_once):
            low, high = max(0, begin - segment.halo), min(rows, end + segment.halo)
            inputs = {name: cached[name].read(low, high) for name in segment.sources}
            outputs = run(picture[STRIDE * low : STRIDE * high], inputs)
            for name, values in outputs.items():
                # What lies beyond the strip lacks what lies beyond it in turn.
                scale = STRIDE // self._graph.stride(name)
                last = None if end == rows else (end - low) * scale
                outputs[name] = values[:, :, (begin - low) * scale : last]
            yield begin, end, outputs

    def _starter(
        self, segment: Segment, given: Mapping[str, np.ndarray]
    ) -> Callable[[np.ndarray, dict[str, np.ndarray]], dict[str, np.ndarray]]:
        """``segment`` as a function of the picture's rows, H×W×3 uint8, and its sources, to its
        outputs by name, all N×C×H×W."""
        session = start(self._graph.model(segment), self._provider, self._threads)
        needed = {i.name for i in (*session.get_inputs(), *session.get_overridable_initializers())}
        fixed = {name: value for name, value in given.items() if name in needed}

        def run(rows: np.ndarray, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            inputs = {**fixed, **inputs}
            if self._graph.input in needed:
                inputs[self._graph.input] = as_fed(rows[None], self._graph.uint8)
            outputs = dict(zip(segment.outputs, session.run(segment.outputs, inputs), strict=True))
            if self._graph.output in outputs:
                pixels = as_frames(outputs[self._graph.output])
                outputs[self._graph.output] = pixels.transpose(0, 3, 1, 2)
            return outputs

        return run


def spans(rows: int, rows_at_once: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of stretches of nearly equal length, at most ``rows_at_once``."""
    count = -(-rows // rows_at_once)
    edges = [rows * i // count for i in range(count + 1)]
    return itertools.pairwise(edges)


class Cached(Protocol):
    """A map that segments begin with."""

    def read(self, begin: int, end: int) -> np.ndarray:
        """1×C×(end − begin)×W."""

    def close(self) -> None: ...


class _MapRows(NamedTuple):
    """A weight map, 1×1×H×W."""

    values: np.ndarray

    def read(self, begin: int, end: int) -> np.ndarray:
        return self.values[:, :, begin:end]

    def close(self) -> None:
        """Nothing is held open."""


def _map_rows(given: Mapping[str, np.ndarray], rows: int, columns: int) -> _MapRows:
    """What the graph makes of its map and its strength, at the size of its smallest maps."""
    values = given.get(MAP, np.zeros((1, 1, 1, 1), np.float32))
    values = 1 - given.get("strength", np.float32(1)) * (1 - values)
    for axis, size in ((2, rows), (3, columns)):
        values = _linear(values, axis, size)
    return _MapRows(values)


def _linear(values: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Resized along an axis, as ONNX's Resize does it: linear, from pixels' middles."""
    count = values.shape[axis]
    places = ((np.arange(size) + 0.5) * (count / size) - 0.5).clip(0, count - 1)
    lower = places.astype(int)
    part = (places - lower).astype(np.float32).reshape((-1,) + (1,) * (values.ndim - 1 - axis))
    first, second = (values.take(i, axis) for i in (lower, np.minimum(lower + 1, count - 1)))
    resized: np.ndarray = first + part * (second - first)
    return resized


class Moments:
    """Mean and variance of each channel over all that was ``add``ed (Chan et al. 1979)."""

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(()), np.zeros(())

    def add(self, maps: np.ndarray) -> None:
        """1×C×H×W float32."""
        flat = maps.reshape(maps.shape[1], -1)
        count = flat.shape[1]
        mean = flat.mean(1)
        centered = flat - mean[:, None]
        squares = np.einsum("cp,cp->c", centered, centered).astype(np.float64)
        difference = mean.astype(np.float64) - self.mean
        total = self.count + count
        self.squares = self.squares + squares + difference**2 * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total

    @property
    def variance(self) -> np.ndarray:
        return self.squares / self.count


class Rows:
    """A map of so many rows in a file without a name, which is gone when it is closed."""

    def __init__(self, rows: int, like: np.ndarray, folder: Path | None) -> None:
        _, self._channels, _, width = like.shape
        self._rows, self._width, self._dtype = rows, width, like.dtype
        self._bytes = width * like.dtype.itemsize  # of a row of one channel
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by close)

    def _seek(self, channel: int, row: int) -> None:
        self._file.seek((channel * self._rows + row) * self._bytes)

    def write(self, begin: int, values: np.ndarray) -> None:
        """1×C×h×W from row ``begin`` on."""
        for channel, plane in enumerate(values[0]):
            self._seek(channel, begin)
            self._file.write(np.ascontiguousarray(plane).data)

    def read(self, begin: int, end: int) -> np.ndarray:
        """1×C×(end − begin)×W."""
        values = np.empty((1, self._channels, end - begin, self._width), self._dtype)
        for channel, plane in enumerate(values[0]):
            self._seek(channel, begin)
            self._file.readinto(plane.data)  # type: ignore[attr-defined]
        return values

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Rows":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
