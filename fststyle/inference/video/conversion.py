"""FFmpeg's frames to upright RGB pixels, and their alpha."""

import math
import struct
from typing import Any, NamedTuple

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from fststyle.images.arrays import white_where_hidden
from fststyle.inference.video.hdr import HLG, PQ, peak_of, tone_mapper

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
_RGB = 0
"""FFmpeg's number of the matrix that is none."""
SCALER_FLAGS = Interpolation.BICUBIC | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND
"""Any less of them rounds colours down by more than one of 255 on the way to RGB: white is grey."""
HD = 720
"""Pictures of at least this height that do not name their matrix have that of BT.709, smaller ones
that of BT.601, as players see them."""


class ColorSpace(NamedTuple):
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


SDR = ColorSpace(1, False, 1, 1)
"""BT.709, as most videos have it."""


class Turn(NamedTuple):
    """How pictures are set upright: rows and columns exchanged, then mirrored."""

    transposed: bool = False
    across: bool = False
    down: bool = False

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """H×W×… upright."""
        if not any(self):
            return pixels
        if self.transposed:
            pixels = pixels.swapaxes(0, 1)
        return np.ascontiguousarray(pixels[:: -1 if self.down else 1, :: -1 if self.across else 1])


def turn_of(matrix: Any) -> tuple[Turn, float]:
    """The turn that is nearest to what a display matrix of FFmpeg's side data says, and by how many
    degrees they differ."""
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))  # x′ = a x + c y, y′ = b x + d y
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    turn = Turn(True, c < 0, b < 0) if transposed else Turn(False, a < 0, d < 0)
    along, other = (b, a) if transposed else (a, b)
    return turn, math.degrees(math.atan2(abs(other), abs(along)))


class Converter:
    """Frames of one stream to pixels of one size.

    Attributes:
        width, height: of what is returned.
        aspect_turned: whether a pixel's width is its height there.
        color: of the pixels, and what a video made of them is to say.
        has_alpha: whether frames have alpha.
        notes: what the stream says and is not honoured, or was changed, a line each.

    Args:
        first: the stream's first frame.
        context: its decoder, which is asked where frames say nothing.
        max_size: frames whose longer side is larger are reduced to it.
    """

    def __init__(self, first: Any, context: Any, max_size: int | None) -> None:
        self.notes: list[str] = []
        self._from = first.width, first.height
        scale = min(1.0, (max_size or math.inf) / max(self._from))
        self._size = self._from
        if scale < 1:  # to even sides, which every player takes
            width, height = (max(16, round(side * scale / 2) * 2) for side in self._from)
            self._size = width, height
        self._turn = self._turn_of(first)
        self.aspect_turned = self._turn.transposed
        self.width, self.height = self._size[::-1] if self._turn.transposed else self._size
        self._color = _color_space_of(first, context)
        self._reformatter = VideoReformatter()
        self.has_alpha = _has_alpha(first)
        if first.format.name == "pal8":  # any palette may hold alpha
            self.has_alpha = bool((self._scaled(first, "rgba")[..., 3] < 255).any())
        self.color, self._tone_mapped = self._color, None
        if self._color.transfer in (PQ, HLG):
            name = "PQ" if self._color.transfer == PQ else "HLG"
            self._tone_mapped = tone_mapper(self._color.transfer, peak_of(first.side_data))
            self.color = SDR
            self.notes.append(
                f"high dynamic range ({name}) is turned into the standard one (BT.709)"
            )
        elif self._color.matrix == _RGB:
            primaries, transfer = (1 if n == 2 else n for n in self._color[2:])
            self.color = ColorSpace(1, False, primaries, transfer)
        self.notes += [text for kind, text in _LEFT_OUT.items() if kind in _side_data_types(first)]

    def __call__(self, frame: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """(H×W×3 uint8 RGB, H×W uint8 alpha or None)."""
        if (frame.width, frame.height) != self._from:
            self._note_resizing(frame)
        if self._tone_mapped is not None:
            pixels, alpha = self._tone_mapped(self._scaled(frame, "rgb48")), None
            if self.has_alpha:
                alpha = self._scaled(frame, "rgba")[..., 3]
        elif self.has_alpha:
            rgba = self._scaled(frame, "rgba")
            pixels, alpha = np.ascontiguousarray(rgba[..., :3]), rgba[..., 3]
        else:
            return self._turn(self._scaled(frame, "rgb24")), None
        if alpha is None:
            return self._turn(pixels), None
        alpha = np.ascontiguousarray(alpha)
        return self._turn(white_where_hidden(pixels, alpha)), self._turn(alpha)

    def _scaled(self, frame: Any, form: str) -> np.ndarray:
        width, height = self._size
        converted = self._reformatter.reformat(
            frame,
            width,
            height,
            format="rgb48le" if form == "rgb48" else form,
            src_colorspace=self._color.scaler_matrix(frame.height),
            src_color_range=self._color.scaler_range,
            dst_color_range=ColorRange.JPEG,
            interpolation=SCALER_FLAGS,
        )
        return np.asarray(converted.to_ndarray())

    def _turn_of(self, frame: Any) -> Turn:
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        if matrix is None:
            return Turn()
        turn, off = turn_of(matrix)
        if off > 0.5:
            self.notes.append(
                f"is to be shown turned by {off:.0f}° more than quarter turns, which is left out"
            )
        return turn

    def _note_resizing(self, frame: Any) -> None:
        note = (
            f"changes its size from {self._from[0]}×{self._from[1]}; all frames are scaled to that"
        )
        if note not in self.notes:
            self.notes.append(note)


_LEFT_OUT = {
    Type.A53_CC: "closed captions inside its pictures are left out",
    Type.DOVI_METADATA: "is Dolby Vision, whose own tone curves are left out",
    Type.SPHERICAL: "is a film all around (360°), which the output does not say",
    Type.STEREO3D: "is a film for two eyes (3D), which the output does not say",
}
"""What frames say and pictures cannot."""


def _side_data_types(frame: Any) -> set[Any]:
    types = {data.type for data in frame.side_data}
    eyes = frame.side_data.get(Type.STEREO3D)
    if eyes is not None and struct.unpack_from("=i", bytes(eyes)) == (0,):
        types.discard(Type.STEREO3D)  # it says: for one
    return types


def _has_alpha(frame: Any) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _color_space_of(frame: Any, context: Any) -> ColorSpace:
    """As the frame says it, or else the stream; 2 stands for what neither does."""

    def declared(name: str, unknown: int) -> int:
        return next(
            (n for n in (int(getattr(o, name)) for o in (frame, context)) if n != unknown), unknown
        )

    form = frame.format.name
    # Grey is in the full range where nothing is said, as FFmpeg's scaler has it.
    unspecified = 2 if form.startswith(("gray", "ya8", "ya16")) else 0
    full = (declared("color_range", 0) or unspecified) == 2 or form.startswith("yuvj")
    matrix = declared("colorspace", 2)
    if frame.format.is_rgb or form in ("pal8", "monow", "monob"):
        matrix = _RGB
    return ColorSpace(matrix, full, declared("color_primaries", 2), declared("color_trc", 2))
