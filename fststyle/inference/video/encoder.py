"""Frames to packets: pixels of the kind that the encoder takes, at their moments."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import ColorRange, VideoReformatter

from fststyle.inference.video.conversion import SCALER_FLAGS
from fststyle.inference.video.encoding import Encoding
from fststyle.inference.video.reader import Frame


class VideoEncoder:
    """A film's stream in a container that is written.

    Args:
        container: PyAV's.
        source: whose frames come.

    Attributes:
        stream: PyAV's.
        last: seconds that the last frame so far is shown.
        seconds: how long the film is, so far.
    """

    def __init__(self, container: Any, encoding: Encoding, source: Any) -> None:
        self._encoding, self._source = encoding, source
        self.stream = cast(Any, container.add_stream(encoding.codec, rate=encoding.rate))
        encoding.apply(self.stream.codec_context)
        self.stream.time_base = encoding.time_base
        self._reformatter = VideoReformatter()
        self._durations: dict[int, int] = {}
        self._held: tuple[Any, int] | None = None
        self.seconds = self.last = Fraction(0)
        self._delay: int | None = None
        self._by_dts = container.format.name in ("mp4", "mov", "3gp")

    def encode(self, frame: Frame) -> Iterator[Any]:
        """Packets, of frames before: this one waits for the next, which says how long it is shown.

        Files say that of the last one only: of a frame, MP4 tells when the next is decoded.
        """
        start = frame.pts * Fraction(self._source.time_base)
        yield from self._until(self._ticks(start))
        self._held = self._convert(frame), self._ticks(start)
        self.last = frame.duration * Fraction(self._source.time_base) or 1 / self._encoding.rate
        self.seconds = start + self.last

    def flush(self) -> Iterator[Any]:
        """The last packets."""
        end = self._ticks(self.seconds)
        if self._held is not None:
            yield from self._until(max(end, self._held[1] + (not self._encoding.steady)))
        last = list(self._packets(None)) if self._durations else []
        if last and self._by_dts:
            # There the film is as long as its packets in the order of decoding.
            last[-1].duration = max(1, end - last[-1].dts - (self._delay or 0))
        yield from last

    def _ticks(self, seconds: Fraction) -> int:
        return round(seconds / self._encoding.time_base)

    def _until(self, end: int) -> Iterator[Any]:
        """The frame in hand, from its time to ``end``: once for each tick where all are alike."""
        if self._held is None:
            return
        picture, start = self._held
        length = 1 if self._encoding.steady else end - start
        for at in range(start, end, max(1, length)):
            picture.pts, picture.time_base = at, self._encoding.time_base
            self._durations[at] = picture.duration = length
            yield from self._packets(picture)

    def _packets(self, picture: Any) -> Iterator[Any]:
        for packet in self.stream.encode(picture):
            # Not every encoder hands it on, and the last one's is the film's end.
            packet.duration = self._durations.pop(packet.pts, packet.duration)
            if self._delay is None:
                self._delay = packet.pts - packet.dts
            yield packet

    def _convert(self, frame: Frame) -> Any:
        encoding, pixels = self._encoding, frame.pixels
        if encoding.alpha:
            alpha = np.full(pixels.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha
            picture: Any = av.VideoFrame.from_ndarray(np.dstack([pixels, alpha]), format="rgba")
        else:
            picture = av.VideoFrame.from_ndarray(on_white(frame), format="rgb24")
        if VideoFormat(encoding.pix_fmt).is_rgb:
            return self._reformatter.reformat(picture, format=encoding.pix_fmt)
        return self._reformatter.reformat(
            picture,
            format=encoding.pix_fmt,
            dst_colorspace=encoding.color.scaler_matrix(self._source.height),
            src_color_range=ColorRange.JPEG,
            dst_color_range=encoding.color.scaler_range,
            interpolation=SCALER_FLAGS,
        )


def on_white(frame: Frame) -> np.ndarray:
    """The pixels; where they are transparent, white shows through."""
    if frame.alpha is None:
        return frame.pixels
    opacity = frame.alpha[..., None].astype(np.uint16)
    return ((frame.pixels * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)
