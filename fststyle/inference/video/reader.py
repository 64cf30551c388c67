"""Videos read through PyAV: frames with their time, and the packets of sound and subtitles."""

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np

from fststyle.inference.video.conversion import ColorSpace, Converter
from fststyle.inference.video.deinterlace import Deinterlacer
from fststyle.inference.video.media import film_streams, is_live, is_piped, open_container
from fststyle.inference.video.standard_files import StandardInput
from fststyle.inference.video.timeline import MICRO, Timeline

if TYPE_CHECKING:
    from fststyle.inference.video.steady import Motion

EARLY = 32_000_000
"""Bytes of sound before the first frame that are kept; where there are more, files are read anew,
and streams and pipes begin without."""
_ORDER_ONLY = ("avi",)
"""Containers that say when packets are decoded, not when frames are shown. What FFmpeg guesses is
right without B frames; with them frames, which come in order, take those times in turn."""
_FRAME_AFTER_FRAME = ("yuv4mpegpipe",)
"""Containers that end with a frame, and whose reader says nothing of half a one."""
_SAY_THEIR_LENGTH = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv")
"""Containers whose header does; of others FFmpeg estimates it."""
CUT_SHORT = 1.0
"""Seconds by which a file that ends earlier than its header says was cut off: FFmpeg is silent."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that know the alpha of codecs whose own decoder leaves it out."""


class Frame(NamedTuple):
    """One picture of a video.

    Attributes:
        pixels: H×W×3 uint8 RGB, upright; not multiplied by ``alpha``, and white where that is 0.
        pts: when it is shown, in units of the source's time base.
        duration: for how long, in the same units; 0 where the file does not say.
        alpha: H×W uint8, 0 = transparent; None in sources without transparency.
        map: what was told of it, h×w float32; None where nothing was.
        motion: since the frame before; None where none was looked for or found.
        mapless: ``pixels`` as they are without a map, whose grain goes by none; None where that
            was not asked for, or is the same.
    """

    pixels: np.ndarray
    pts: int
    duration: int = 0
    alpha: np.ndarray | None = None
    map: np.ndarray | None = None
    motion: "Motion | None" = None
    mapless: np.ndarray | None = None


class VideoSource:
    """The frames of a video, and the packets of what else it holds.

    Of several films in one file it is the one that ffmpeg would take. Frames are those of
    progressive, standard dynamic range video whatever the file holds; ``notes`` tell.

    Attributes:
        width, height: of the upright frames.
        aspect: width of a pixel by its height.
        color: of the frames, and what a video made of them is to say.
        time_base: seconds per unit of ``pts``.
        rate: frames per second on average, as far as known.
        count: frames, as far as the file says; 0 where it does not.
        has_alpha: whether frames have ``alpha``.
        loop: how often the film is to be played, 0 = for ever; None where the file does not say.
        start: seconds that are taken off all time stamps, those of the packets, too, so that the
            earliest stream begins at 0.
        live: whether it goes on for as long as its sender likes, who does not wait.
        container: PyAV's, for tags, chapters and the like; None where there is none.
        stream: PyAV's, of the frames; None where there is none.
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
        self.loop: int | None = None
        self._converter: Converter | None = None
        self._items: Iterator[Frame | av.Packet[Any]]
        self._begin()
        self.live = is_live(source) and not (is_piped(source) or _is_finite(self.container))
        self.rate = _rate(self.stream)
        self.count = self._count()
        self._items = self._from_first_frame()
        assert self._converter is not None
        self.width: int = self._converter.width
        self.height: int = self._converter.height
        self.color: ColorSpace = self._converter.color
        self.has_alpha: bool = self._converter.has_alpha
        aspect: Fraction = self.stream.sample_aspect_ratio or Fraction(1)
        self.aspect: Fraction = 1 / aspect if self._converter.aspect_turned else aspect

    def _begin(self) -> None:
        """Open it, before the first packet."""
        self._input, self._place = StandardInput(), 0
        self.container: Any = open_container(self.source, self._input)
        try:
            streams = film_streams(self.container)
            if not streams:
                raise ValueError(f"{self.source}: {_describe_missing_film(self.container)}")
            self.stream = streams[0]
            self._decoder, self._notes = _decoder(self.stream), list[str]()
        except ValueError:
            self.close()
            raise
        if len(streams) > 1:
            self._notes.append(f"{len(streams) - 1} more video stream(s) in it are left out")
        self.time_base: Fraction = self.stream.time_base or Fraction(1, 1000)
        self._timeline = Timeline(self.container)
        self.start = self._timeline.start
        self._decode_times: deque[int | None] | None = deque() if self._order_only else None
        self.corrupt, self.failure, self._end, self._partial = 0, "", 0.0, False
        self._items = self._timed_frames()

    @property
    def _order_only(self) -> bool:
        return self.container.format.name in _ORDER_ONLY

    @property
    def _whole_packets(self) -> bool:
        """Whether it is no broadcast, in which packets may be damaged anywhere."""
        return self.container.format.name in _SAY_THEIR_LENGTH

    @property
    def notes(self) -> list[str]:
        """See above."""
        return [*self._notes, *(self._converter.notes if self._converter else [])]

    @property
    def others(self) -> Sequence[Any]:
        """Streams of sound, subtitles and data, whose packets come with the frames."""
        kinds = ("audio", "subtitle", "data")
        return [stream for stream in self.container.streams if stream.type in kinds]

    def __iter__(self) -> Iterator["Frame | av.Packet[Any]"]:
        """Frames, and packets of the other streams, in the file's order; once."""
        return self._items

    def close(self) -> None:
        """Release the file."""
        self.container.close()

    def span(self) -> tuple[int, int]:
        """``pts`` of the first and of the last frame; few containers say them, so the file is read
        through, without decoding."""
        times: list[int] = []
        with open_container(self.source) as container:
            stream = container.streams[self.stream.index]
            timeline = Timeline(container)
            try:
                for packet in container.demux(stream):
                    timeline.place(packet)
                    if packet.size and not packet.is_discard:
                        by_order = self._order_only or packet.pts is None
                        times.append(packet.dts if by_order else packet.pts)
            except av.error.FFmpegError:
                pass  # reading the frames will end there, too
        known = [at for at in times if at is not None]
        if len(known) > 1:
            begin = 0 if self.container.start_time is not None or self.others else min(known)
            return min(known) - begin, max(known) - begin
        return 0, round((len(times) - 1) / self.rate / self.time_base)

    def _from_first_frame(self) -> Iterator[Any]:
        """Everything, once there is a frame.

        Raises ValueError where there is none.
        """
        early: list[Any] = []
        items, size = self._items, 0
        for item in items:
            if isinstance(item, Frame):
                early.append(item)
                break
            size += item.size
            if size <= EARLY:
                early.append(item)
        else:
            self.close()
            reason = f" ({self.failure})" if self.failure else ""
            raise ValueError(f"{self.source}: no frame of it can be decoded{reason}")
        if size > EARLY and not (self.live or is_piped(self.source)):
            self.close()
            self._begin()
            return self._items
        return _emptied_then(early, items)

    def _timed_frames(self) -> Iterator["Frame | av.Packet[Any]"]:
        """Packets, and frames with their pixels, later than the ones before."""
        number, last, begin = 0, None, 0
        for item in self._progressive():
            if isinstance(item, av.Packet):
                yield item
                continue
            pts = item.pts
            if pts is None:  # raw streams have no time
                pts = round(number / self.rate / self.time_base)
            if not number and self.container.start_time is None and not self.others:
                begin = pts
            pts -= begin
            if last is not None and pts <= last:
                pts = last + 1
            number, last = number + 1, pts
            assert self._converter is not None
            pixels, alpha = self._converter(item)
            yield Frame(pixels, pts, self._duration(item, pts), alpha)

    def _progressive(self) -> Iterator[Any]:
        """Packets, and FFmpeg's frames, deinterlaced from the first on that needs it."""
        deinterlacer: Deinterlacer | None = None
        for item in self._decoded():
            if isinstance(item, av.Packet):
                yield item
                continue
            if self._converter is None:
                context = self.stream.codec_context
                self._converter = Converter(item, context, self._max_size)
            if deinterlacer is None and item.interlaced_frame:
                deinterlacer = Deinterlacer(self.time_base)
                self._notes.append("is interlaced: its fields become whole frames (bwdif)")
            if deinterlacer is None:
                yield item
            else:
                yield from deinterlacer(item)
        if deinterlacer is not None:
            yield from deinterlacer.flush()

    def _decoded(self) -> Iterator[Any]:
        """Packets of the other streams, and FFmpeg's frames."""
        packets = self.container.demux(self.stream, *self.others)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                self.failure, packet = str(error), None
                yield from self._frames_of(None)
            if packet is None:
                self.failure = self.failure or self._describe_truncation()
                return
            if packet.is_corrupt and self._whole_packets:
                # FFmpeg's threads would lose frames before it that wait to be shown.
                self._partial = True
                continue
            self._timeline.place(packet)
            if packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * float(packet.time_base)
                self._end = max(self._end, end)
            if packet.stream is self.stream:
                self._place = (packet.pos or 0) + packet.size or self._place
                # What is empty is the end, or an AVI's word for "the frame before".
                if packet.size or packet.dts is None:
                    yield from self._frames_of(packet)
                continue
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.dts is not None:
                yield packet

    def _describe_truncation(self) -> str:
        """What to say of a file that ends within a packet, or before the time that it says; empty
        where it does not."""
        if self.container.format.name in _FRAME_AFTER_FRAME:
            size = self._input.count if is_piped(self.source) else self.container.size
            return "it ends within a frame" if self._place < size else ""
        alone = len(film_streams(self.container)) == 1  # else another film may be longer
        seconds = self._declared_end()
        if not seconds or not alone or self._end > seconds - CUT_SHORT:
            return "it is cut off" if self._partial else ""
        return f"it ends after {self._end:.1f} of {float(seconds):.1f} s"

    def _declared_end(self) -> Fraction:
        """Seconds after which it is over, sound included; 0 where the file does not say."""
        if self.container.duration is None or not self._whole_packets:
            return Fraction(0)
        return Fraction(self.container.duration, MICRO) - max(self.start, Fraction(0))

    def _duration(self, frame: Any, pts: int) -> int:
        """How long a frame is shown, which FFmpeg guesses by the average where the file does not
        say it; the last one not longer than the film."""
        remaining = round(self._declared_end() / self.time_base) - pts
        duration = frame.duration or 0
        return min(duration, remaining) if remaining > 0 else duration

    def _frames_of(self, packet: Any) -> Iterator[Any]:
        if self._decode_times is not None and packet is not None and packet.size:
            self._decode_times.append(packet.dts)
        try:
            decoded = self._decoder.decode(packet)
        except av.error.FFmpegError:
            self.corrupt += 1
            if self._decode_times:
                self._decode_times.popleft()
            return
        for frame in decoded:
            if self._decode_times:
                frame.pts = self._decode_times.popleft()
            if frame.is_corrupt:
                self.corrupt += 1
            else:
                yield frame

    def _count(self) -> int:
        if self.stream.frames or self.live:
            return int(self.stream.frames)
        if self.stream.duration:
            return round(self.stream.duration * self.time_base * self.rate)
        # Where streams do not say it, the container's end is counted from its clock's 0.
        seconds = Fraction(self.container.duration or 0, MICRO) - max(self.start, Fraction(0))
        return max(0, round(seconds * self.rate))


def _emptied_then(early: list[Any], items: Iterator[Any]) -> Iterator[Any]:
    while early:  # nothing is kept that is passed on
        yield early.pop(0)
    yield from items


def _describe_missing_film(container: Any) -> str:
    """Why there is no film."""
    unknown = [stream for stream in container.streams.video if stream.codec_context is None]
    if unknown:
        return "its video is in a codec that FFmpeg does not know"
    return "holds no video stream" + (" but a cover picture" * bool(container.streams.video))


def _decoder(stream: Any) -> Any:
    """What decodes a stream, alpha included."""
    context: Any = stream.codec_context
    name = _WITH_ALPHA.get(context.name)
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    if name and tags.get("alpha_mode") == "1" and name in av.codecs_available:
        context = av.CodecContext.create(name, "r")
        context.extradata = stream.codec_context.extradata
        context.thread_count = 0
        return context
    context.thread_type = "AUTO"
    return context


def _rate(stream: Any) -> Fraction:
    # The average is wrong by far in some containers (DV), the guess where times are uneven.
    rates = [Fraction(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate]
    return min(rates, default=Fraction(25))


def _is_finite(container: Any) -> bool:
    """Whether what is behind an address is a file."""
    if container.duration is not None:
        return True
    # What has no duration may have a size, but for lists, whose size is not the film's.
    return container.format.name not in ("hls", "dash") and container.size > 0
