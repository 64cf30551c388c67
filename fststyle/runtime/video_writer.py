"""Videos written through PyAV: frames with their time, sound and subtitles as they are."""

import contextlib
import sys
from pathlib import Path
from typing import Any, cast

import av
from av.video.reformatter import ColorRange, VideoReformatter

from fststyle.runtime.video import SCALER_FLAGS, Frame

PRESET = "veryfast"
"""Of x264 and x265. The network and the encoder share the cores, and strokes are hard to encode: at
640×360 a frame takes x264 11 ms of a core, and 33 ms at its default, medium, which at a rate factor
larger by 2 is as good (37.8 dB, 38.1 dB) in files 11 % smaller."""


class VideoTarget:
    """A video file that is written frame by frame.

    Sound and subtitles are copied as far as the container takes them; what it does not is said.

    Args:
        path: the file; its suffix names the container.
        source: whose time, colours, aspect, sound and subtitles it has, a ``VideoSource`` or
            ``frames.FolderSource``.
        codec: FFmpeg's name of the encoder.
        quality: constant rate factor, smaller = better.

    Raises ValueError with the reason.
    """

    def __init__(self, path: Path, name: Path, source: Any, codec: str, quality: int) -> None:
        form = _FORMATS[name.suffix.lower()]
        try:
            self._container: Any = av.open(str(path), "w", format=form)
            self._video = cast(Any, self._container.add_stream(codec, rate=source.rate))
        except (av.error.FFmpegError, ValueError) as error:
            raise ValueError(f"{name}: cannot be written with codec {codec} ({error})") from error
        context, colour = self._video.codec_context, source.colour
        self._source, self._colour = source, colour
        self._video.width, self._video.height = source.width, source.height
        odd = source.width % 2 or source.height % 2
        # Chroma of half the size needs even sides.
        self._video.pix_fmt = self._format = "yuv444p" if odd else "yuv420p"
        self._video.time_base = context.time_base = source.time_base
        context.sample_aspect_ratio = source.aspect
        context.color_range = 2 if colour.full_range else 1
        context.colorspace = colour.matrix
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.options = {"crf": str(quality)}
        if codec in ("libx264", "libx265"):
            context.options = {"crf": str(quality), "preset": PRESET}
        if codec.startswith("libvpx"):
            context.options = {"crf": str(quality), "b:v": "0", "row-mt": "1"}
        context.thread_count = 0
        self._reformatter = VideoReformatter()
        self._copies: dict[int, Any] = {}
        for stream in source.others:
            try:
                self._copies[stream.index] = self._container.add_stream_from_template(stream)
            except (av.error.FFmpegError, ValueError) as error:
                print(
                    f"{name}: {stream.type} ({stream.codec_context.name}) is left out, which the"
                    f" container does not take ({error}); .mkv takes nearly all",
                    file=sys.stderr,
                )
        self.frames = 0

    def put(self, item: "Frame | av.Packet[Any]") -> None:
        """Write a frame, or copy a packet of the source."""
        if isinstance(item, av.Packet):
            copy = self._copies.get(item.stream.index)
            if copy is not None:
                item.stream = copy
                self._container.mux(item)
            return
        frame: Any = av.VideoFrame.from_ndarray(item.pixels, format="rgb24")
        frame = self._reformatter.reformat(
            frame,
            format=self._format,
            dst_colorspace=self._colour.scaler_matrix(self._source.height),
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._colour.scaler_range,
            interpolation=SCALER_FLAGS,
        )
        frame.pts, frame.time_base = item.pts, self._source.time_base
        self._container.mux(self._video.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Write what is left; after that the file can be played."""
        self._container.mux(self._video.encode())
        self._container.close()

    def abandon(self) -> None:
        """Release the file, whatever it holds; after ``close`` nothing happens."""
        with contextlib.suppress(av.error.FFmpegError, OSError):
            self._container.close()


def copied(packet: Any) -> Any:
    """An ``av.Packet`` with the same data, time and stream."""
    copy: Any = av.Packet(bytes(packet))
    for name in ("pts", "dts", "duration", "time_base", "is_keyframe", "stream"):
        setattr(copy, name, getattr(packet, name))
    return copy


_FORMATS = {".m4v": "mp4", ".mkv": "matroska", ".mp4": "mp4", ".mov": "mov", ".webm": "webm"}
"""Containers that are written, by suffix."""
_WRITTEN = (*_FORMATS, ".gif")


def output_name(name: Path) -> Path:
    """The name of the video made from one of this name."""
    return name if name.suffix.lower() in _WRITTEN else name.with_name(f"{name.name}.mp4")


def check_video_name(name: Path) -> None:
    """Raises ValueError where no video can be written under this name."""
    if name.suffix.lower() not in _WRITTEN:
        raise ValueError(f"{name}: cannot write such a video; use {', '.join(_WRITTEN)}")
