import numpy as np

from fststyle.data.scenes.camera_effects import add_depth_of_field, add_haze
from fststyle.data.scenes.rasterizer import SKY


def test_haze_lightens_what_is_far_and_leaves_the_sky() -> None:
    image = np.zeros((2, 3, 3), np.float32)
    image[:, 2] = 1
    depth = np.tile(np.array([1, 400, SKY], np.float32), (2, 1))
    hazy = add_haze(image, depth, np.random.default_rng(0))
    assert hazy[0, 0, 0] < hazy[0, 1, 0] < 1
    np.testing.assert_array_equal(hazy[:, 2], 1)


def test_what_is_in_focus_stays_sharp_and_does_not_bleed() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[:, 32:] = np.indices((64, 32)).sum(0)[..., None] % 2  # a far checkerboard
    depth = np.where(np.arange(64) < 32, 1, 100)[None].repeat(64, 0).astype(np.float32)
    random = np.random.default_rng(1)
    out = add_depth_of_field(image, depth, 1.0, random)
    np.testing.assert_array_equal(out[:, :32], 0)
    assert out[:, 32:].std() < 0.3
    assert out[:, 33:36].mean() > 0.35
