"""What films are written to: containers by suffix, and the encoders that fit each."""

from pathlib import Path
from typing import NamedTuple

H264 = ("libx264", "libopenh264", "mpeg4")


class Container(NamedTuple):
    """A container, and FFmpeg's names of what goes into it by default.

    Attributes:
        muxer: of the container.
        video: encoders, the best first; which of them there are depends on FFmpeg's build.
        alpha: as ``video``, of frames with transparency; none where the container has no such.
        sound, text: encoders of tracks that cannot be copied.
        steady: every frame has one length.
        takes: codecs, where the muxer itself would take others and make them unreadable.
        single: it has one track of sound at most.
        tagged: whether a time code is kept, as a tag or a track of its own.
        pixels: the one format of pixels that it has, as FFmpeg calls it; empty where that is up to
            the encoder.
        options: of the muxer.
    """

    muxer: str
    video: tuple[str, ...] = H264
    alpha: tuple[str, ...] = ()
    sound: tuple[str, ...] = ("aac",)
    text: tuple[str, ...] = ()
    steady: bool = False
    takes: frozenset[str] = frozenset()
    single: bool = False
    tagged: bool = False
    pixels: str = ""
    options: tuple[tuple[str, str], ...] = ()


_MP4 = Container("mp4", text=("mov_text",), tagged=True)
_TS = Container(
    "mpegts",
    sound=("aac", "mp2"),
    takes=frozenset(
        (
            *("h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "mp1", "mp2", "mp3"),
            *("aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m", "pcm_bluray"),
            *("dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle", "klv", "timed_id3"),
        )
    ),
)
# What is called .mpg holds MPEG-2, whose container FFmpeg knows as VOB.
_MPEG = Container(
    "vob",
    ("mpeg2video", "mpeg1video"),
    sound=("mp2", "ac3"),
    steady=True,
    takes=frozenset(
        (
            *("mpeg1video", "mpeg2video", "mpeg4", "h264", "hevc", "dvd_subtitle"),
            *("mp1", "mp2", "mp3", "ac3", "dts", "pcm_s16be", "pcm_dvd"),
        )
    ),
)
# Its own theora is missing in most builds; VP8 in Ogg is read by what reads FFmpeg's.
_OGG = Container("ogg", ("libtheora", "libvpx"), sound=("libopus", "libvorbis", "flac"))
_ASF = Container(
    "asf",
    ("wmv2", "msmpeg4v3"),
    sound=("wmav2", "libmp3lame"),
    takes=frozenset(
        (
            *("wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4v3", "mpeg4", "h264", "mjpeg"),
            *("wmav1", "wmav2", "wmapro", "wmavoice", "wmalossless", "mp3", "aac", "ac3"),
            *("pcm_u8", "pcm_s16le", "adpcm_ms", "adpcm_ima_wav"),
        )
    ),
)
_AVI = Container(
    "avi",
    ("mpeg4",),
    sound=("libmp3lame", "ac3", "pcm_s16le"),
    steady=True,
    takes=frozenset(
        (
            *("mpeg4", "h264", "hevc", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "mpeg1video"),
            *("mpeg2video", "vp8", "vp9", "av1", "mjpeg", "ffv1", "huffyuv", "ffvhuff", "utvideo"),
            *("png", "rawvideo", "magicyuv", "dvvideo", "cinepak", "flv1", "qtrle", "xsub"),
            *("mp2", "mp3", "aac", "ac3", "eac3", "dts", "wmav1", "wmav2", "gsm_ms", "pcm_u8"),
            *("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_alaw", "pcm_mulaw", "adpcm_ms"),
            "adpcm_ima_wav",
        )
    ),
)

CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", alpha=("prores_ks", "qtrle", "png"), text=("mov_text",), tagged=True),
    ".mkv": Container(
        "matroska",
        alpha=("libvpx-vp9", "ffv1"),
        sound=("flac", "aac"),
        text=("ass", "subrip"),
        tagged=True,
    ),
    ".webm": Container(
        "webm",
        ("libvpx-vp9", "libvpx", "libsvtav1"),
        alpha=("libvpx-vp9", "libvpx"),
        sound=("libopus", "libvorbis"),
        text=("webvtt",),
        tagged=True,
    ),
    ".avi": _AVI,
    ".ts": _TS,
    ".mts": _TS,
    ".m2ts": _TS._replace(options=(("mpegts_m2ts_mode", "1"),)),
    ".mpg": _MPEG,
    ".mpeg": _MPEG,
    ".vob": _MPEG,
    ".ogv": _OGG._replace(steady=True),
    ".mxf": Container("mxf", ("mpeg2video",), sound=("pcm_s16le",), steady=True, tagged=True),
    ".wmv": _ASF,
    ".asf": _ASF,
    ".flv": Container(
        "flv",
        ("libx264", "flv"),
        sound=("aac", "libmp3lame"),
        takes=frozenset(("h264", "hevc", "av1", "vp9", "flv1", "aac", "mp3")),
        single=True,
    ),
    ".3gp": Container("3gp"),
    # Moving pictures: no tracks but one.
    ".webp": Container("webp", ("libwebp_anim",), ("libwebp_anim",), sound=()),
    ".png": Container("apng", ("apng",), ("apng",), sound=()),
    ".apng": Container("apng", ("apng",), ("apng",), sound=()),
    # Frames as they are. Neither says its matrix, which readers guess by the size.
    ".y4m": Container("yuv4mpegpipe", ("rawvideo",), sound=(), steady=True, pixels="yuv420p"),
    ".rgb": Container("rawvideo", ("rawvideo",), sound=(), steady=True, pixels="rgb24"),
}
"""By suffix; GIFs are written by ``moving_pictures.GifTarget``."""

_KEPT = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png", ".apng")
"""Suffixes that a film made from such a file has, too. The other containers, old ones, are written
where they are asked for."""


_PIPED = ("y4m", "rgb", "mkv", "webm", "ts")
"""Suffixes of containers that are written from beginning to end, as a pipe takes them; the first is
what - stands for."""


def piped_name(output: str) -> Path | None:
    """What goes to standard output by the name of a file, whose suffix says the container: for "-",
    or FORMAT:- as in mkv:-; None for other outputs.

    Raises ValueError for a container that cannot be written to a pipe.
    """
    form, colon, dash = output.rpartition(":")
    if dash != "-" or (colon and "/" in form):
        return None
    form = form if colon else _PIPED[0]
    if form not in _PIPED:
        piped = ", ".join(f"{name}:-" for name in _PIPED)
        raise ValueError(f"--output {output}: cannot be written to a pipe; use - or {piped}")
    return Path(f"stdout.{form}")


def output_name(name: Path) -> Path:
    """The name of the video made from one of this name."""
    return name if name.suffix.lower() in _KEPT else name.with_name(f"{name.name}.mp4")


def check_video_name(name: Path) -> None:
    """Raises ValueError where no video can be written under this name."""
    if name.suffix.lower() not in (*CONTAINERS, ".gif"):
        written = ", ".join(sorted({*CONTAINERS, ".gif"}))
        raise ValueError(f"{name}: cannot write such a video; use {written}")
