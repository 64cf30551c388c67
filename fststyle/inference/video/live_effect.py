"""What is made of the frames that are shown as they come: stylized, with grain, and steadied."""

import sys
import time
from collections import deque
from collections.abc import Callable
from statistics import median

import numpy as np
from PIL import Image

from fststyle.config.infer import Grain
from fststyle.inference.video.steady import FilmGrain, SteadyStrokes

WATCHED = 15
"""Frames of which it is judged whether the rate is kept."""


class LiveEffect:
    """From each frame of a live source, in their order, to what is shown; H×W×3 uint8 both.

    Args:
        stylize: 1×H×W×3 frames, and their 1×h×w maps or None, to as many pictures.
        maps: tells each frame's map; None for no maps.
        grain: as ``add_noise`` has it.
        steady: as ``SteadyStrokes`` has it.
        rate: frames per second that come. Where the half of them take longer with ``steady``, it is
            given up, and that is said on stderr; None never does.
        clock: seconds.
    """

    def __init__(
        self,
        stylize: Callable[[np.ndarray, np.ndarray | None], np.ndarray],
        maps: Callable[[Image.Image], np.ndarray] | None,
        grain: Grain,
        steady: float,
        rate: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._stylize, self._maps = stylize, maps
        self._grain = FilmGrain(grain, steady=steady > 0)
        self._strokes = SteadyStrokes(steady)
        self._rate, self._clock = rate, clock
        self._taken: deque[float] = deque(maxlen=WATCHED)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """See above."""
        began = self._clock()
        weight_map = self._maps(Image.fromarray(frame)) if self._maps else None
        grainy, motion = self._grain(frame, weight_map)
        maps = None if weight_map is None else weight_map[None]
        shown = self._stylize(grainy[None], maps)[0]
        if self._grain.steady:
            shown = self._strokes(shown, motion)
            self._watch(self._clock() - began)
        return shown

    def _watch(self, seconds: float) -> None:
        """Give ``steady`` up where it does not keep the rate."""
        self._taken.append(seconds)
        if self._rate and len(self._taken) == WATCHED and median(self._taken) > 1 / self._rate:
            self._grain.steady = False
            print(
                f"{self._rate:.0f} frames/s come and {1 / median(self._taken):.0f} are made:"
                " strokes are no longer steadied, which takes time; --steady S keeps it on",
                file=sys.stderr,
            )
