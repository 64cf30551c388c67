"""Depth of a video's frames, one after the other, averaged over time; no torch."""

import numpy as np
from PIL import Image

from fststyle.depth.estimator import DepthEstimator, seen_size
from fststyle.depth.upsampling import upsample_along_edges, window_mean

MEMORY = 0.85
"""Part of a frame's depth that is taken over from the frame before, where the picture stayed as it
was."""
CHANGE = 0.06
"""Difference of luminance, of [0,1], at which a pixel takes over 1/e of that."""
CUT = 0.5
"""Correlation of two frames' luminance, after the motion of the camera, below which another scene
begins."""
EXPLAINED = 0.8
"""Of the difference of two frames, what may remain where one is moved, for a move to be
believed."""
RANGE_MEMORY = 0.95
"""Of the range of depths, from one frame to the next."""


class SteadyDepth:
    """Depth of the frames of one video, in order: what a network says of each, averaged with what
    it said before.

    A network sees every frame anew, and what it says of a still wall trembles. So depth follows the
    camera (the shift of the whole frame, by phase correlation), is averaged where the picture
    stayed as it was, is new where something moves, and begins anew at a cut. It works at the few
    pixels that the network sees.

    Args:
        estimator: the network.
        size, flip: as ``estimate_reduced`` has them.
        memory: 0 takes every frame alone.
        every: frames to one that the network sees; on those between, depth follows the camera,
            unless a cut comes.

    Attributes:
        begins: whether the last frame began a scene.
    """

    def __init__(
        self,
        estimator: DepthEstimator,
        size: int | None = None,
        memory: float = MEMORY,
        *,
        flip: bool = False,
        every: int = 1,
    ) -> None:
        self.estimator, self.size, self.memory, self.flip = estimator, size, memory, flip
        self.every, self._age = every, 0
        self.begins = True
        self._depth: np.ndarray | None = None
        self._luminance: np.ndarray = np.zeros((0, 0), np.float32)
        self._told = self._luminance  # of the frame seen last, moved with the camera; or NaN

    def __call__(self, frame: Image.Image) -> np.ndarray:
        """H×W float32 depth of the next frame, larger = farther.

        Raises ValueError where the network's is not finite.
        """
        return upsample_along_edges(self.reduced(frame), frame)

    def reduced(self, frame: Image.Image) -> np.ndarray:
        """The same at the size that the network sees."""
        size = seen_size(self.estimator.card, *frame.size, size=self.size)
        luminance = _luminance(frame, size if self._depth is None else self._depth.shape[::-1])
        old = self._followed(luminance)
        self.begins = old is None
        self._age += 1
        if old is None or self._age >= self.every:
            new = self.estimator.reduced(frame, size=self.size, flip=self.flip)
            if new.shape != luminance.shape:  # the network's own, or another frame size
                luminance = _luminance(frame, new.shape[::-1])
            elif old is not None:
                kept = self._kept(luminance)
                new = np.asarray(new + self.memory * kept * (old - new), np.float32)
            self._depth, self._told, self._age = new, luminance, 0
        else:
            self._depth = old
        self._luminance = luminance
        return self._depth

    def _followed(self, luminance: np.ndarray) -> np.ndarray | None:
        """The depth before, moved with the camera, as ``_told`` is, too; None where this is another
        scene, and where nothing is to be remembered."""
        if self._depth is None or self._depth.shape != luminance.shape or not self.memory:
            return None
        shift = camera_shift(self._luminance, luminance)
        before = np.roll(self._luminance, shift, (0, 1))
        if _correlation(before, luminance) <= CUT:
            return None
        covered = _covered(luminance.shape, shift) > 0
        self._told = np.where(covered, np.roll(self._told, shift, (0, 1)), np.nan)
        return np.where(covered, np.roll(self._depth, shift, (0, 1)), self._depth)

    def _kept(self, luminance: np.ndarray) -> np.ndarray:
        """How far each pixel of the depth before is to be believed, 0 to 1: by the change since the
        network saw, and not only since the frame before; not at all what it did not see."""
        change = window_mean(np.nan_to_num(np.abs(luminance - self._told)))
        return np.exp(-change / CHANGE) * np.isfinite(self._told)


def _luminance(frame: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(frame.convert("L").resize(size, Image.Resampling.BOX), np.float32) / 255


class SteadyRange:
    """Depth maps of one video's frames brought to [0,1], 1 near and 0 far, in a range that follows
    theirs slowly, so that none of them flickers; of one picture, and of a scene's first frame, in
    its own."""

    def __init__(self) -> None:
        self._range: np.ndarray | None = None

    def __call__(self, depth: np.ndarray, *, begins: bool = False) -> np.ndarray:
        """H×W float32, larger = farther, to the same size; 1/2 where it is flat. ``begins`` as
        ``SteadyDepth`` has it."""
        step = max(1, min(depth.shape) // 90)
        found = np.percentile(depth[::step, ::step], (1, 99))
        before = found if self._range is None or begins else self._range
        self._range = before + (1 - RANGE_MEMORY) * (found - before)
        near, far = self._range
        if far - near < 1e-6:
            return np.full_like(depth, 0.5)
        return np.asarray(((far - depth) / (far - near)).clip(0, 1), np.float32)


def camera_shift(before: np.ndarray, after: np.ndarray) -> tuple[int, int]:
    """(down, right) in pixels by which a picture moved as a whole; h×w each.

    Phase correlation (Kuglin and Hines 1975). Noise has peaks, too: moves are not believed that
    explain little more than none does, nor those of more than a quarter of a side.
    """
    height, width = before.shape
    window = np.hanning(height)[:, None] * np.hanning(width)
    spectra = [np.fft.rfft2((x - x.mean()) * window) for x in (before, after)]
    cross = spectra[1] * spectra[0].conj()
    surface = np.fft.irfft2(cross / (np.abs(cross) + 1e-9), before.shape)
    down, right = np.unravel_index(surface.argmax(), surface.shape)
    down = down - height if down > height // 2 else down
    right = right - width if right > width // 2 else right
    shift = int(down), int(right)
    if abs(down) > height // 4 or abs(right) > width // 4 or shift == (0, 0):
        return 0, 0
    covered = _covered(before.shape, shift) > 0
    moved, still = (
        _coarse(np.where(covered, after - x, 0)) for x in (np.roll(before, shift, (0, 1)), before)
    )
    return shift if moved < EXPLAINED * still else (0, 0)


def _coarse(difference: np.ndarray) -> float:
    """Mean size of a difference, h×w, in squares of 4 pixels a side, in which noise averages out,
    but not soft shades."""
    height, width = (side // 4 for side in difference.shape)
    squares = difference[: height * 4, : width * 4].reshape(height, 4, width, 4)
    return float(np.abs(squares.mean((1, 3))).mean())


def _covered(shape: tuple[int, ...], shift: tuple[int, int]) -> np.ndarray:
    """1 where a map that was rolled by ``shift`` still shows what it showed, else 0."""
    covered = np.ones(shape, np.float32)
    for axis, by in enumerate(shift):
        gone = slice(0, by) if by > 0 else slice(shape[axis] + by, None)
        if by:
            covered[(gone, slice(None)) if axis == 0 else (slice(None), gone)] = 0
    return covered


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm > 1e-6 else 1.0
