from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data.depth.maps import read_depth_png
from fststyle.depth.estimator import estimate_full_size, training_size
from fststyle.depth.maps import colorize, write_depth_png
from tests.conftest import picture


def columns(image: np.ndarray) -> np.ndarray:
    """Depth that grows to the right, whatever the picture."""
    n, _, height, width = image.shape
    return np.broadcast_to(np.arange(width, dtype=np.float32), (n, 1, height, width))


def test_depth_has_the_pictures_size_and_the_network_sees_the_working_size() -> None:
    seen = []

    def estimate(image: np.ndarray) -> np.ndarray:
        seen.append(image.shape)
        assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
        return columns(image)

    depth = estimate_full_size(estimate, picture(0, 401, 203), {}, size=128)
    assert depth.shape == (203, 401)
    assert (np.diff(depth, axis=1) >= -1e-3).all()
    assert seen == [(1, 3, 96, 176)]
    estimate_full_size(estimate, picture(0, 44, 44), {}, size=128)
    assert seen[1] == (1, 3, 48, 48), "small pictures go to the nearest multiple of 16"


def test_flipping_takes_out_what_depends_on_the_side() -> None:
    depth = estimate_full_size(columns, picture(0, 64, 48), {}, size=64, flip=True)
    assert np.ptp(depth) < 1e-5


def test_maps_are_read_back_in_the_same_order(tmp_path: Path) -> None:
    depth = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
    write_depth_png(depth, tmp_path / "d.png")
    back = read_depth_png(tmp_path / "d.png")
    assert back.min() == 1 and back.max() == 65534
    assert np.corrcoef(back.ravel(), depth.ravel())[0, 1] > 0.99999


def test_near_is_light_and_far_is_dark() -> None:
    shown = np.asarray(colorize(np.array([[0.0, 1, 2, 3]])).convert("L"), int)
    assert (np.diff(shown[0]) < 0).all()
    assert isinstance(colorize(np.zeros((4, 4))), Image.Image), "a flat map is no error"


@pytest.mark.parametrize(("card", "size"), [({}, 256), ({"settings": {"size": "128x160"}}, 143)])
def test_the_working_size_is_the_trainings(card: dict[str, object], size: int) -> None:
    assert training_size(card) == size
