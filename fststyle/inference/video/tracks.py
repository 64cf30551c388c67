"""What a film has beside its frames, sound, subtitles and more: copied or converted."""

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple, Protocol

import av

from fststyle.inference.video.formats import Container

BIT_RATE = 96_000
"""Per second and channel, of sound that has to be converted; lossless encoders ignore it."""


BROADCAST = 48_000
"""Samples per second."""


class Track(Protocol):
    """A stream that is written."""

    stream: Any

    def packets(self, packet: Any) -> Iterator[Any]:
        """What to write of a packet of the source."""

    def flush(self) -> Iterator[Any]:
        """What is left."""


class TrackOption(NamedTuple):
    """How a stream can become a track.

    ``add`` puts it into a container that is written; it raises ValueError or FFmpegError where that
    takes none such. ``encoder``: what it is converted by; empty where it is copied.
    """

    add: Callable[[Any], Track]
    encoder: str = ""


def track_options(stream: Any, form: Container) -> Iterator[TrackOption]:
    """How a source's stream can become a track, the best first."""
    codec = stream.codec_context.codec if stream.codec_context else None
    if not form.takes or _codec_name(stream) in form.takes:
        yield TrackOption(partial(Copied, template=stream))
    if not codec:
        return
    kinds: dict[str, tuple[Any, tuple[str, ...]]] = {
        "audio": (Sound, form.sound),
        "subtitle": (Text, form.text if codec.text_sub else ()),
    }
    kind, encoders = kinds.get(stream.type, (None, ()))
    for encoder in encoders:
        yield TrackOption(partial(kind, template=stream, encoder=encoder), encoder)
        if kind is Sound:  # MXF has no other rate
            yield TrackOption(
                partial(Sound, template=stream, encoder=encoder, rate=BROADCAST), encoder
            )


_USUAL_LAYOUTS = {
    1: "mono",
    2: "stereo",
    3: "2.1",
    4: "4.0",
    5: "5.0",
    6: "5.1",
    7: "6.1",
    8: "7.1",
}
"""Layouts of so many channels, as FFmpeg guesses them."""


class Copied:
    """A track as it is."""

    def __init__(self, container: Any, template: Any) -> None:
        self.stream = container.add_stream_from_template(template, opaque=True)
        if template.type == "audio":
            context = self.stream.codec_context
            count = context.layout.nb_channels
            if context.layout.name == f"{count} channels" and count in _USUAL_LAYOUTS:
                context.layout = _USUAL_LAYOUTS[count]  # muxers fail where it is not said

    def packets(self, packet: Any) -> Iterator[Any]:
        """See ``Track``; the packet is taken up."""
        if packet.size:
            packet.stream = self.stream
            yield packet

    def flush(self) -> Iterator[Any]:
        """See ``Track``."""
        return iter(())


class Cover:
    """A picture of the film as a whole."""

    def __init__(self, container: Any, template: Any, picture: bytes) -> None:
        self._attached, self._picture = container.format.name == "matroska", picture
        if self._attached:  # which has pictures among the files that are attached
            codec = template.codec_context.name
            suffix, kind = {"mjpeg": ("jpg", "jpeg")}.get(codec, (codec, codec))
            name = template.metadata.get("filename", f"cover.{suffix}")
            self.stream = container.add_attachment(name, f"image/{kind}", picture)
        else:
            self.stream = container.add_stream_from_template(template, opaque=True)
            self.stream.disposition = int(av.stream.Disposition.attached_pic)

    def packets(self, packet: Any) -> Iterator[Any]:
        """See ``Track``; there is one, written at the end."""
        return iter(())

    def flush(self) -> Iterator[Any]:
        """See ``Track``."""
        if not self._attached:
            packet: Any = av.Packet(self._picture)
            packet.pts = packet.dts = 0
            packet.stream, packet.is_keyframe = self.stream, True
            yield packet


class Sound:
    """A track that is decoded and encoded anew."""

    def __init__(self, container: Any, template: Any, encoder: str, rate: int = 0) -> None:
        self._decoder = _Decoder(template)
        source = template.codec_context
        rate, layout, bit_rate = _sound_settings(encoder, source.layout, rate or source.sample_rate)
        self.stream = container.add_stream(encoder, rate=rate, layout=layout, bit_rate=bit_rate)
        self._resampler: Any = None
        self._format: Any = None

    def packets(self, packet: Any) -> Iterator[Any]:
        """See ``Track``; damaged packets give nothing."""
        try:
            frames = self._decoder.context.decode(packet if packet.size else None)
        except av.error.FFmpegError:
            return
        for frame in frames:
            yield from self._encode(frame)

    def flush(self) -> Iterator[Any]:
        """See ``Track``."""
        for frame in self._decoder.flush():
            yield from self._encode(frame)
        yield from self._resampled(None)
        if self._format is not None:
            yield from self.stream.encode(None)

    def _encode(self, frame: Any) -> Iterator[Any]:
        sound_format = frame.format.name, frame.layout.name, frame.sample_rate
        if sound_format != self._format:  # sound may change in mid-film, as television's does
            yield from self._resampled(None)
            context = self.stream.codec_context
            if not context.is_open:
                context.open()
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.sample_rate, context.frame_size or 1024
            )
            self._format = sound_format
        yield from self._resampled(frame)

    def _resampled(self, frame: Any) -> Iterator[Any]:
        if self._resampler is None:
            return
        for part in self._resampler.resample(frame):
            yield from self.stream.encode(part)


def _sound_settings(encoder: str, source: Any, rate: int) -> tuple[int, str, int]:
    """(samples per second, channels, bits per second) that the encoder takes, as near as possible
    to the layout and rate of the source.

    Raises ValueError where there is no such encoder, or where it takes nothing.
    """
    codec = av.Codec(encoder, "w")
    rates = sorted(codec.audio_rates or [rate])
    rate = next((one for one in rates if one >= rate), rates[-1])
    count = source.nb_channels
    layouts = [source.name, *(["5.1"] if count >= 6 else []), "stereo", "mono"]
    if count < 2:
        layouts = ["mono"]
    for layout in dict.fromkeys(layouts):
        for bit_rate in (BIT_RATE * av.AudioLayout(layout).nb_channels, 0):
            try:
                context: Any = av.CodecContext.create(encoder, "w")
                context.format = (codec.audio_formats or [context.format])[0]
                context.sample_rate, context.layout = rate, layout
                context.bit_rate = bit_rate
                context.open()
            except (av.error.FFmpegError, ValueError):
                continue
            return rate, layout, bit_rate
    raise ValueError(f"{encoder} does not take {source.name} at {rate} Hz")


class Text:
    """A track of subtitles in another format of text."""

    def __init__(self, container: Any, template: Any, encoder: str) -> None:
        self._decoder = _Decoder(template)
        self._decoder.context.open(strict=False)
        self.stream = container.add_stream(encoder)
        self.stream.codec_context.subtitle_header = self._decoder.context.subtitle_header
        self.stream.time_base = self.stream.codec_context.time_base = Fraction(1, 1000)

    def packets(self, packet: Any) -> Iterator[Any]:
        """See ``Track``; damaged packets give nothing."""
        if not packet.size or packet.pts is None:
            return
        context = self.stream.codec_context
        try:
            subtitles = self._decoder.context.decode2(packet)
            if subtitles is None or not len(subtitles):
                return
            late, lasts = subtitles.start_display_time, subtitles.end_display_time
            subtitles.start_display_time = 0
            encoded = context.encode_subtitle(subtitles)
        except (av.error.FFmpegError, ValueError):
            return
        encoded.time_base = Fraction(1, 1000)
        encoded.pts = encoded.dts = round(packet.pts * packet.time_base * 1000) + late
        duration = round((packet.duration or 0) * packet.time_base * 1000)
        encoded.duration = duration or max(0, lasts - late)
        encoded.stream = self.stream
        yield encoded

    def flush(self) -> Iterator[Any]:
        """See ``Track``."""
        return iter(())


class _Decoder:
    """A decoder of its own for a source's stream: several films may be written of one, each in a
    thread. Only a container's streams get all parameters of another's."""

    def __init__(self, template: Any) -> None:
        self._scratch = av.open(io.BytesIO(), "w", format="null")
        stream: Any = self._scratch.add_stream_from_template(template, opaque=True)
        self.context: Any = stream.codec_context
        # With it the decoder sets the time right after what it is told to cut off.
        self.context.options = {"pkt_timebase": str(template.time_base)}

    def flush(self) -> list[Any]:
        """What was held back."""
        try:
            return list(self.context.decode(None)) if self.context.is_open else []
        except av.error.FFmpegError:
            return []


def label(stream: Any) -> str:
    """What the user knows a stream by."""
    name = _codec_name(stream)
    kind = {"audio": "sound", "subtitle": "subtitles"}.get(stream.type, stream.type)
    language = stream.metadata.get("language", "und")
    words = [name or "of unknown kind"] + [language] * (language != "und")
    return f"{kind} ({', '.join(words)})"


def _codec_name(stream: Any) -> str | None:
    """None where FFmpeg does not know it."""
    if stream.codec_context:
        return stream.codec_context.codec.canonical_name
    return getattr(stream, "name", None)  # which data has, and sound without a codec has not
