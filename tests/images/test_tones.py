"""A photo's own light and colours where it is to stay."""

import numpy as np
import pytest

from fststyle.images.tones import CELL, TINT, tone_change, with_tones

SIZE = (10 * CELL + 5, 9 * CELL + 3)
WALL = np.full((*SIZE, 3), (240, 180, 100), np.uint8)
EVERYWHERE = np.ones((1, 1), np.float32)


def strokes(level: int) -> np.ndarray:
    """Around ``level``, from one pixel to the next."""
    noise = np.random.default_rng(0).integers(-40, 41, (*SIZE, 1))
    return (level + np.repeat(noise, 3, 2)).astype(np.uint8)


def test_what_is_to_stay_has_the_photos_light_and_colour_but_for_a_tint() -> None:
    picture = strokes(90)
    toned = with_tones(picture, WALL, EVERYWHERE)
    farthest = np.array([150, 90, 10])
    wanted = 90 + farthest * (1 - TINT / farthest[0])
    assert np.abs(toned.mean((0, 1)) - wanted).max() < 1.5
    # Strokes are the network's: the change is slow, up to the border.
    change = toned.astype(int) - picture
    assert np.abs(np.diff(change, axis=0)).max() <= 2 and np.ptp(change, axis=(0, 1)).max() <= 12


def test_a_tint_stays() -> None:
    photo = WALL.astype(int) - np.array([TINT, 0, -TINT])
    assert np.array_equal(with_tones(photo.astype(np.uint8), WALL, EVERYWHERE), photo)


def test_the_less_is_to_stay_the_less_is_changed() -> None:
    picture = strokes(90)
    whole, half = (tone_change(picture, WALL, part * EVERYWHERE).mean() for part in (1.0, 0.5))
    assert half == pytest.approx(whole / 2, abs=0.5)
    assert np.array_equal(with_tones(picture, WALL, 0 * EVERYWHERE), picture)


def test_outlines_of_the_map_are_kept() -> None:
    width = SIZE[1]
    photo, picture = WALL.copy(), strokes(90)
    photo[:, width // 2 :] = 20  # far, and nothing to those before it
    near = np.zeros(SIZE, np.float32)
    near[:, : width // 2] = 1
    change = tone_change(picture, photo, near)
    alone = tone_change(picture, WALL, EVERYWHERE)
    assert not change[:, width // 2 + 8 :].any()
    beside = slice(width // 2 - 40, width // 2 - 8)
    assert np.abs(change[:, beside] - alone[:, beside]).max() < 12


@pytest.mark.parametrize("size", [(16, 16), (17, 90), (250, 19)])
@pytest.mark.parametrize("of_map", [(1, 1), (3, 7), (300, 200)])
def test_pictures_and_maps_of_any_size(size: tuple[int, int], of_map: tuple[int, int]) -> None:
    photo = np.full((*size, 3), 200, np.uint8)
    toned = with_tones(photo // 2, photo, np.ones(of_map, np.float32))
    assert toned.shape == photo.shape and np.abs(toned.astype(int) - (200 - TINT)).max() <= 1
