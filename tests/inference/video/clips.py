"""Clips for the tests of reading, written by PyAV."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fststyle.inference.video.reader import Frame, VideoSource

EVEN = [40 * i for i in range(6)]
SIZE = (176, 144)
"""One that H.263 knows, too."""


def read(path: Path | str) -> tuple[VideoSource, list[Frame], list[Any]]:
    """(source, its frames, packets of what else it holds)."""
    source = VideoSource(str(path))
    items = list(source)
    frames = [item for item in items if isinstance(item, Frame)]
    return source, frames, [item for item in items if not isinstance(item, Frame)]


def seconds(source: VideoSource, frames: Sequence[Frame]) -> list[float]:
    return [float(frame.pts * source.time_base) for frame in frames]


def grey(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """H×W×3 uint8, brighter to the right and with time."""
    row = np.linspace(20, 180, size[0]).astype(np.uint8) + np.uint8(5 * number)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (size[1], size[0], 3)))


def write(
    path: Any,
    codec: str,
    pix_fmt: str,
    shown: Sequence[np.ndarray],
    *,
    form: str = "rgb24",
    container: str | None = None,
    options: dict[str, str] | None = None,
    ticks: Sequence[int] = (),
    **context: int,
) -> None:
    """A clip of 25 frames per second; ``context``: the encoder's colours."""
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"this PyAV lacks the encoder {codec}")
    with av.open(path if container else str(path), "w", format=container) as opened:
        stream: Any = opened.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = shown[0].shape[1], shown[0].shape[0]
        stream.pix_fmt = pix_fmt
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        if path is not None and str(path).endswith((".webm", ".mkv")) and "yuva" in pix_fmt:
            stream.metadata["alpha_mode"] = "1"
        for number, pixels in enumerate(shown):
            frame: Any = av.VideoFrame.from_ndarray(pixels, format=form)
            matrix = {"dst_colorspace": "bt2020"} if context.get("colorspace") == 9 else {}
            frame = frame.reformat(format=pix_fmt, dst_color_range=1, **matrix)
            frame.pts, frame.time_base = (ticks or range(99))[number], Fraction(1, 25)
            opened.mux(stream.encode(frame))
        opened.mux(stream.encode())
