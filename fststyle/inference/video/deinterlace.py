"""Interlaced frames, whose lines alternate between two moments, to whole ones."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av


class Deinterlacer:
    """FFmpeg's bwdif, one frame for each; the order of the fields is the file's. Frames that are
    not marked as interlaced stay as they are. A frame comes out once the next is in.

    Args:
        time_base: seconds per unit of the frames' ``pts`` and ``duration``.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._time_base = time_base
        self._graph: Any = None
        self._kind: tuple[Any, ...] = ()

    def __call__(self, frame: Any) -> Iterator[Any]:
        """Frames that are ready, with ``pts`` and ``duration`` in the same units."""
        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            yield from self.flush()
            self._begin(frame)
            self._kind = kind
        self._graph.push(frame)
        yield from self._ready()

    def flush(self) -> Iterator[Any]:
        """What is left."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._ready()
        self._graph, self._kind = None, ()

    def _begin(self, frame: Any) -> None:
        self._graph = av.filter.Graph()
        source = self._graph.add(
            "buffer",
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base={self._time_base}"
            f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
        )
        bwdif = self._graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        source.link_to(bwdif)
        bwdif.link_to(self._graph.add("buffersink"))
        self._graph.configure()

    def _ready(self) -> Iterator[Any]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            unit = (frame.time_base or self._time_base) / self._time_base
            if frame.pts is not None:
                frame.pts = round(frame.pts * unit)
            if frame.duration:
                frame.duration = round(frame.duration * unit)
            yield frame
