"""Depth kept on disk, and the user's own maps."""

import multiprocessing
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data.weight_maps import DepthCache, MapFolder, cache_folder
from tests.conftest import picture

SIZE = (64, 48)


class Counting:
    """A depth network: darker is farther. Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, image: Image.Image) -> np.ndarray:
        self.calls += 1
        return -np.asarray(image.convert("L").resize((16, 12)), np.float32)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture(0).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def fail() -> Counting:
    raise AssertionError("all depth is there already")


def test_depth_is_computed_once_for_the_same_bytes(photo: Path, tmp_path: Path) -> None:
    network = Counting()
    DepthCache(tmp_path / "cache", fail).fill([photo, photo], network, show=False)
    found = DepthCache(tmp_path / "cache", fail)(photo, SIZE)
    assert network.calls == 1
    depth = network(Image.open(photo))
    expected = (depth.max() - depth) / (depth.max() - depth.min())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.min() == 0 and found.max() == 1
    moved = tmp_path / "elsewhere.png"
    shutil.copy(photo, moved)
    np.testing.assert_array_equal(DepthCache(tmp_path / "cache", fail)(moved, SIZE), found)


def test_changed_photos_and_damaged_files_are_computed_anew(photo: Path, tmp_path: Path) -> None:
    network = Counting()
    cache = DepthCache(tmp_path / "cache", lambda: network)
    first = cache(photo, SIZE)
    other = tmp_path / "other.png"
    picture(1).save(other)
    assert not np.array_equal(cache(other, SIZE), first) and network.calls == 2
    for file in (tmp_path / "cache").rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    np.testing.assert_allclose(cache(photo, SIZE), first, atol=1e-4)
    assert network.calls == 3
    cache(photo, SIZE)
    assert network.calls == 3, "and kept again"


def test_nothing_half_written_and_a_full_disk_ends_no_training(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Image.Image, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    cache = DepthCache(tmp_path / "cache", Counting)
    monkeypatch.setattr(Image.Image, "save", full)
    assert cache(photo, SIZE).shape == (12, 16)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    with pytest.raises(OSError, match="No space left"):
        cache.fill([photo], Counting(), show=False)


def test_broken_photos_are_left_to_who_asks(photo: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    cache = DepthCache(tmp_path / "cache", Counting)
    cache.fill([broken, photo, tmp_path / "gone.png"], Counting(), show=False)
    with pytest.raises(ValueError, match="broken.png: not a picture"):
        cache(broken, SIZE)
    with pytest.raises(FileNotFoundError, match="gone.png: no such file"):
        cache(tmp_path / "gone.png", SIZE)


def test_a_photo_that_the_system_refuses_ends_nothing(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = tmp_path / "refused.png"
    refused.write_bytes(photo.read_bytes() + b" ")
    read_bytes = Path.read_bytes

    def read(self: Path) -> bytes:
        if self == refused:
            raise PermissionError(f"{self}: Permission denied")
        return read_bytes(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    cache = DepthCache(tmp_path / "cache", Counting)
    assert cache.fill([refused, photo], Counting(), show=False) == [refused]


def test_a_flat_depth_map_weighs_the_middle_and_an_infinite_one_is_an_error(
    photo: Path, tmp_path: Path
) -> None:
    flat = DepthCache(tmp_path / "flat", lambda: lambda _: np.ones((3, 4), np.float32))
    np.testing.assert_array_equal(flat(photo, SIZE), np.full((3, 4), 0.5, np.float32))
    broken = DepthCache(tmp_path / "inf", lambda: lambda _: np.full((3, 4), np.inf, np.float32))
    with pytest.raises(ValueError, match="photo.png: its depth is not finite"):
        broken(photo, SIZE)


def test_the_cache_goes_to_other_processes_without_the_network(photo: Path, tmp_path: Path) -> None:
    cache = DepthCache(tmp_path / "cache", Counting)
    expected = cache(photo, SIZE)
    there = pickle.loads(pickle.dumps(cache))
    assert there._estimate is None
    np.testing.assert_allclose(there(photo, SIZE), expected, atol=1e-4)


def test_two_runs_may_fill_one_folder_at_once(tmp_path: Path) -> None:
    for i in range(6):
        picture(i).save(tmp_path / f"{i}.png")
    photos = sorted(tmp_path.glob("*.png"))
    runs = [
        multiprocessing.get_context("fork").Process(
            target=DepthCache(tmp_path / "cache", fail).fill,
            args=(photos, Counting()),
            kwargs={"show": False},
        )
        for _ in range(2)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
        assert run.exitcode == 0
    files = [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert len(files) == 6
    for photo in photos:
        assert DepthCache(tmp_path / "cache", fail)(photo, SIZE).max() == 1


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with cache_folder("off") as folder:
        (folder / "map.png").write_bytes(b"1")
    assert not folder.exists()
    with cache_folder(str(tmp_path / "mine")) as folder:
        assert folder == tmp_path / "mine"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with cache_folder(None) as folder:
        assert folder.name == "depth" and "fststyle" in folder.parts


def test_own_maps_belong_to_photos_by_name(tmp_path: Path) -> None:
    photos, maps = tmp_path / "photos", tmp_path / "maps"
    for folder in (photos / "deep", maps / "deep"):
        folder.mkdir(parents=True)
    picture(0).save(photos / "deep/a.jpg")
    Image.fromarray(np.array([[0, 255], [51, 102]], np.uint8)).resize((8, 6), 0).save(
        maps / "deep/a.png"
    )
    own = MapFolder(maps, photos)
    own.check([photos / "deep/a.jpg"])
    found = own(photos / "deep/a.jpg", SIZE)
    assert found.shape == (6, 8) and found.dtype == np.float32
    np.testing.assert_allclose(found[[0, 0, -1, -1], [0, -1, 0, -1]], [0, 1, 0.2, 0.4])
    with pytest.raises(ValueError, match="do not belong together"):
        own(photos / "deep/a.jpg", (48, 64))
    picture(1).save(photos / "b.jpg")
    with pytest.raises(ValueError, match="no map for 1 of 2 photos, such as b.jpg"):
        own.check([photos / "b.jpg", photos / "deep/a.jpg"])
    with pytest.raises(FileNotFoundError, match="neither depth, horizontal, vertical nor a folder"):
        MapFolder(tmp_path / "none", photos)
