"""What a name stands for: a picture, a video, a stream or a camera; files are told by content."""

import mimetypes
import re
import sys
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition
from PIL import Image

from fststyle.images.opening import open_of_any_size
from fststyle.inference.video.standard_files import StandardInput

CAMERA = "camera:"
STDIN = "-"
_BARE = re.compile(r"rgb:(\d+x\d+)@(\d+(?:[./]\d+)?)")
"""Standard input, too: bytes of RGB without a header, of pictures of a size, so many a second."""
TIMEOUT = (10.0, 10.0)
"""Seconds to open a stream, and between its packets."""

MOVING = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Pillow's formats that may move. In others several pictures are pages, sizes or layers."""
_FILMS = frozenset({"MPEG", "FLI"})
"""Formats that Pillow knows and that are films for FFmpeg."""
_NO_FILMS = frozenset({"image2", "ico", "tty", "adf", "bin", "idf", "xbin", "txd", "cdg", "lavfi"})
"""FFmpeg's readers of pictures, besides those called …_pipe, and of text drawn as pictures."""
_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif"})
"""What photos in MP4's clothes say they are; their sequences say something else."""


def is_piped(source: str) -> bool:
    """Whether it is standard input."""
    return source == STDIN or source.startswith("rgb:")


def is_live(source: str) -> bool:
    """Whether it is a camera, an address or standard input instead of a local file."""
    addressed = source.startswith(CAMERA) or "://" in source
    return is_piped(source) or (addressed and not Path(source).exists())


def open_container(source: str, standard_input: StandardInput | None = None) -> Any:
    """PyAV's container for a file, a stream's address, camera:NUMBER (on Windows camera:NAME), "-"
    or rgb:WIDTHxHEIGHT@RATE, which are both ``standard_input``.

    Raises FileNotFoundError or ValueError with the reason.
    """
    piped = standard_input or StandardInput()
    try:
        if not is_live(source):
            if not Path(source).exists():
                raise FileNotFoundError(f"{source}: no such file")
            # Or else FFmpeg takes what comes before a colon for a protocol.
            return av.open(f"file:{source}", metadata_errors="replace")
        if source == STDIN:
            return av.open(piped, metadata_errors="replace")
        if is_piped(source):
            return _open_bare(source, piped)
        if source.startswith(CAMERA):
            name = source.removeprefix(CAMERA)
            form, device = {
                "linux": ("v4l2", f"/dev/video{name}"),
                "darwin": ("avfoundation", name),
                "win32": ("dshow", f"video={name}"),
            }.get(sys.platform, ("v4l2", name))
            return av.open(device, format=form)
        return av.open(source, timeout=TIMEOUT, metadata_errors="replace")
    except FileNotFoundError as error:
        if is_live(source):
            raise _refused(source, error) from error
        raise FileNotFoundError(f"{source}: no such file") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _refused(source, error) from error


def _open_bare(source: str, piped: StandardInput) -> Any:
    said = _BARE.fullmatch(source)
    if said is None:
        raise ValueError("it says no size and rate, as rgb:640x360@25 does")
    options = {"video_size": said[1], "framerate": said[2], "pixel_format": "rgb24"}
    return av.open(piped, format="rawvideo", options=options)


def _refused(source: str, error: Exception) -> ValueError:
    reason = getattr(error, "strerror", None) or error
    if is_piped(source):
        return ValueError(f"{source}: standard input holds no video that can be read ({reason})")
    if source.startswith(CAMERA):
        return ValueError(
            f"{source}: no such camera, or it is in use ({reason}); camera:0 is the first"
        )
    return ValueError(f"{source}: not a video that can be read ({reason})")


def film_streams(container: Any) -> list[Any]:
    """The video streams of a container that are films, and neither covers nor thumbnails, in the
    order in which ffmpeg would choose them: what moves, the default one, the largest."""
    covers = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & covers and stream.codec_context is not None
    ]

    def rank(stream: Any) -> tuple[bool, int]:
        context = stream.codec_context
        marked = bool(stream.disposition & Disposition.default)
        return stream.frames == 1, -(context.width * context.height + 5_000_000 * marked)

    return sorted(streams, key=rank)


def is_video(file: Path) -> bool:
    """Whether a file is a film: a video of whatever container, or a picture that moves.

    Told by content; where that says nothing, by the name, so that a damaged video is called one.
    Pictures under the suffix of their format cost a look at their header.
    """
    if not file.is_file():
        return False
    try:
        with file.open("rb") as opened, open_of_any_size(opened) as image:
            if image.format in MOVING:
                return moves(image)
            suffix = Image.registered_extensions().get(file.suffix.lower())
            # Some of Pillow's formats have no mark of their own: the name must agree.
            if image.format not in _FILMS and (suffix == image.format or image.format == "MPO"):
                return False
    except Exception:  # Pillow's decoders raise nearly anything on what is none of theirs
        pass
    try:
        with open_container(str(file)) as container:
            name = container.format.name
            if name in _NO_FILMS or name.endswith("_pipe") or _is_photo_or_document(file, name):
                return False
            if not film_streams(container):
                return is_called_video(file)
            return is_called_video(file) or _has_decodable_frame(container)
    except (ValueError, OSError):
        return is_called_video(file)


def moves(image: Any) -> bool:
    """Whether an opened picture has more than one frame."""
    still = bool(image.info.get("default_image"))  # APNG's, for those who know only PNG
    return getattr(image, "n_frames", 1) - still > 1


def _is_photo_or_document(file: Path, form: str) -> bool:
    """A photo in a film's container, or a document or an archive that holds pictures."""
    with file.open("rb") as opened:
        head = opened.read(12)
    if head[4:8] == b"ftyp":
        return head[8:12] in _BRANDS
    return head.startswith((b"%PDF", b"PK")) or (form == "mjpeg" and head[:2] != b"\xff\xd8")


def is_called_video(file: Path) -> bool:
    """Whether a file's name says that it is a video."""
    return (mimetypes.guess_type(file.name)[0] or "").startswith("video/")


def _has_decodable_frame(container: Any) -> bool:
    """Whether a frame can be decoded: FFmpeg takes much for raw video that is something else."""
    try:
        return next(container.decode(film_streams(container)[0]), None) is not None
    except (av.error.FFmpegError, StopIteration):
        return False
