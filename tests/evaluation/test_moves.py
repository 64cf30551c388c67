"""What becomes of a picture that moves."""

import numpy as np
import pytest
from PIL import Image

from fststyle.evaluation.moves import move_errors
from tests.conftest import picture


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, np.float32) / 255


def test_what_moves_along_changes_nothing_and_what_is_bound_to_a_grid_does() -> None:
    frame = picture(0, 320, 240)
    moved = move_errors(levels, frame, (160, 120))
    assert list(moved) == ["1", "2", "3", "4", "0.5"] and max(moved.values()) < 0.003

    def with_grid(image: Image.Image) -> np.ndarray:
        shown = levels(image).copy()
        shown[::4, ::4] += 0.4
        return shown

    grid = move_errors(with_grid, frame, (160, 120))
    assert grid["4"] < 0.003
    # Of 16 pixels two differ by 0.4.
    assert grid["1"] == pytest.approx(0.4 * (2 / 16) ** 0.5, abs=0.003)

    def darker_to_the_right(image: Image.Image) -> np.ndarray:
        shown = levels(image).copy()
        return shown + np.linspace(0, 1, shown.shape[1], dtype=np.float32)[:, None]

    # Fixed to the screen: a move by k pixels shows k times the slope.
    slope = 1 / (156 - 1)
    assert move_errors(darker_to_the_right, frame, (160, 120)) == pytest.approx(
        {f"{k:g}": k * slope for k in (1, 2, 3, 4, 0.5)}, abs=0.002
    )
