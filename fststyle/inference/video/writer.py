"""Videos written through PyAV: frames with their time, and all else that the source holds."""

import contextlib
import errno
import io
import sys
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import av

from fststyle.inference.video.encoder import VideoEncoder
from fststyle.inference.video.encoding import choose_encoding, reason
from fststyle.inference.video.formats import CONTAINERS
from fststyle.inference.video.last_duration import set_last_duration
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.standard_files import StandardOutput
from fststyle.inference.video.tags import (
    chapters,
    covers,
    describe,
    describe_track,
    muxer_options,
    timecode,
)
from fststyle.inference.video.timeline import Clock
from fststyle.inference.video.tracks import Cover, Track, TrackOption, label, track_options
from fststyle.utils.console import printable

_DISK = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EPIPE)
_BROKEN = 100
"""Packets that a container may refuse one after the other before the film is given up."""
FILM = "the film"
_CHAPTERS_LAST = ("mp4", "mov", "3gp", "matroska", "webm")
"""Muxers that take chapters at the end, too, when it is known how long the film became."""

_WITH_COVER = ("mp4", "matroska")
_SQUARE = ("webp", "apng", "yuv4mpegpipe", "rawvideo")
"""Muxers that do not say how wide a pixel is."""


class VideoTarget:
    """A video file that is written frame by frame.

    It has the source's tracks, tags and chapters as far as the container takes them: what it does
    not is converted where there is a codec for it, else left out, which is said.

    Args:
        path: the file, or what is written to as to one.
        name: what it is to be called; its suffix names the container.
        source: whose time, colours, aspect and tracks it has, a ``VideoSource`` or
            ``folders.FolderSource``.
        codec: FFmpeg's name of the encoder; None for what fits the container.
        quality: constant rate factor as x264 counts, smaller = better.

    Raises ValueError with the reason.
    """

    def __init__(
        self, path: Path | StandardOutput, name: Path, source: Any, codec: str | None, quality: int
    ) -> None:
        self._name, self._source = name, source
        self._form = CONTAINERS[name.suffix.lower()]
        self._encoding, notes = choose_encoding(name, self._form, source, codec, quality)
        self._file = path
        self._timecode = timecode(source) is not None
        self._refused: Counter[str] = Counter()
        self._in_a_row = 0
        if self._timecode and (not self._form.tagged or not self._takes([])):
            self._timecode = False
            notes.append(f"the time code ({timecode(source)}) is left out")
        if self._form.muxer in _SQUARE and source.aspect != 1:
            notes.append(f"pixels are not square ({source.aspect}), and will be shown so")
        planned = self._plan(notes)
        for note in notes:
            print(f"{printable(name)}: {note}", file=sys.stderr)
        try:
            # A colon in the name of a file is no protocol's.
            where = f"file:{path}" if isinstance(path, Path) else path
            self._container, self._video, self._tracks = self._open(where, planned)
        except (av.error.FFmpegError, ValueError) as error:
            self._fail(error)
        self._clocks = {index: Clock() for index in self._tracks}
        self.frames = 0

    def put(self, item: "Frame | av.Packet[Any]") -> None:
        """Write a frame, or a packet of the source.

        Raises ValueError where the encoder or the container fails, OSError where the disk does.
        """
        if isinstance(item, av.Packet):
            stream, track = self._tracks.get(item.stream.index, (None, None))
            if track is not None:
                self._write(stream, track.packets(item))
            return
        self._encode(self._video.encode(item))
        self.frames += 1

    @property
    def lost(self) -> int:
        """Packets of the film itself that the container refused so far: frames that are not in
        it."""
        return self._refused[FILM]

    def close(self) -> None:
        """Write what is left; after that the file can be played."""
        for stream, track in self._tracks.values():
            self._write(stream, track.flush())
        self._encode(self._video.flush())
        if self._form.muxer in _CHAPTERS_LAST:
            self._container.set_chapters(chapters(self._source, self._video.seconds))
        try:
            self._container.close()
        except (av.error.FFmpegError, ValueError) as error:
            self._fail(error)
        if isinstance(self._file, Path) and self._form.muxer in ("webp", "apng"):
            set_last_duration(self._file, self._video.last)
        for what, count in self._refused.items():
            if what == FILM:  # whoever writes it tells so
                continue
            print(
                f"{printable(self._name)}: {count} packet(s) of {what} are left out, which the"
                " container refuses",
                file=sys.stderr,
            )

    def abandon(self) -> None:
        """Release the file, whatever it holds; after ``close`` nothing happens."""
        with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
            self._container.close()

    def _plan(self, notes: list[str]) -> list[tuple[Any, TrackOption]]:
        """How each of the source's streams becomes a track; what does not is noted."""
        container = self._source.container
        suffix = self._name.suffix
        attached = container.streams.attachments if container is not None else ()
        planned: list[tuple[Any, TrackOption]] = []
        for stream in [*self._source.others, *attached]:
            if stream.type == "data" and _is_made_anew(stream):
                continue
            full = self._form.single and any(s.type == stream.type for s, _ in planned)
            for option in () if full else track_options(stream, self._form):
                if self._takes([*planned, (stream, option)]):
                    planned.append((stream, option))
                    if option.encoder:
                        notes.append(f"{label(stream)} is converted by {option.encoder}")
                    break
            else:
                notes.append(f"{label(stream)} is left out, which {suffix} does not take")
        for stream, picture in covers(self._source):
            cover = (stream, TrackOption(partial(Cover, template=stream, picture=picture)))
            if self._form.muxer in _WITH_COVER and self._takes([*planned, cover]):
                planned.append(cover)
            else:
                notes.append(f"the cover picture is left out, which {suffix} does not take")
        return planned

    def _takes(self, planned: list[tuple[Any, TrackOption]]) -> bool:
        """Whether the container can be begun with these tracks."""
        try:
            container, *_ = self._open(io.BytesIO(), planned)
        except (av.error.FFmpegError, ValueError):
            return False
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            container.close()
        return True

    def _open(
        self, where: Any, planned: list[tuple[Any, TrackOption]]
    ) -> tuple[Any, VideoEncoder, dict[int, tuple[Any, Track]]]:
        """(container, the film's stream, the source's streams and their tracks by index), with the
        header written: whatever is refused is refused here."""
        container: Any = av.open(
            where,
            "w",
            format=self._form.muxer,
            container_options=muxer_options(self._source, self._form),
        )
        video = VideoEncoder(container, self._encoding, self._source)
        describe(container, video.stream, self._source, self._timecode)
        if self._form.muxer not in _CHAPTERS_LAST:
            container.set_chapters(chapters(self._source))
        tracks = {}
        for stream, option in planned:
            track = option.add(container)
            tracks[stream.index] = stream, track
            if not isinstance(track, Cover):
                describe_track(track.stream, stream)
        container.start_encoding()
        return container, video, tracks

    def _write(self, source: Any, packets: Iterable[Any]) -> None:
        """Write a track's packets."""
        for packet in packets:
            _, track = self._tracks[source.index]
            if self._clocks[source.index].set(packet, track.stream.time_base):
                self._mux(packet, label(source))
            else:
                self._refused[label(source)] += 1

    def _encode(self, packets: Iterable[Any]) -> None:
        """Write the film's packets."""
        try:
            for packet in packets:
                self._mux(packet, FILM)
        except av.error.FFmpegError as error:
            raise ValueError(
                f"{self._name}: {self._encoding.codec} failed ({reason(error)})"
            ) from error

    def _mux(self, packet: Any, what: str) -> None:
        """Write a packet; one that the container refuses is no reason to lose the film."""
        try:
            self._container.mux(packet)
            self._in_a_row = 0
        except (av.error.FFmpegError, ValueError) as error:
            self._refused[what] += 1
            self._in_a_row += 1
            if getattr(error, "errno", None) in _DISK or self._in_a_row > _BROKEN:
                self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        number = getattr(error, "errno", None)
        if number in _DISK:
            raise OSError(number, f"cannot be written ({reason(error)})", str(self._name))
        raise ValueError(f"{self._name}: cannot be written ({reason(error)})") from error


def _is_made_anew(stream: Any) -> bool:
    """Whether a data stream is one that the muxer makes: of time codes, or of chapters, which are
    not read with the packets."""
    return "timecode" in stream.metadata or stream.discard == av.stream.Discard.all


def copy_packet(packet: Any) -> Any:
    """An ``av.Packet`` with the same data, side data, time and stream."""
    copy: Any = av.Packet(bytes(packet))
    for name in ("pts", "dts", "duration", "time_base", "is_keyframe", "stream"):
        setattr(copy, name, getattr(packet, name))
    for side in packet.iter_sidedata():
        copy.set_sidedata(side)
    return copy
