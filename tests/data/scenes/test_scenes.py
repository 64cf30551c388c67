from pathlib import Path

import numpy as np
import pytest

from fststyle.data.scenes import scenes
from fststyle.data.scenes.rasterizer import FARTHEST, SKY
from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.data.scenes.textures import Patches
from fststyle.images.find import find_images
from tests.conftest import picture


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for i in range(3):
        picture(i, 96, 72).save(tmp_path / f"{i}.png")
    return find_images(tmp_path)


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


def test_broken_photos_are_passed_over(files: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    patches = Patches([broken, tmp_path / "missing.png", *files], 5, np.random.default_rng(0))
    assert len(patches.photos) == 3
    SceneRenderer([broken, *files]).render(np.random.default_rng(0), 32, 32)
    with pytest.raises(ValueError, match="none of the 1 photos can be decoded"):
        SceneRenderer([broken]).render(np.random.default_rng(0), 32, 32)
