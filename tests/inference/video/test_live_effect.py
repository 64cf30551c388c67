import itertools

import numpy as np
import pytest

from fststyle.config.infer import Grain
from fststyle.images.noise import NO_GRAIN
from fststyle.inference.video.live_effect import WATCHED, LiveEffect
from tests.conftest import picture

FRAME = np.asarray(picture(0, 64, 48))


def shown(
    seconds: float, rate: float | None, capsys: pytest.CaptureFixture[str]
) -> tuple[list[float], str]:
    """(how far apart pictures of one frame are whose strokes are black and white in turn; what is
    said), where a frame takes so many ``seconds``."""
    count, now = 0, 0.0

    def stylize(frames: np.ndarray, weight_maps: np.ndarray | None) -> np.ndarray:
        nonlocal count, now
        assert weight_maps is None
        count, now = count + 1, now + seconds
        return np.full_like(frames, 255 * (count % 2))

    effect = LiveEffect(stylize, None, NO_GRAIN, 0.6, rate, clock=lambda: now)
    pictures = [effect(FRAME).astype(float) for _ in range(WATCHED + 3)]
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(pictures)]
    return steps, capsys.readouterr().err


def test_strokes_are_steadied_where_that_keeps_the_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps, said = shown(0.03, 30, capsys)
    assert max(steps) < 200 and not said


def test_where_it_does_not_they_are_not_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps, said = shown(0.05, 30, capsys)
    assert max(steps[: WATCHED - 1]) < 200 and min(steps[WATCHED:]) == 255
    assert said.startswith("30 frames/s come and 20 are made") and said.count("\n") == 1


def test_who_asks_for_it_has_it_at_any_rate(capsys: pytest.CaptureFixture[str]) -> None:
    steps, said = shown(0.05, None, capsys)
    assert max(steps) < 200 and not said


def test_maps_are_told_of_frames_without_grain() -> None:
    told = []

    def maps(image: object) -> np.ndarray:
        told.append(np.asarray(image))
        return np.full((3, 4), 0.5, np.float32)

    def stylize(frames: np.ndarray, weight_maps: np.ndarray | None) -> np.ndarray:
        assert weight_maps is not None and weight_maps.shape == (1, 3, 4)
        return frames

    grained = LiveEffect(stylize, maps, Grain(4, clouds=0), 0.0)(FRAME)
    assert np.array_equal(told[0], FRAME) and 0 < np.abs(grained.astype(int) - FRAME).max() <= 4
