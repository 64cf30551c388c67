"""Slow variation of light and colour."""

import numpy as np
import pytest

from fststyle.config.infer import Grain, StyleControls
from fststyle.images.clouds import CELL, SIDE, add_clouds, cloud_square
from fststyle.images.noise import BAND, GRAIN, add_noise

GREY = np.full((3 * BAND - 5, 130, 3), 200, np.uint8)


def clouds(
    grain: Grain = GRAIN, moved: tuple[int, int] = (0, 0), kept: np.ndarray | None = None
) -> np.ndarray:
    """What they add to grey, without grain."""
    without, made = (
        add_noise(GREY[None], given, moved, kept)[0].astype(int)
        for given in (grain._replace(clouds=0.0), grain)
    )
    return made - without


def test_they_vary_slowly_in_light_and_colour() -> None:
    added = clouds()
    light, colour = added.mean(-1), added - added.mean(-1, keepdims=True)
    assert 3 < light.std() < 5 and 2 < colour.std() < 4.5 and np.abs(added).max() <= 18
    # From one pixel to the next by next to nothing, at the borders of what is done at once, too.
    assert np.abs(np.diff(added, axis=0)).max() <= 6 and np.abs(np.diff(added, axis=1)).max() <= 6
    assert np.array_equal(np.ptp(clouds(Grain(4, colour=False)), axis=-1), 0 * light)
    assert np.array_equal(clouds(Grain(4, clouds=0.0)), 0 * added)
    ratio = clouds(Grain(4, clouds=0.5)).std() / added.std()
    assert ratio == pytest.approx(0.5, abs=0.05)


def test_what_is_dark_stays_dark() -> None:
    changes = {
        level: add_clouds(np.full_like(GREY, level), Grain(4)).astype(int) - level
        for level in (10, 80, 200)
    }
    deviations = {level: change.std() for level, change in changes.items()}
    assert 0.8 < deviations[10] < 0.35 * deviations[200]
    assert deviations[10] < deviations[80] < 0.7 * deviations[200]


def test_they_belong_to_a_place_and_repeat_without_a_seam() -> None:
    whole = add_clouds(GREY, Grain(4), (7, 9))
    assert np.array_equal(add_clouds(GREY[:90, :50], Grain(4), (47, 39)), whole[40:130, 30:80])
    around = add_clouds(GREY, Grain(4), (7 - SIDE * CELL, 9 + SIDE * CELL))
    assert np.array_equal(around, whole)
    assert np.array_equal(clouds(moved=(30, 21))[21:, 30:], clouds()[:-21, :-30])
    square = cloud_square(4).astype(float)
    for axis in (0, 1):
        steps = np.abs(np.diff(square, axis=axis, append=square.take([0], axis))).mean(2)
        assert steps.take(-1, axis).mean() < 2 * steps.mean()


def test_what_is_to_stay_has_none() -> None:
    kept = np.zeros((1, 30, 6), np.float32)
    kept[:, 15:] = 1  # the lower half
    half = len(GREY) // 2
    added, left = clouds(), clouds(kept=kept)
    # Softly from one to the other, over the distance of the map's values.
    assert np.array_equal(left[: half - 40], added[: half - 40])
    assert np.array_equal(left[half + 40 :], 0 * added[half + 40 :])
    assert (
        0 < np.abs(left[half - 10 : half + 10]).mean() < np.abs(added[half - 10 : half + 10]).mean()
    )


def test_a_map_that_keeps_nothing_of_a_picture_takes_nothing_of_them() -> None:
    near = np.ones((1, 1, 1), np.float32)
    assert not clouds(kept=near).any()
    assert np.array_equal(clouds(Grain(4, by_map=False), kept=near), clouds())


def test_pictures_have_as_much_as_the_style_has_say() -> None:
    assert StyleControls().noise == Grain(4, 1.0, colour=True)
    assert StyleControls(strength=0.5, keep_color=True).noise == Grain(4, 0.5, colour=False)
    assert StyleControls(strength=0).noise.levels == 0
