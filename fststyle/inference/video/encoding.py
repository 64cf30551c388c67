"""Which encoder a film is written by, and how that is set up."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.format import VideoFormat

from fststyle.inference.video.conversion import ColorSpace
from fststyle.inference.video.formats import Container

PRESET = "veryfast"
"""Of x264 and x265. The network and the encoder share the cores, and strokes are hard to encode: at
640×360 a frame takes x264 11 ms of a core, and 33 ms at its default, medium, which at a rate factor
larger by 2 is as good (37.8 dB, 38.1 dB) in files 11 % smaller."""

_OPAQUE = (
    *("yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv444p", "yuv422p10le", "yuv444p10le"),
    *("bgra", "rgb24", "gbrp", "bgr0", "rgba"),
)
_ODD = ("yuv444p", "yuv444p10le", *_OPAQUE)
"""Chroma of half the size needs even sides with most encoders; these are tried first otherwise."""
_ANY_SIDES = ("libvpx", "libvpx-vp9", "mpeg4", "mpeg2video", "mpeg1video")
"""Encoders that round chroma up. Few players take VP9 with full chroma."""
_ALPHA = ("yuva420p", "yuva444p10le", "bgra", "argb", "rgba", "yuva444p", "gbrap")
_ALPHA_BESIDE = ("libvpx", "libvpx-vp9")
"""Encoders whose alpha is no part of the picture but lies beside it, which Matroska can hold."""

_WITH_RANGE = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "libaom-av1", "h264", "hevc", "av1")
"""Encoders whose streams say whether values reach from 0 to 255, by how their names begin."""
_SCALED = ("mpeg4", "mpeg2video", "mpeg1video", "flv", "wmv1", "wmv2", "msmpeg4", "mjpeg", "h263")
_MPEG4_TICKS = 65535
"""An MPEG-4 stream counts no more of them in a second."""

_STEADY = 120
"""Frames per second, above which what a source names for its rate is but its unit of time."""
_NAMES_MATRIX = (*_WITH_RANGE, "prores", "mpeg2video", "ffv1")
"""Encoders whose streams, or containers, name the matrix; of others players guess by the size."""


@dataclass
class Encoding:
    """How a film's frames are encoded; ``trouble`` is empty where an encoder takes it.

    ``steady``: every frame is as long as ``time_base``; others are repeated or left out.
    """

    codec: str
    pix_fmt: str
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction
    color: ColorSpace
    options: dict[str, str]
    steady: bool
    alpha: bool

    def apply(self, context: Any) -> None:
        """Set up a stream's encoder."""
        context.width, context.height = self.size
        context.pix_fmt = self.pix_fmt
        context.time_base, context.framerate = self.time_base, self.rate
        context.sample_aspect_ratio = self.aspect
        context.color_range = 2 if self.color.full_range else 1
        context.colorspace = self.color.matrix
        context.color_primaries, context.color_trc = self.color.primaries, self.color.transfer
        context.options = dict(self.options)
        context.thread_count = 0

    @property
    def trouble(self) -> str:
        """Why the encoder does not take it."""
        try:
            context = av.CodecContext.create(self.codec, "w")
            self.apply(context)
            context.open()
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            return reason(error)
        return ""


def reason(error: Exception) -> str:
    """An error of FFmpeg's in words."""
    return str(getattr(error, "strerror", None) or error)


def choose_encoding(
    name: Path, container: Container, source: Any, codec: str | None, quality: int
) -> tuple[Encoding, list[str]]:
    """(what fits the container and the source, what is to be said of it).

    Args:
        codec: FFmpeg's name of the encoder; None for what fits best.
        quality: constant rate factor, as x264 counts.

    Raises ValueError where ``codec`` does not fit.
    """
    notes = []
    wanted = (codec,) if codec else container.alpha if source.has_alpha else ()
    wanted = wanted or container.video
    reasons = []
    for encoder in wanted:
        refused = _refused(container, encoder)
        if refused:
            reasons.append(refused)
            continue
        encoder = av.Codec(encoder, "w").name  # "hevc" stands for libx265
        for encoding in _encodings(container, encoder, source, quality):
            trouble = encoding.trouble
            if not trouble:
                if reasons:
                    notes.append(f"{'; '.join(reasons)}: {encoder} writes it instead")
                if source.has_alpha and not encoding.alpha:
                    notes.append(
                        f"transparency is laid on white, which {encoder} in {name.suffix} does"
                        " not hold (.webm, .mov and .png do)"
                    )
                return encoding, notes
            reasons.append(f"{encoder} refuses {encoding.pix_fmt} ({trouble})")
    request = f"codec {codec}" if codec else "any codec"
    raise ValueError(f"{name}: cannot be written with {request} ({'; '.join(reasons)})")


def _refused(container: Container, encoder: str) -> str:
    """Why the container cannot have it; empty where it can."""
    try:
        codec = av.Codec(encoder, "w")
        if codec.type != "video":
            return f"{encoder} encodes no video"
        with av.open(io.BytesIO(), "w", format=container.muxer) as scratch:
            scratch.add_stream(encoder)
    except av.codec.codec.UnknownCodecError:
        return f"this build of FFmpeg has no encoder {encoder}"
    except (av.error.FFmpegError, ValueError) as error:
        return reason(error)
    if container.takes and codec.canonical_name not in container.takes:
        return f"{container.muxer!r} format does not support {encoder!r} codec"
    return ""


def _encodings(container: Container, encoder: str, source: Any, quality: int) -> Iterator[Encoding]:
    """What can be tried, the best first."""
    codec = av.Codec(encoder, "w")
    offered = [form.name for form in codec.video_formats or ()] or [container.pixels or "yuv420p"]
    odd = (source.width % 2 or source.height % 2) and encoder not in _ANY_SIDES
    wanted: Sequence[str] = _ODD if odd else _OPAQUE
    if encoder == "libwebp_anim":
        wanted = ("bgra",)  # the library makes its own of it
    alpha_beside = encoder in _ALPHA_BESIDE and container.muxer not in ("matroska", "webm")
    with_alpha = _ALPHA if source.has_alpha and not alpha_beside and wanted != ("bgra",) else ()
    formats = [form for form in (*with_alpha, *wanted) if form in offered] or offered[:1]
    steady = container.steady or bool(codec.frame_rates)
    rate = _nearest(_rate(source, steady), codec.frame_rates)
    for pix_fmt in dict.fromkeys(formats):
        yield Encoding(
            codec=encoder,
            pix_fmt=pix_fmt,
            size=(source.width, source.height),
            time_base=1 / rate if steady else _time_base(source, encoder, container),
            rate=rate,
            aspect=source.aspect,
            color=_color(source, encoder, pix_fmt),
            options=_options(encoder, quality),
            steady=steady,
            alpha=source.has_alpha and pix_fmt in _ALPHA,
        )


def _rate(source: Any, steady: bool) -> Fraction:
    """Frames per second on average; where they are to be ``steady``, as many as make the shortest
    of the source."""
    rate = Fraction(source.rate).limit_denominator(1001)
    most = source.stream.base_rate if steady and source.stream is not None else None
    if most and rate < most <= _STEADY:
        rate = Fraction(most).limit_denominator(1001)
    return rate if 0 < rate <= 1000 else Fraction(25)


def _nearest(rate: Fraction, rates: Sequence[Any] | None) -> Fraction:
    """The next one that the encoder knows; rather a larger one, where no frame is lost."""
    if not rates:
        return rate
    known = [Fraction(one.numerator, one.denominator) for one in rates]
    near = [one for one in known if abs(one / rate - 1) < 1e-3]
    larger = [one for one in known if one > rate]
    return min(near, key=lambda one: abs(one - rate)) if near else min(larger, default=max(known))


def _time_base(source: Any, encoder: str, container: Container) -> Fraction:
    """Seconds per unit of the encoder's time."""
    base = Fraction(source.time_base)
    if container.muxer in ("webp", "apng") or base > 1:
        return Fraction(1, 1000)
    if encoder == "mpeg4" and base.denominator > _MPEG4_TICKS:
        return Fraction(1, 60000)  # in which all usual rates are whole
    return base


def _scale(quality: int) -> int:
    """The scale of MPEG's quantizer, 1 to 31, whose steps are as wide as x264's are.

    H.264's are 0.625 · 2^(quality / 6), MPEG's twice the scale.
    """
    return min(31, max(1, round(0.3125 * 2 ** (quality / 6))))


def _options(encoder: str, quality: int) -> dict[str, str]:
    """Of the encoder; what it does not know is passed over."""
    if encoder.startswith(_SCALED):
        scale = str(_scale(quality))
        return {"qmin": scale, "qmax": scale}
    if encoder in ("libx264", "libx265"):
        return {"crf": str(min(quality, 51)), "preset": PRESET, "x265-params": "log-level=error"}
    if encoder == "libvpx":  # VP8 without a rate to keep below has a low one
        return {"crf": str(max(4, quality)), "b": "100M"}
    if encoder == "libvpx-vp9":
        return {"crf": str(quality), "b": "0", "row-mt": "1"}
    if encoder == "libwebp_anim":
        return {"quality": "95"}
    return {"crf": str(quality), "cq": str(min(quality, 51))}


def _color(source: Any, encoder: str, pix_fmt: str) -> ColorSpace:
    """What is said of the colours, which the scaler then computes."""
    color = source.color
    if VideoFormat(pix_fmt).is_rgb:
        return ColorSpace(0, True, color.primaries, color.transfer)
    full = color.full_range and encoder.startswith(_WITH_RANGE)
    matrix = color.matrix if encoder.startswith(_NAMES_MATRIX) else 2
    if matrix != 2 and not color.has_matrix:  # that of RGB, or one that only HDR has
        matrix = 1 if color.scaler_matrix(source.height) == 1 else 6
    return ColorSpace(
        matrix,
        full or encoder == "mjpeg" or pix_fmt.startswith("yuvj"),
        color.primaries,
        color.transfer,
    )
