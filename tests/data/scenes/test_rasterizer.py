from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data.scenes.builder import SceneBuilder
from fststyle.data.scenes.rasterizer import FARTHEST, SKY, Camera, Rasterizer, Surface, ground_depth
from fststyle.data.scenes.textures import Patches, Texture
from fststyle.images.find import find_images
from tests.conftest import picture


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for i in range(3):
        picture(i, 96, 72).save(tmp_path / f"{i}.png")
    return find_images(tmp_path)


def grey(level: int = 128) -> Texture:
    return Texture(Image.new("RGB", (4, 4), (level, level, level)))


def sky(camera: Camera) -> np.ndarray:
    return np.ones((camera.height, camera.width, 3), np.float32)


def test_ground_depth_is_the_distance_times_the_cosine() -> None:
    camera = Camera(120, 160, 100, pitch=0.2, yaw=0.7, roll=0)
    depth = ground_depth(camera, above=1.5)
    below_axis = np.arctan((np.arange(120) + 0.5 - 60) / 100)
    falling = below_axis + 0.2
    exact = 1.5 / np.sin(falling) * np.cos(below_axis)
    seen = falling > 0
    np.testing.assert_allclose(depth[seen], np.tile(exact[seen, None], 160), rtol=1e-4)
    assert np.isinf(depth[~seen]).all()
    level = ground_depth(Camera(120, 160, 100, 0, 0, 0), 1.5)
    np.testing.assert_allclose(level[60:, 0], 1.5 / np.tan(below_axis[60:]), rtol=1e-4)


def test_bare_ground_is_nearer_towards_the_bottom_and_sky_farthest(files: list[Path]) -> None:
    random = np.random.default_rng(0)
    camera = Camera(60, 80, 70, pitch=0.1, yaw=0.4, roll=0.03)
    rasterizer = Rasterizer(camera, sky(camera))
    SceneBuilder(rasterizer, 1.6, Patches(files, 3, random), random).ground(road=1.0)
    ground = rasterizer.depth < SKY
    exact = ground_depth(camera, 1.6)
    assert ground[-1].all() and not ground[0].any()
    np.testing.assert_allclose(
        rasterizer.depth[ground], np.minimum(exact, FARTHEST)[ground], rtol=1e-5
    )
    assert (np.diff(rasterizer.depth, axis=0) <= 0).all()


def test_a_point_is_seen_where_it_projects_to() -> None:
    camera = Camera(90, 120, 80, pitch=0.3, yaw=-0.5, roll=0.2)
    corner = camera.axes[2] * 4 + np.array([-0.5, -0.4, 0.3])
    across, up = np.array([1.2, 0, 0.5]), np.array([0.1, 1.0, 0.4])
    rasterizer = Rasterizer(camera, sky(camera))
    assert rasterizer.draw(Surface(corner, across, up, grey()))
    for u, v in ((0.1, 0.1), (0.5, 0.5), (0.9, 0.2), (0.3, 0.9)):
        column, row, depth = camera.project((corner + u * across + v * up)[None])[0]
        assert rasterizer.depth[int(row), int(column)] == pytest.approx(depth, rel=0.01)
    outside = camera.project((corner + 1.1 * across)[None])[0]
    assert rasterizer.depth[int(outside[1]), int(outside[0])] == SKY


def test_the_nearer_surface_is_seen_in_whichever_order() -> None:
    camera = Camera(20, 20, 20, 0, 0, 0)
    surfaces = [
        Surface(np.array([-z, -z, z]), np.array([2.0 * z, 0, 0]), np.array([0, 2.0 * z, 0]), grey())
        for z in (3.0, 5.0)
    ]
    for order in (surfaces, surfaces[::-1]):
        rasterizer = Rasterizer(camera, sky(camera))
        for surface in order:
            rasterizer.draw(surface)
        assert (rasterizer.depth == 3).all()
