import numpy as np
import pytest
from PIL import Image

from fststyle.depth.upsampling import upsample_along_edges


def scene(edge: int) -> tuple[Image.Image, np.ndarray]:
    """(320×240 picture of a light thing to the left of column ``edge``, its depth)."""
    light = np.arange(320) < edge
    luminance = np.where(light, 200, 60).astype(np.uint8)
    image = Image.fromarray(np.repeat(np.tile(luminance, (240, 1))[..., None], 3, 2))
    return image, np.tile(np.where(light, 0.0, 1.0).astype(np.float32), (240, 1))


@pytest.mark.parametrize("edge", [157, 160, 166])
def test_a_step_lies_where_the_pictures_does(edge: int) -> None:
    image, depth = scene(edge)
    small = np.asarray(Image.fromarray(depth).resize((40, 30), Image.Resampling.BOX))
    plain = np.asarray(Image.fromarray(small).resize(image.size, Image.Resampling.BICUBIC))
    found = upsample_along_edges(small, image)
    assert found.shape == depth.shape and found.dtype == np.float32
    assert np.abs(found - depth).max() < 0.15 < 0.3 < np.abs(plain - depth).max()


def test_texture_leaves_no_trace_and_flat_depth_stays() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(120, 136, (240, 320, 3)).astype(np.uint8)
    ramp = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))
    found = upsample_along_edges(ramp, Image.fromarray(noise))
    assert (np.abs(found - np.linspace(0, 1, 320)) < 0.05).all()
    assert np.ptp(upsample_along_edges(np.full((30, 40), 7, np.float32), scene(99)[0])) < 1e-5
