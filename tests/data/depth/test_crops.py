from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.data.depth.crops import DepthCrops, crop, cut, jitter_color, shapes
from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import DepthData, DepthPicture
from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.images.find import find_images
from tests.conftest import picture

SIZE = (32, 48)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DepthData:
    """Five pictures, the lower part of whose depth maps is unknown."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("image", "depth"):
        (folder / name).mkdir()
    depth = np.arange(1, 60 * 80 + 1, dtype=np.uint16).reshape(60, 80)
    depth[40:] = 0
    for i in range(5):
        picture(i, 80, 60).save(folder / "image" / f"{i}.png")
        Image.fromarray(depth).save(folder / "depth" / f"{i}.png")
    return open_depth(f"five={folder}")


def drawn(height: int = 60, width: int = 80) -> DepthPicture:
    """A picture whose red and green are its depth's, which rises to the right and downwards."""
    y, x = np.mgrid[:height, :width] + 0.5
    depth = (x / width * 200 + y / height * 50).astype(np.float32)
    return DepthPicture(Image.fromarray(depth.astype(np.uint8)).convert("RGB"), depth)


def test_samples_follow_from_seed_and_number_alone(data: DepthData) -> None:
    first, again, other = (DepthCrops([data], [1], SIZE, 2, seed) for seed in (1, 1, 2))
    later = first[[6, 7]]
    first[[0, 1]]
    for crops, same in ((first, True), (again, True), (other, False)):
        batch = crops[[6, 7]]
        assert torch.equal(batch.images, later.images) == same
        assert batch.targets is not None and later.targets is not None
        close = torch.allclose(batch.targets, later.targets, equal_nan=True)
        assert close == same


def test_shapes_of_batches(data: DepthData) -> None:
    assert shapes((224, 288)) == ((224, 288), (256, 256), (288, 224))
    crops = DepthCrops([data], [1], SIZE, 4, seed=0)
    for numbers, shape in (
        ([0, 1, 2, 3], (32, 48)),
        ([4, 5], (32, 32)),
        ([6, 7], (32, 32)),  # another part of the same step
        ([8, 9, 10, 11], (48, 32)),
        ([12], (32, 48)),
    ):
        images, _, targets, _ = crops[numbers]
        assert images.shape == (len(numbers), 3, *shape) and images.dtype == torch.uint8
        assert targets is not None
        assert targets.shape == (len(numbers), 1, *shape) and targets.dtype == torch.float32


def test_picture_and_depth_stay_together() -> None:
    random = np.random.default_rng(0)
    flipped = 0
    for _ in range(40):
        image, depth = crop(drawn(), SIZE, random)
        assert image.shape == (*SIZE, 3) and depth.shape == SIZE
        inner = np.s_[2:-2, 2:-2]  # the picture is resampled, the depth is not
        assert np.abs(image[inner][..., 0] - depth[inner]).max() < 5
        flipped += depth[0, 0] > depth[0, -1]
    assert 10 <= flipped <= 30


def test_a_depth_map_of_another_size_than_the_picture() -> None:
    image, depth = drawn(60, 80)
    small = drawn(30, 40).depth
    of_small, of_full = (
        cut(DepthPicture(image, d), (20, 15, 60, 45), (30, 40))[1] for d in (small, depth)
    )
    assert np.abs(of_small - of_full).max() < 4


def test_unknown_depth_stays_unknown() -> None:
    image, depth = drawn()
    depth[:, 40:] = np.nan
    _, right = cut(DepthPicture(image, depth), (40, 0, 80, 60), SIZE)
    _, half = cut(DepthPicture(image, depth), (0, 0, 80, 60), SIZE)
    assert np.isnan(right).all()
    assert np.isnan(half[:, 24:]).all() and np.isfinite(half[:, :24]).all()


def test_color_changes_colors_only() -> None:
    image = np.asarray(drawn().image)
    before = image.copy()
    results = [jitter_color(image, np.random.default_rng(seed)) for seed in range(12)]
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert sum(not np.array_equal(result, image) for result in results) > 6
    np.testing.assert_array_equal(image, before)


def test_broken_pictures_are_replaced_and_named(data: DepthData) -> None:
    def read(item: str) -> DepthPicture:
        if item in ("1", "3"):
            raise ValueError(f"{item}.png: an empty depth map")
        return data.read(item)

    crops = DepthCrops([DepthData("five", data.items, read, True)], [1], SIZE, 8, seed=0)
    images, broken, *_ = crops[list(range(24))]
    assert len(images) == 24
    assert broken == {f"five: {i}": f"{i}.png: an empty depth map" for i in "13"}
    assert not crops[list(range(24, 32))].broken, "they are not tried again"


def test_nothing_but_broken_pictures_is_an_error(tmp_path: Path, data: DepthData) -> None:
    def read(item: str) -> DepthPicture:
        raise FileNotFoundError(item)

    crops = DepthCrops([DepthData("five", data.items, read, True)], [1], SIZE, 2, seed=0)
    with pytest.raises(ValueError, match="none of the 5 pictures of five can be used"):
        crops[[0]]


def test_shares(data: DepthData) -> None:
    def tell(value: float) -> DepthData:
        depth = np.full((60, 80), value, np.float32)
        return DepthData("x", ["a"], lambda _: DepthPicture(picture(0, 80, 60), depth), True)

    crops = DepthCrops([tell(0), tell(1)], [1, 3], (16, 16), 120, seed=0)
    targets = crops[list(range(120))].targets
    assert targets is not None
    assert 0.6 < targets[:, 0, 0, 0].mean() < 0.9


def test_rendered_scenes(photos: Path) -> None:
    crops = DepthCrops([SceneRenderer(find_images(photos))], [1], SIZE, 2, seed=0)
    images, broken, targets, _ = crops[[0, 1]]
    assert images.shape == (2, 3, *SIZE) and not broken
    assert targets is not None and targets.shape == (2, 1, *SIZE) and targets.isfinite().all()
    assert torch.equal(crops[[0, 1]].images, images)
