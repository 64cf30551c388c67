"""Videos read through PyAV: frames with their time, and the packets of sound and subtitles."""

import math
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from PIL import Image

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv")
"""Files that are taken for videos."""

_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""FFmpeg's AVColorSpace to the scaler's."""
SCALER_FLAGS = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""Any less of them rounds colours down by more than one of 255 on the way to RGB: white is grey."""
HD = 720
"""Pictures of at least this height that do not name their matrix have that of BT.709, smaller ones
that of BT.601, as players see them."""


class Frame(NamedTuple):
    """One picture of a video.

    Attributes:
        pixels: H×W×3 uint8 RGB, upright; not multiplied by ``alpha``, and white where that is 0.
        pts: when it is shown, in units of the source's time base.
        duration: for how long, in the same units; 0 where the file does not say.
        alpha: H×W uint8, 0 = transparent; None in sources without transparency.
    """

    pixels: np.ndarray
    pts: int
    duration: int = 0
    alpha: np.ndarray | None = None


class Colour(NamedTuple):
    """What a stream says of its colours, as FFmpeg's numbers."""

    matrix: int
    full_range: bool
    primaries: int
    transfer: int

    @property
    def has_matrix(self) -> bool:
        """Whether the scaler knows the matrix that is named."""
        return self.matrix in _MATRICES

    def scaler_matrix(self, height: int) -> Colorspace:
        """What the scaler is to compute with."""
        guess = Colorspace.ITU709 if height >= HD else Colorspace.ITU601
        return _MATRICES.get(self.matrix, guess)

    @property
    def scaler_range(self) -> ColorRange:
        """What the scaler is to compute with."""
        return ColorRange.JPEG if self.full_range else ColorRange.MPEG


class VideoSource:
    """The frames of a video, and the packets of what else it holds.

    Attributes:
        width, height: of the upright frames.
        time_base: seconds per unit of ``pts``.
        rate: frames per second on average, as far as known.
        count: frames, as far as the file says; 0 where it does not.
        has_alpha: whether frames have ``alpha``.
        loop: how often the film is to be played, 0 = for ever; None where the file does not say.
        start: seconds that are taken off all time stamps, those of the packets, too, so that the
            earliest stream begins at 0.
        container: PyAV's, for tags, chapters and the like; None where there is none.
        corrupt: frames that could not be decoded, so far.
        failure: what ended reading before the end; empty where nothing did.
        notes: what the file says and is not honoured, or was changed, a line each, so far.

    Args:
        source: a file, or whatever else FFmpeg opens.
        max_size: frames whose longer side is larger are reduced to it.

    Raises FileNotFoundError or ValueError with the reason.
    """

    def __init__(self, source: str, max_size: int | None = None) -> None:
        self.source, self._max_size = source, max_size
        self.container: Any = _open(source)
        if not self.container.streams.video:
            self.container.close()
            raise ValueError(f"{source}: holds no video stream")
        self._video = self.container.streams.video[0]
        self._video.thread_type = "AUTO"
        self.has_alpha, self.loop, self.start = False, None, Fraction(0)
        self.notes: list[str] = []
        self.corrupt, self.failure = 0, ""
        self.time_base: Fraction = self._video.time_base or Fraction(1, 1000)
        self.rate: Fraction = self._video.average_rate or self._video.base_rate or Fraction(25)
        self.count = self._video.frames
        if not self.count and self._video.duration:
            self.count = round(self._video.duration * self.time_base * self.rate)
        context = self._video.codec_context
        self.colour = Colour(
            int(context.colorspace),
            int(context.color_range) == 2 or str(context.pix_fmt).startswith("yuvj"),
            int(context.color_primaries),
            int(context.color_trc),
        )
        self._reformatter = VideoReformatter()
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            self.close()
            raise ValueError(f"{source}: no frame of it can be decoded")
        pixels = self._first.pixels
        self.height, self.width = pixels.shape[:2]
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        self.aspect = 1 / aspect if self._turned % 180 else aspect
        """Width of a pixel by its height."""

    @property
    def stream(self) -> Any:
        """PyAV's, of the frames."""
        return self._video

    @property
    def others(self) -> Sequence[Any]:
        """Sound and subtitles."""
        return [s for s in self.container.streams if s.type in ("audio", "subtitle")]

    def __iter__(self) -> Iterator["Frame | av.Packet[Any]"]:
        """Frames, and packets of the other streams, in the file's order."""
        assert self._first is not None
        yield from self._early
        yield self._first
        yield from self._frames

    def close(self) -> None:
        """Release the file."""
        self.container.close()

    def _decode(self) -> Iterator[Any]:
        self._early: list[Any] = []
        self._turned, started = 0, False
        number, last = 0, None
        packets = self.container.demux(self._video, *self.others)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.failure = str(error)
                return
            if packet.stream is not self._video:
                if packet.dts is not None and started:
                    yield packet
                elif packet.dts is not None:
                    self._early.append(packet)
                continue
            try:
                decoded = packet.decode()
            except av.error.FFmpegError:
                self.corrupt += 1
                continue
            for frame in decoded:
                if frame.is_corrupt:
                    self.corrupt += 1
                    continue
                if not started:
                    self._turned = int(frame.rotation)
                    started = True
                pts = frame.pts
                if pts is None:  # raw streams have no time
                    pts = round(number / self.rate / self.time_base)
                if last is not None and pts <= last:
                    pts = last + 1
                number, last = number + 1, pts
                yield Frame(self._rgb(frame), pts, frame.duration or 0)

    def _rgb(self, frame: Any) -> np.ndarray:
        scale = min(1.0, (self._max_size or math.inf) / max(frame.width, frame.height))
        width, height = frame.width, frame.height
        if scale < 1:  # to even sides, which every player takes
            width, height = (max(16, round(side * scale / 2) * 2) for side in (width, height))
        converted = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgb24",
            src_colorspace=self.colour.scaler_matrix(frame.height),
            src_color_range=self.colour.scaler_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALER_FLAGS,
        )
        pixels = converted.to_ndarray()
        return (
            np.ascontiguousarray(np.rot90(pixels, self._turned // 90)) if self._turned else pixels
        )


CAMERA = "camera:"
TIMEOUT = (10.0, 10.0)
"""Seconds to open a stream, and between its packets."""


def is_live(source: str) -> bool:
    """Whether it is a camera or a stream's address instead of a file."""
    return source.startswith(CAMERA) or "://" in source


def _open(source: str) -> Any:
    """FFmpeg's container for a file, a stream's address or camera:NUMBER (on Windows camera:NAME).

    Raises FileNotFoundError or ValueError with the reason.
    """
    try:
        if source.startswith(CAMERA):
            name = source.removeprefix(CAMERA)
            form, device = {
                "linux": ("v4l2", f"/dev/video{name}"),
                "darwin": ("avfoundation", name),
                "win32": ("dshow", f"video={name}"),
            }.get(sys.platform, ("v4l2", name))
            return av.open(device, format=form)
        return av.open(source, timeout=TIMEOUT if is_live(source) else None)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if source.startswith(CAMERA):
            raise ValueError(
                f"{source}: no such camera, or it is in use ({error}); camera:0 is the first"
            ) from error
        if isinstance(error, FileNotFoundError) and not is_live(source):
            raise FileNotFoundError(f"{source}: no such file") from None
        raise ValueError(f"{source}: not a video that can be read ({error})") from error


def is_video(file: Path) -> bool:
    """Whether a file is taken for a video: by its name, a GIF where it moves."""
    if file.suffix.lower() != ".gif":
        return file.suffix.lower() in SUFFIXES
    try:
        with Image.open(file) as image:
            return getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError):
        return False
