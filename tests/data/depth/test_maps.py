from pathlib import Path

import numpy as np
import pytest

from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import place, read_depth_png
from tests.data.depth.depth_files import write_picture

NAN = np.nan


def test_of_16_bits_0_and_65535_are_unknown(tmp_path: Path) -> None:
    values = np.array([[0, 1], [65535, 700]], np.uint16)
    depth = read_depth_png(write_picture(tmp_path / "d.png", values))
    np.testing.assert_array_equal(depth, [[NAN, 1], [NAN, 700]])


def test_of_8_bits_every_value_is_known(tmp_path: Path) -> None:
    depth = read_depth_png(write_picture(tmp_path / "d.png", np.array([[0, 255]], np.uint8)))
    np.testing.assert_array_equal(depth, [[0, 255]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4, 3), np.uint8), "a.png: .*greyscale of 8 or 16 bits, found mode 'RGB'"),
        (np.zeros((3, 4), np.uint16), "a.png: an empty depth map"),
        (np.full((3, 4), 7, np.uint8), "a.png: an empty depth map"),
        (np.eye(9, dtype=np.uint8), "a.png: is for 9×9 pixels, but .*a.jpg has 40×30"),
    ],
)
def test_maps_that_cannot_be_used(tmp_path: Path, values: np.ndarray, message: str) -> None:
    write_picture(tmp_path / "image" / "a.jpg")
    write_picture(tmp_path / "depth" / "a.png", values)
    with pytest.raises(ValueError, match=message):
        open_depth(f"x={tmp_path}").read("a")


def test_a_dense_map_is_sampled_at_the_nearest_pixel() -> None:
    depth = np.arange(16, dtype=np.float32).reshape(4, 4)
    depth[1, 1] = NAN
    np.testing.assert_array_equal(place(depth, (0, 0, 4, 4), (4, 4)), depth)
    np.testing.assert_array_equal(place(depth, (0, 0, 4, 4), (2, 2)), [[NAN, 7], [13, 15]])
    np.testing.assert_array_equal(place(depth, (2, 1, 4, 2), (2, 4)), [[6, 6, 7, 7]] * 2)


def test_the_points_of_a_sparse_map_are_all_carried_over() -> None:
    depth = np.full((4, 6), NAN, np.float32)
    depth[0, 1], depth[1, 0], depth[3, 5] = 9, 3, 5  # two fall on one pixel: the nearer stays
    np.testing.assert_array_equal(
        place(depth, (0, 0, 6, 4), (2, 3)), [[3, NAN, NAN], [NAN, NAN, 5]]
    )
    placed = place(depth, (3, 2, 6, 4), (4, 6))
    assert np.argwhere(np.isfinite(placed)).tolist() == [[3, 5]] and placed[3, 5] == 5


@pytest.mark.parametrize("dense", [True, False])
def test_outside_the_map_nothing_is_known(dense: bool) -> None:
    depth = np.full((2, 2), 1.0 if dense else NAN, np.float32)
    depth[0, 0] = 7
    placed = place(depth, (-2, -1, 2, 2), (3, 4))
    assert np.isnan(placed[0]).all() and np.isnan(placed[:, :2]).all() and placed[1, 2] == 7
