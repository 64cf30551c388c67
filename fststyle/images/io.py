"""Reading and writing pictures with Pillow; no torch here, since ``infer`` uses it."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import PIL
from PIL import Image, ImageCms, ImageOps

from fststyle.images.arrays import HIDDEN, white_where_hidden
from fststyle.images.geometry import fit_within
from fststyle.images.opening import (
    check_memory,
    describe_unreadable,
    draft_within,
    open_of_any_size,
)
from fststyle.utils.files import atomic_write

_JPEG = {"quality": 95, "subsampling": 0}
WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", _JPEG),
    ".jpeg": ("JPEG", _JPEG),
    ".png": ("PNG", {}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
}
"""File suffix to Pillow's format and its options."""

DEEP = (".png", ".tif", ".tiff")
"""File suffixes of formats with 16 bits per channel."""

_WITH_ALPHA = {"PNG", "WEBP", "TIFF"}


def read_image(
    path: Path,
    *,
    at_least: int | None = None,
    max_size: int | None = None,
    alpha: bool = False,
    srgb: bool = False,
) -> Image.Image:
    """The picture as 8-bit RGB, upright (EXIF orientation applied).

    Grayscale, palette, CMYK, 16-bit, 32-bit and floating-point pictures are converted; what is
    transparent is laid on white, unless ``alpha`` asks for RGBA where the file has transparency.

    Pictures may be of any size that fits into memory, told by their first bytes.

    Of several pages it is the first; ``info["pages"]`` is their number then.

    Args:
        at_least: where the decoder can (JPEG), decode at a reduced size whose shorter side is still
            at least this many pixels: several times as fast for large photos.
        max_size: reduce the picture so that its longer side is at most so many pixels.
        srgb: convert from the file's colour profile, where it has one, to sRGB, in which the
            networks were trained; otherwise values stay as they are, and so does the profile.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be opened.
        ValueError: not a picture, or a damaged one, or one too large for memory.
    """
    if not path.is_file():
        raise FileNotFoundError(_describe_missing_file(path))
    with open(path, "rb") as file:
        try:
            with open_of_any_size(file) as image:
                whole = image.width * image.height
                if at_least is not None:
                    image.draft("RGB", (at_least, at_least))
                if max_size is not None:
                    draft_within(image, max_size)
                check_memory(image, whole)
                image.load()
                read = as_rgb(image, alpha=alpha, srgb=srgb)
                read = fit_within(read, max_size) if max_size else read
                with contextlib.suppress(Exception):  # as below, of a page that is not asked for
                    pages = getattr(image, "n_frames", 1)
                    if image.format == "TIFF" and pages > 1:
                        read.info["pages"] = pages
                return read
        except MemoryError as error:
            reason = f" ({error})" if str(error) else ""
            raise ValueError(f"{path}: too large to be read into memory{reason}") from error
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files.
            reason = str(error).partition("\n")[0] or type(error).__name__
            if isinstance(error, PIL.UnidentifiedImageError):
                reason = describe_unreadable(path)
            raise ValueError(f"{path}: not a picture that can be decoded ({reason})") from error


def _describe_missing_file(path: Path) -> str:
    if path.is_symlink() and not os.path.exists(path):
        return f"{path}: no such file, but a link to one"
    return f"{path}: {'no file, but a folder, pipe or device' if path.exists() else 'no such file'}"


def as_rgb(image: Image.Image, *, alpha: bool = False, srgb: bool = False) -> Image.Image:
    """An opened picture as ``read_image`` returns it."""
    upright = ImageOps.exif_transpose(image)
    return _to_rgb(_to_srgb(upright) if srgb else upright, alpha)


def without_hidden(image: Image.Image) -> Image.Image:
    """An RGBA picture with white where nobody is to see it, as films have it: norms look at the
    whole picture, and files leave anything there. Others as they are."""
    if image.mode != "RGBA":
        return image
    lowest, _ = cast(tuple[int, int], image.getchannel("A").getextrema())
    if lowest >= HIDDEN:
        return image
    pixels = np.array(image)
    white_where_hidden(pixels[..., :3], pixels[..., 3])
    white = Image.fromarray(pixels)
    white.info = dict(image.info)
    return white


def _to_srgb(image: Image.Image) -> Image.Image:
    """Colours by the embedded profile; a picture without one, or with one that is damaged or of
    another kind than its pixels, is returned as it is."""
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    colors = image.convert("RGB") if image.mode == "RGBA" else image
    try:
        converted = ImageCms.profileToProfile(
            colors,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    assert converted is not None
    if image.mode == "RGBA":
        converted.putalpha(image.getchannel("A"))
    converted.info.pop("icc_profile", None)
    return converted


def _to_rgb(image: Image.Image, alpha: bool) -> Image.Image:
    if image.mode not in ("RGB", "RGBA", "P"):
        image.info.pop("icc_profile", None)  # it describes grey or CMYK, not what is returned
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _from_wide_grey(image)
    if image.mode == "La":
        image = image.convert("LA")  # which is all that Pillow makes of it
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if alpha:
            return rgba
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _from_wide_grey(image: Image.Image) -> Image.Image:
    """Pillow's own conversion of these modes clips instead of scaling."""
    white = 65535.0 if image.mode.startswith("I;16") else _range(image)
    grey = np.empty((image.height, image.width), np.uint8)
    for first, values in _strips(image):
        scaled = np.clip(values / white * 255 + 0.5, 0, 255)
        grey[first : first + len(values)] = scaled
    return Image.fromarray(grey).convert("RGB")


def _range(image: Image.Image) -> float:
    """32-bit and floating-point files do not say their range: 1, 8 or 16 bits, or what is there.

    Raises ValueError for values that are not finite.
    """
    peak = 0.0
    for _, values in _strips(image):
        if not np.isfinite(values).all():
            raise ValueError("it holds values that are not finite")
        peak = max(peak, values.max(initial=0))
    white = next((limit for limit in (1.0, 255.0, 65535.0) if peak <= limit), peak)
    return 255.0 if image.mode == "I" and white == 1.0 else white


def _strips(image: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, h×W float64) of stretches of rows, since eight bytes a value are many."""
    rows = max(1, (1 << 20) // max(1, image.width))
    for first in range(0, image.height, rows):
        box = (0, first, image.width, min(first + rows, image.height))
        yield first, np.asarray(image.crop(box)).astype(np.float64)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Floats in [0,1] to uint8, clamped and rounded."""
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def check_writable(path: Path) -> None:
    """Raise ValueError where ``write_image`` has no format for the suffix of ``path``."""
    if path.suffix.lower() not in WRITERS:
        raise ValueError(
            f"{path}: cannot write {path.suffix or 'a file with no suffix'};"
            f" use {', '.join(WRITERS)}"
        )


def check_deep(path: Path) -> None:
    """Raise ValueError where ``write_deep`` has no format for the suffix of ``path``."""
    if path.suffix.lower() not in DEEP:
        raise ValueError(
            f"{path}: {path.suffix or 'a file with no suffix'} has no 16 bits per channel; use"
            f" {', '.join(DEEP)}"
        )


def write_deep(image: np.ndarray, path: Path) -> None:
    """H×W×3 floats in [0,1] as 16-bit RGB, in the format of the suffix: whole or not at all.

    Needs OpenCV. Raises ValueError for a suffix not in ``DEEP``, OSError where the disk refuses.
    """
    import cv2  # Pillow writes colour in 8 bits only

    check_deep(path)
    values = (np.clip(image, 0, 1) * 65535 + 0.5).astype(np.uint16)
    done, data = cv2.imencode(path.suffix.lower(), values[..., ::-1])
    assert done
    with atomic_write(path) as temporary:
        temporary.write_bytes(data.tobytes())


def write_image(image: Image.Image, path: Path, quality: int | None = None) -> None:
    """Write in the format of the suffix: whole or not at all. JPEG lays transparency on white;
    ``quality`` is its and WebP's, of 100.

    Raises ValueError for a suffix not in ``WRITERS``, OSError where the disk refuses.
    """
    check_writable(path)
    name, options = WRITERS[path.suffix.lower()]
    if quality is not None and "quality" in options:
        options = {**options, "quality": quality}
    if image.mode == "RGBA" and name not in _WITH_ALPHA:
        image = _to_rgb(image, alpha=False)
    profile = image.info.get("icc_profile")
    # Pillow's JPEG encoder, which writes to files by itself, does not see that a disk took less.
    encoded = io.BytesIO()
    with atomic_write(path) as temporary:
        target = encoded if name == "JPEG" else temporary
        image.save(target, format=name, icc_profile=profile, **options)
        if name == "JPEG":
            temporary.write_bytes(encoded.getbuffer())
