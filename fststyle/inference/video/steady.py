"""Strokes that stay on what they lie on: a video's pictures averaged along its motion."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fststyle.config.infer import Grain
from fststyle.images.clouds import add_clouds
from fststyle.images.flow import followed, optical_flow, pixel_grid, warped
from fststyle.images.noise import grain_square, noisy

REDUCTION = 2
"""Pixels of a frame to one of those in which motion is looked for: a quarter of the time, and of 45
% less flicker 41 remain (640×360)."""
SIDES = (240, 480)
"""Least and most pixels of their longer side, whatever the reduction."""
LEAST = 16
"""Pixels of their shorter side, below which flow cannot be looked for."""
CHANGE = 0.06
"""Change of luminance along the motion, of [0,1], at which 1/e of what was there before is kept."""
HELD = 0.2
"""Belief in what was there before, as ``Motion`` has it, from which grain moves along."""
PAN_SIDE = 160
"""Pixels of their longer side at which a pan is looked for."""
PAN_SEEN = 0.7
"""Of a frame's pixels, by how much goes on there, those that a pan is not told by."""
EXPLAINED = 0.8
"""Of the difference of two frames, what may remain with a pan for it to be believed."""
PLAIN = (15, 15)
"""Pixels around each by which a plain surface is told."""
FOLLOWED = 0.8
"""Part of them that flow can follow where there is something to be followed."""
FITTED = 1.4
"""By how much more the pan may leave of their change than flow does, which fits noise."""
CUT = 0.3
"""Where less than this part of a frame can be followed another scene begins."""


class Motion(NamedTuple):
    """From a frame back to the one before it, at fewer pixels than these have.

    Attributes:
        flow: h×w×2 float32, to the right and down, in those pixels.
        kept: h×w float32 in [0,1], how far what was there before is to be believed.
    """

    flow: np.ndarray
    kept: np.ndarray


class MotionFinder:
    """The motion of one video's frames, in their order."""

    def __init__(self) -> None:
        self._before = np.zeros((0, 0, 3), np.uint8)

    def __call__(self, frame: np.ndarray, pan: tuple[float, float] = (0, 0)) -> Motion | None:
        """H×W×3 uint8, the next frame, to its motion; None where nothing goes before it in its
        scene. ``pan``, as ``PanFinder`` has it, is the motion of what is plain."""
        height, width = frame.shape[:2]
        least, most = SIDES
        longer = min(max(max(height, width) / REDUCTION, least), most, max(height, width))
        before, self._before = self._before, _reduced(frame, longer / max(height, width))
        if before.shape != self._before.shape:
            return None
        flow, back = optical_flow(self._before, before), optical_flow(before, self._before)
        valid = followed(flow, back)
        luminance, earlier = (
            cv2.cvtColor(x, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
            for x in (self._before, before)
        )
        change = cv2.blur(np.abs(luminance - warped(earlier, flow)), (5, 5))
        lost = cv2.blur(valid.astype(np.float32), PLAIN) < FOLLOWED
        if lost.any():
            # Of noise on a plain surface flow makes motion, which explains no more than the pan.
            rows, columns = luminance.shape
            panned = np.array([-pan[0] * columns / width, -pan[1] * rows / height], np.float32)
            moved = _shifted(earlier, panned, outside=9)  # as nothing inside is
            plain_change = cv2.blur(np.abs(luminance - moved), (5, 5))
            more = cv2.blur(plain_change - FITTED * change, PLAIN)
            plain = lost & (more <= 0) & (plain_change < CHANGE)
            np.copyto(flow, panned, where=plain[..., None])
            np.copyto(change, plain_change, where=plain)
            valid |= plain
        if valid.mean() < CUT:
            return None
        # Softly up to the edge of what can be followed, and nothing beyond it.
        kept = valid * cv2.blur(valid.astype(np.float32), (3, 3)) * np.exp(-change / CHANGE)
        return Motion(flow, kept.astype(np.float32))


class PanFinder:
    """By how much a video's camera turns from frame to frame, in their order: one shift for all of
    a frame, the median of a coarse flow where there is something to see, so that a thing that moves
    by itself counts as little as a plain sky. Takes 2 ms where ``MotionFinder`` takes tens."""

    def __init__(self) -> None:
        self._before: np.ndarray = np.zeros((0, 0, 3), np.uint8)

    def __call__(self, frame: np.ndarray) -> tuple[float, float]:
        """H×W×3 uint8, the next frame, to pixels to the right and down by which what is seen has
        moved; (0, 0) where nothing goes before."""
        height, width = frame.shape[:2]
        part = min(1.0, PAN_SIDE / max(height, width))
        stride = max(1, int(0.25 / part))  # of large frames not every pixel needs to be read
        small = _reduced(np.ascontiguousarray(frame[::stride, ::stride]), part * stride)
        before, self._before = self._before, small
        if before.shape != small.shape:
            return 0.0, 0.0
        grey = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY)
        slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        seen = slope >= np.quantile(slope, PAN_SEEN)
        across, down = np.median(optical_flow(before, small)[seen], 0).tolist()
        if not _explains((across, down), grey, cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), seen):
            return 0.0, 0.0
        return across * width / small.shape[1], down * height / small.shape[0]


def _explains(
    pan: tuple[float, float], before: np.ndarray, after: np.ndarray, seen: np.ndarray
) -> bool:
    """Whether clearly less remains of the difference of two frames, H×W uint8 each, where ``seen``,
    with ``pan``, to the right and down, than without: flow is found in noise alone, too."""
    # Smoothed, for a shift by parts of a pixel smooths noise by itself.
    old, new = (cv2.blur(x.astype(np.float32), (5, 5)) for x in (before, after))
    left, whole = (np.median(np.abs(x - old)[seen]) for x in (_shifted(new, pan), new))
    return bool(left < EXPLAINED * whole)


def _shifted(
    after: np.ndarray, shift: Sequence[float] | np.ndarray, outside: float | None = None
) -> np.ndarray:
    """``warped`` by one shift for all pixels, to the right and down; ``outside`` may be another
    value than the border's."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    return cv2.warpAffine(
        after,
        matrix,
        after.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT,
        borderValue=outside or 0,
    )


def _reduced(frame: np.ndarray, part: float) -> np.ndarray:
    """H×W×3 uint8 at ``part`` of its size, ``LEAST`` pixels a side at least."""
    height, width = frame.shape[:2]
    size = max(LEAST, round(width * part)), max(LEAST, round(height * part))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))


class MovingGrain:
    """The grain of ``add_noise``, without clouds, for the frames of one video, in their order,
    moved along with what is seen: strokes in plain surfaces hold on to it.

    Args:
        levels: as ``Grain`` has them.
    """

    def __init__(self, levels: int) -> None:
        self.levels = levels
        self._places = np.zeros((0, 0, 2), np.float32)  # in the grain, of the motion's pixels
        self._moved: np.ndarray | None = None

    def follow(self, frame: np.ndarray, motion: Motion | None) -> None:
        """Move to the next frame, H×W×3; where nothing goes before, its grain is that of a
        picture."""
        self._moved = None
        if motion is None:
            self._places = np.zeros((0, 0, 2), np.float32)
        if motion is None or not self.levels:
            return
        height, width = frame.shape[:2]
        rows, columns = motion.kept.shape
        scale = np.divide((width, height), (columns, rows)).astype(np.float32)
        own = (np.stack(pixel_grid(rows, columns), -1) + 0.5) * scale - 0.5
        before = self._places if self._places.shape == own.shape else own
        moved = warped(before, motion.flow)
        self._places = np.where(motion.kept[..., None] > HELD, moved, own)
        places = cv2.resize(self._places, (width, height), interpolation=cv2.INTER_LINEAR)
        across, down = cv2.split(places)
        square = grain_square(self.levels)
        grain = cv2.remap(square, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_WRAP)
        self._moved = cv2.merge([grain] * 3)

    def add(self, frame: np.ndarray) -> np.ndarray:
        """H×W×3 uint8, the frame that was followed, to the same."""
        if self._moved is None:
            return noisy(frame, Grain(self.levels, clouds=0))
        return np.asarray(cv2.add(frame, self._moved, dtype=cv2.CV_8U))


class FilmGrain:
    """Grain and clouds of one video's frames, in their order, which move along with what is seen:
    clouds with the camera's pan, and so does grain, but where strokes are steadied, too, by the
    motion of each place.

    Args:
        grain: as ``add_noise`` has it.
        steady: whether motion is wanted; may change between frames.
    """

    def __init__(self, grain: Grain, *, steady: bool) -> None:
        self.grain, self.steady = grain, steady
        self._find_motion, self._moving = MotionFinder(), MovingGrain(grain.levels)
        self._find_pan, self._panned = PanFinder(), np.zeros(2)

    def __call__(
        self, frame: np.ndarray, weight_map: np.ndarray | None = None
    ) -> tuple[np.ndarray, Motion | None]:
        """From the next frame, H×W×3 uint8, and its h×w map (the frame with its grain; its motion,
        None where none is wanted or nothing goes before)."""
        motion = self.follow(frame)
        return self.add(frame, weight_map), motion

    def follow(self, frame: np.ndarray) -> Motion | None:
        """Move to the next frame, and return its motion, as calling it does."""
        pan = self._find_pan(frame) if self.grain.levels else (0.0, 0.0)
        motion = self._find_motion(frame, pan) if self.steady else None
        if self.grain.levels:
            self._panned += pan
            self._moving.follow(frame, motion)
        return motion

    def add(self, frame: np.ndarray, weight_map: np.ndarray | None = None) -> np.ndarray:
        """The frame that was followed, with its grain; with several maps, it may be asked for
        several times."""
        across, down = self._panned.round().astype(int).tolist()
        if not (self.steady and self.grain.levels):
            return noisy(frame, self.grain, weight_map, (across, down))
        return self._moving.add(add_clouds(frame, self.grain, (-down, -across), weight_map))


class SteadyStrokes:
    """Pictures of one video's frames, each averaged with what became of the one before, moved along
    (an exponential average along the motion). What is new, hidden until now or changed is taken as
    it is.

    Args:
        part: of what was there before that is kept where it can be followed, in [0, 1).
    """

    def __init__(self, part: float) -> None:
        self.part = part
        self._before: np.ndarray | None = None

    def __call__(self, frame: np.ndarray, motion: Motion | None) -> np.ndarray:
        """H×W×3 uint8, the next picture, to the same; ``motion`` as ``MotionFinder`` has it."""
        if motion is None or self._before is None or self._before.shape != frame.shape:
            self._before = frame.astype(np.float32)
            return frame
        height, width = frame.shape[:2]
        size = width, height
        scale = np.divide(size, motion.kept.shape[::-1]).astype(np.float32)
        flow = cv2.resize(motion.flow * scale, size, interpolation=cv2.INTER_LINEAR)
        kept = cv2.resize(self.part * motion.kept, size, interpolation=cv2.INTER_LINEAR)
        # By a cubic filter: a linear one, frame after frame, would blur what stays.
        before = warped(self._before, flow, cv2.INTER_CUBIC)
        picture = cv2.blendLinear(before, frame.astype(np.float32), kept, 1 - kept)
        self._before = np.asarray(picture)
        rounded: np.ndarray = (self._before + 0.5).clip(0, 255).astype(np.uint8)
        return rounded
