from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data.scenes import scenes
from fststyle.data.scenes.builder import SceneBuilder
from fststyle.data.scenes.camera_effects import with_focus, with_haze
from fststyle.data.scenes.rasterizer import FARTHEST, SKY, Camera, Rasterizer, Surface, ground_depth
from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.data.scenes.silhouettes import SHAPES, silhouette
from fststyle.data.scenes.textures import Patches, Texture, noise
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


def test_scenes_follow_from_random_numbers_alone(files: list[Path]) -> None:
    def render(seed: int) -> tuple[np.ndarray, np.ndarray]:
        return SceneRenderer(files).render(np.random.default_rng(seed), 48, 64)

    for seed in range(6):
        for one, two in zip(render(seed), render(seed), strict=True):
            np.testing.assert_array_equal(one, two)
    assert (render(0)[0] != render(1)[0]).any()


@pytest.mark.parametrize("kind", scenes.KINDS)
@pytest.mark.parametrize("size", [(37, 53), (65, 32), (1, 1)])
def test_every_kind_is_rendered_at_odd_sizes(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, kind: str, size: tuple[int, int]
) -> None:
    _, draw, *_ = scenes.KINDS[kind]
    monkeypatch.setattr(scenes, "KINDS", {kind: (1.0, draw, 0.5, 0.5)})
    for seed in range(8):
        image, depth = SceneRenderer(files).render(np.random.default_rng(seed), *size)
        assert image.shape == (*size, 3) and image.dtype == np.uint8
        assert depth.shape == size and depth.dtype == np.float32
        assert np.isfinite(depth).all() and depth.min() > 0
        assert ((depth <= FARTHEST) | (depth == SKY)).all() and FARTHEST < SKY


def test_shares_are_all_there_is() -> None:
    assert sum(share for share, *_ in scenes.KINDS.values()) == pytest.approx(1)


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


def test_textures_are_upright_mirrored_and_averaged_afar() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :4] = 255  # the upper left quarter
    texture = Texture(Image.fromarray(pixels))
    u, v = np.array([0.2, 0.8, 0.2, 1.8]), np.array([0.8, 0.8, 0.2, -0.8])
    near = texture.sample(u, v, np.full(4, 0.01))
    np.testing.assert_allclose(near[:, 0], [1, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(near[:, 3], 1)
    far = texture.sample(u, v, np.full(4, 4.0))
    np.testing.assert_allclose(far[:, 0], 0.25, atol=0.01)


def test_broken_photos_are_passed_over(files: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    patches = Patches([broken, tmp_path / "missing.png", *files], 5, np.random.default_rng(0))
    assert len(patches.photos) == 3
    SceneRenderer([broken, *files]).render(np.random.default_rng(0), 32, 32)
    with pytest.raises(ValueError, match="none of the 1 photos can be decoded"):
        SceneRenderer([broken]).render(np.random.default_rng(0), 32, 32)


@pytest.mark.parametrize("name", SHAPES)
def test_silhouettes_stand_on_the_lower_edge(name: str) -> None:
    for seed in range(5):
        mask = np.asarray(silhouette(name, np.random.default_rng(seed), 64)) > 127
        assert 0.03 < mask.mean() < 1
        assert mask[-4:].any()


def test_noise_is_smooth_and_centred() -> None:
    field = noise(np.random.default_rng(0), 64, 96, 4)
    assert field.shape == (64, 96) and field.dtype == np.float32
    assert abs(field.mean()) < 0.5
    assert np.abs(np.diff(field)).mean() < 0.2 * field.std()


def test_haze_lightens_what_is_far_and_leaves_the_sky() -> None:
    image = np.zeros((2, 3, 3), np.float32)
    image[:, 2] = 1
    depth = np.tile(np.array([1, 400, SKY], np.float32), (2, 1))
    hazy = with_haze(image, depth, np.random.default_rng(0))
    assert hazy[0, 0, 0] < hazy[0, 1, 0] < 1
    np.testing.assert_array_equal(hazy[:, 2], 1)


def test_what_is_in_focus_stays_sharp_and_does_not_bleed() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[:, 32:] = np.indices((64, 32)).sum(0)[..., None] % 2  # a far checkerboard
    depth = np.where(np.arange(64) < 32, 1, 100)[None].repeat(64, 0).astype(np.float32)
    random = np.random.default_rng(1)
    out = with_focus(image, depth, 1.0, random)
    np.testing.assert_array_equal(out[:, :32], 0)
    assert out[:, 32:].std() < 0.3
    assert out[:, 33:36].mean() > 0.35
