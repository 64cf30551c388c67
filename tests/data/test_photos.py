from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import (
    PhotoCrops,
    evenly_spread,
    fingerprint,
    photos_used,
    validation_images,
)
from fststyle.images.find import find_images
from fststyle.images.io import write_image
from tests.conftest import picture


def test_samples_follow_from_seed_and_number_alone(photos: Path) -> None:
    files = find_images(photos)
    first, again, other = (PhotoCrops(files, (32, 32), seed) for seed in (1, 1, 2))
    later = first[[7, 8]].images
    first[[0, 1]]
    assert torch.equal(first[[7, 8]].images, later)
    assert torch.equal(again[[7, 8]].images, later)
    assert not torch.equal(other[[7, 8]].images, later)


def test_every_epoch_takes_every_photo_once(tmp_path: Path) -> None:
    for i in range(5):  # told apart by their red
        red = Image.new("L", (64, 48), i * 10)
        Image.merge("RGB", (red, *picture(0).split()[1:])).save(tmp_path / f"{i}.png")
    crops = PhotoCrops(find_images(tmp_path), (32, 32), seed=0)
    epochs = [crops[list(range(e * 5, e * 5 + 5))].images[:, 0, 0, 0].tolist() for e in range(3)]
    assert all(sorted(epoch) == [0, 10, 20, 30, 40] for epoch in epochs)
    assert len(set(map(tuple, epochs))) > 1


def test_crops_are_uint8_and_channels_last(photos: Path) -> None:
    images = PhotoCrops(find_images(photos), (32, 32), seed=0)[[0, 1, 2]].images
    assert images.shape == (3, 3, 32, 32) and images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_crops_are_flipped_half_of_the_time(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    images = PhotoCrops([tmp_path / "ramp.png"], (32, 32), seed=0)[list(range(40))].images.float()
    rising = (images[..., -1].mean((1, 2)) > images[..., 0].mean((1, 2))).sum().item()
    assert 10 <= rising <= 30


def test_maps_are_cut_and_flipped_with_their_photos(tmp_path: Path) -> None:
    """Photos whose brightness rises evenly, each its own map at a third of its resolution."""
    for i, (height, width) in enumerate([(90, 120), (120, 90)]):
        ramp = np.add.outer(np.arange(height), np.arange(width)) * (255 / (height + width))
        Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / f"{i}.png")

    def maps(photo: Path, size: tuple[int, int]) -> np.ndarray:
        image = Image.open(photo)
        assert image.size == size
        small = image.resize((image.width // 3, image.height // 3), Image.Resampling.BOX)
        return np.asarray(small, np.float32) / 255

    files = find_images(tmp_path)
    batch = PhotoCrops(files, (40, 32), seed=0, maps=maps)[list(range(12))]
    assert batch.targets is not None and batch.targets.shape == (12, 1, 40, 32)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    grey = batch.images[:, :1].float() / 255
    assert (batch.targets - grey)[inner].abs().max() < 0.02
    val = validation_images(files, (40, 32), 2, maps)
    assert val.targets is not None
    assert (val.targets - val.images[:, :1].float() / 255)[inner].abs().max() < 0.02


def test_the_photos_that_a_run_will_use_are_known(photos: Path) -> None:
    files = find_images(photos)
    used = photos_used(files, 1, range(3, 8))
    assert len(used) == len(set(used)) <= 5
    opened = []

    def maps(photo: Path, _: tuple[int, int]) -> np.ndarray:
        opened.append(photo)
        return np.ones((4, 4), np.float32)

    PhotoCrops(files, (32, 32), 1, maps)[list(range(3, 8))]
    assert set(opened) == set(used)
    assert set(photos_used(files, 1, range(3, 10_000))) == set(files)


def test_broken_photos_are_replaced_and_named(tmp_path: Path) -> None:
    for i in range(3):
        picture(i).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    crops = PhotoCrops(find_images(tmp_path), (32, 32), seed=0)
    first = crops[list(range(8))]
    assert first.images.shape[0] == 8
    assert list(first.broken) == [str(tmp_path / "broken.png")]
    assert not crops[list(range(8, 16))].broken, "it is not tried again"


@pytest.mark.parametrize("workers", [0, 1])
def test_odd_pictures_are_passed_over_and_named(tmp_path: Path, workers: int) -> None:
    """Plain ones have no gradient in instance norms, see ``PLAIN``."""
    flat = Image.new("RGB", (64, 48), (200, 30, 90))
    ramp = np.tile(np.arange(64, dtype=np.uint8) // 32, (48, 1))
    noise = np.random.default_rng(0).integers(0, 2**16, (48, 64))
    odd = {
        "plain.png": flat,
        "black.jpg": Image.new("RGB", (64, 48)),
        "white.png": Image.new("L", (64, 48), 255),
        "transparent.png": Image.new("RGBA", (64, 48), (9, 9, 9, 0)),
        "pixel.png": Image.new("RGB", (1, 1), "red"),
        "line.png": picture(1, 3000, 40).resize((3000, 1)),
        "column.png": picture(1, 40, 3000).resize((1, 3000)),
        "faint.png": Image.fromarray(ramp),
        "nan.tif": Image.fromarray(np.full((48, 64), np.nan, np.float32)),
    }
    fine = {
        "ten.png": picture(2, 5, 2),
        "cmyk.jpg": picture(3).convert("CMYK"),
        "deep.png": Image.fromarray(noise.astype(np.uint16)),
        "palette.gif": picture(4).convert("P"),
        "clear.png": Image.merge("RGBA", (*picture(5).split(), picture(6).convert("L"))),
        "wide.png": picture(7, 2000, 20),
    }
    for name, image in {**odd, **fine}.items():
        image.save(tmp_path / name)
    whole = (tmp_path / "wide.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    files = find_images(tmp_path)
    crops = PhotoCrops(files, (32, 32), seed=0)
    loader = load_batches(crops, SampleNumbers(0, 4, 1, 0, 1), workers, False)
    used: set[str] = set()
    named: dict[str, str] = {}
    for batch in islice(loader, len(files) // 4 + 1):
        used |= {Path(file).name for file in batch.files}
        named |= batch.broken
        assert (batch.images.float().std((2, 3)).amax(1) > 0.5).all()
    assert used == set(fine)
    assert {Path(file).name for file in named} == {*odd, "cut.png", "empty.jpg"}
    assert named[str(tmp_path / "plain.png")].endswith("of one colour where it was cut")


def test_colors_are_srgbs_as_when_they_are_stylized(tmp_path: Path) -> None:
    """A profile whose red is sRGB's green: LCMS turns the one into the other."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    tags = {bytes(profile[p : p + 4]): p for p in range(132, 132 + 12 * count, 12)}
    red, green = (slice(tags[tag] + 4, tags[tag] + 12) for tag in (b"rXYZ", b"gXYZ"))
    profile[red], profile[green] = profile[green], profile[red]
    original = picture(0)
    original.save(tmp_path / "photo.png", icc_profile=bytes(profile))
    crops = PhotoCrops([tmp_path / "photo.png"], (32, 32), seed=0)[[0, 1]].images.float()
    val = validation_images([tmp_path / "photo.png"], (48, 48), 1).images.float()
    r, g, b = original.split()
    Image.merge("RGB", (g, r, b)).save(tmp_path / "expected.png")
    expected = PhotoCrops([tmp_path / "expected.png"], (32, 32), seed=0)[[0, 1]].images.float()
    assert (crops - expected).abs().max() <= 2
    expected = validation_images([tmp_path / "expected.png"], (48, 48), 1).images.float()
    assert (val - expected).abs().max() <= 2


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_but_plain_photos_is_one_line(tmp_path: Path, workers: int) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    crops = PhotoCrops(find_images(tmp_path), (32, 32), seed=0)
    with pytest.raises(ValueError) as failure:
        next(load_batches(crops, SampleNumbers(0, 2, 1, 0, 1), workers, False))
    assert str(failure.value).startswith("none of the 1 photos can be used: ")
    assert "\n" not in str(failure.value) and "red.png: of one colour" in str(failure.value)


def test_nothing_but_broken_photos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="none of the 1 photos can be used: .*broken.png"):
        PhotoCrops(find_images(tmp_path), (32, 32), seed=0)[[0]]
    with pytest.raises(ValueError, match="none of the 1 photos can be used: .*broken.png"):
        validation_images(find_images(tmp_path), (32, 32), 4)


def test_fingerprint_is_of_the_names(photos: Path) -> None:
    files = find_images(photos)
    assert fingerprint(files, photos) == fingerprint(files, photos)
    assert fingerprint(files, photos) != fingerprint(files[1:], photos)


def test_validation_images_are_spread_over_the_folder(photos: Path) -> None:
    assert validation_images(find_images(photos), (40, 40), 3).images.shape == (3, 3, 40, 40)
    assert len(validation_images(find_images(photos), (40, 40), 50).images) == 6


@pytest.mark.parametrize(("total", "count"), [(15, 8), (47, 24), (3, 8), (8, 8)])
def test_some_of_many_are_spread_to_the_end(total: int, count: int) -> None:
    spread = evenly_spread(range(total), count)
    assert sorted(spread) == list(range(total))
    first = spread[:count]
    assert first == sorted(first)
    gaps = [b - a for a, b in zip([-1, *first], [*first, total], strict=True)]
    assert max(gaps) <= -(-total // min(count, total)) + 1


def test_validation_leaves_out_plain_photos(tmp_path: Path) -> None:
    write_image(Image.new("RGB", (50, 50), "white"), tmp_path / "a.png")
    with pytest.raises(ValueError, match="a.png: of one colour"):
        validation_images(find_images(tmp_path), (40, 40), 3)
