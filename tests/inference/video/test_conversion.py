"""Frames set upright, whole, in the standard range and with alpha, whatever the file holds."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fststyle.inference.video.conversion import SDR
from fststyle.inference.video.hdr import HLG, PQ, pq_signal
from tests.conftest import turned, write_clip
from tests.inference.video.clips import EVEN, grey, read, seconds, write

TURNS: dict[str, tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = {
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda p: p[::-1]),
    "half turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "anticlockwise": ((0, -1, 1, 0), lambda p: np.rot90(p)),
    "transposed": ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
    "transversed": ((0, -1, -1, 0), lambda p: np.rot90(p, 2).swapaxes(0, 1)),
}


@pytest.mark.parametrize("how", TURNS)
def test_films_are_set_upright_and_unmirrored(how: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, EVEN[:2], aspect=Fraction(4, 3))
    _, (plain, _), _ = read(clip)
    matrix, expected = TURNS[how]
    turned(clip, matrix)
    source, (frame, _), _ = read(clip)
    np.testing.assert_array_equal(frame.pixels, expected(plain.pixels))
    assert (source.height, source.width) == frame.pixels.shape[:2]
    assert source.aspect == (Fraction(3, 4) if matrix[0] == 0 else Fraction(4, 3))
    assert source.notes == []


def test_what_is_no_quarter_turn_is_told(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, EVEN[:2])
    turned(clip, (0.866, 0.5, -0.5, 0.866))
    source, frames, _ = read(clip)
    assert len(frames) == 2 and ["30°" in note for note in source.notes] == [True]


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path: Path) -> None:
    clip = tmp_path / "clip.ts"
    parts = []
    for size in ((96, 64), (64, 48)):
        part = io.BytesIO()
        shown = [grey(i, size) for i in range(6)]
        write(part, "libx264", "yuv420p", shown, container="mpegts", options={"bf": "0"})
        parts.append(part.getvalue())
    clip.write_bytes(b"".join(parts))
    source, frames, _ = read(clip)
    assert len(frames) >= 10
    assert {frame.pixels.shape for frame in frames} == {(64, 96, 3)}
    assert len(source.notes) == 1 and "from 96×64" in source.notes[0]


def test_fields_become_whole_frames(tmp_path: Path) -> None:
    """A bar that has moved on by 8 pixels in every other line."""
    clip, shown = tmp_path / "clip.mkv", []
    for number in range(8):
        pixels = np.full((64, 96, 3), 20, np.uint8)
        for field in range(2):
            left = 8 * (2 * number + field) % 72
            pixels[field::2, left : left + 24] = 220
        shown.append(pixels)

    def combs(pixels: np.ndarray) -> float:
        rows = pixels[..., 1].astype(int)
        return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())

    params = {"x264-params": "tff=1", "crf": "1"}
    write(clip, "libx264", "yuv420p", shown, options=params)
    source, frames, _ = read(clip)
    assert seconds(source, frames) == pytest.approx([0.04 * i for i in range(8)], abs=2e-3)
    assert ["interlaced" in note for note in source.notes] == [True]
    assert np.mean([combs(frame.pixels) for frame in frames[1:-1]]) < 0.3 * combs(shown[3])
    write(clip, "libx264", "yuv420p", shown, options={"crf": "1"})
    source, frames, _ = read(clip)
    assert source.notes == [] and combs(frames[3].pixels) > 0.9 * combs(shown[3])


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_high_dynamic_range_becomes_the_standard_one(transfer: int, tmp_path: Path) -> None:
    """White as of paper: 203 cd/m², in HLG at 75 %; both come out as bright."""
    clip = tmp_path / "clip.mkv"
    signal = float(pq_signal(np.array(203.0))) if transfer == PQ else 0.75
    levels = np.repeat(np.array([0, signal, 1]), 32)
    pixels = np.broadcast_to((levels * 65535).astype(np.uint16)[None, :, None], (64, 96, 3))
    write(
        clip,
        "ffv1",
        "yuv444p10le",
        [np.ascontiguousarray(pixels)] * 2,
        form="rgb48le",
        colorspace=9,
        color_primaries=9,
        color_trc=transfer,
        color_range=1,
    )
    source, frames, _ = read(clip)
    assert source.color == SDR and ["dynamic range" in note for note in source.notes] == [True]
    black, white, most = (frames[0].pixels[32, x].astype(int) for x in (16, 48, 80))
    assert np.ptp(white) <= 2 and abs(int(white[1]) - 230) <= 3
    assert black.max() <= 1 and most.min() >= 254


ALPHA = [
    (".mov", "prores_ks", "yuva444p10le"),
    (".mov", "png", "rgba"),
    (".mov", "qtrle", "argb"),
    (".webm", "libvpx-vp9", "yuva420p"),
    (".webm", "libvpx", "yuva420p"),
    (".mkv", "ffv1", "yuva420p"),
]


@pytest.mark.parametrize(("suffix", "codec", "pix_fmt"), ALPHA)
def test_alpha_is_read_and_what_it_hides_is_white(
    suffix: str, codec: str, pix_fmt: str, tmp_path: Path
) -> None:
    clip = tmp_path / f"clip{suffix}"
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[:] = 255, 0, 0, 0  # red that nobody is to see
    pixels[:, 32:64] = 40, 80, 220, 128
    pixels[:, 64:] = 40, 80, 220, 255
    options = {"auto-alt-ref": "0"} if "vpx" in codec else {}
    write(clip, codec, pix_fmt, [pixels] * 3, form="rgba", options=options)
    source, frames, _ = read(clip)
    assert source.has_alpha and len(frames) == 3
    for frame in frames:
        assert frame.alpha is not None and frame.alpha.shape == (64, 96)
        for x, alpha in ((8, 0), (48, 128), (88, 255)):
            assert abs(int(frame.alpha[32, x]) - alpha) <= 4
        assert frame.pixels[32, 8].tolist() == [255, 255, 255]
        assert np.abs(frame.pixels[32, 88].astype(int) - [40, 80, 220]).max() < 25


def test_without_alpha_there_is_none(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", EVEN)
    source, frames, _ = read(tmp_path / "clip.mp4")
    assert not source.has_alpha and frames[0].alpha is None
    durations = [float(frame.duration * source.time_base) for frame in frames]
    assert durations[:-1] == pytest.approx([0.04] * 5)


@pytest.mark.parametrize(
    "pix_fmt",
    ["gray", "gray10le", "yuv422p10le", "yuv444p", "yuv420p12le", "bgr0", "gbrp10le", "bgra"],
)
def test_pixels_of_every_format(pix_fmt: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    write(clip, "ffv1", pix_fmt, [grey(0), grey(1)])
    source, frames, _ = read(clip)
    assert np.abs(frames[1].pixels.astype(int) - grey(1)).max() <= 2
    assert source.color.matrix != 0, "what is written of it is no RGB"
