import pickle
import sys
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.data.depth.crops import DepthCrops
from fststyle.data.depth.datasets import DepthData, open_depth, place, read_depth_png
from fststyle.data.loader import Batch, SampleNumbers, load_batches
from tests.conftest import picture

RAMP = np.arange(1, 13, dtype=np.uint16).reshape(3, 4) * 256
"""A depth map of 4×3 pixels; as KITTI's it holds 1 to 12 metres."""
NAN = np.nan


def write(path: Path, values: np.ndarray | None = None) -> Path:
    """A depth map, or a picture of its shape."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture(0, 40, 30) if values is None else Image.fromarray(values)
    image.save(path, format=None if path.suffix in (".png", ".jpg") else "PNG")
    return path


def write_pairs(images: Path, depths: Path, names: str = "abc") -> None:
    for name in names:
        write(images / f"{name}.jpg")
        write(depths / f"{name}.png", RAMP)


def first_depth(data: DepthData) -> np.ndarray:
    image, depth = data.read(data.items[0])
    assert image.mode == "RGB" and depth.dtype == np.float32
    return depth


# Folders of pairs


def test_folders_image_and_depth(tmp_path: Path) -> None:
    write_pairs(tmp_path / "image", tmp_path / "depth")
    data = open_depth(f"mine={tmp_path}")
    assert (data.name, data.items, len(data), data.metric) == ("mine", ["a", "b", "c"], 3, True)
    np.testing.assert_array_equal(first_depth(data), RAMP)  # the unit stays the source's


def test_two_folders_with_folders_below(tmp_path: Path) -> None:
    write_pairs(tmp_path / "rgb" / "room", tmp_path / "maps" / "room", "ab")
    data = open_depth(f"x={tmp_path}/rgb+{tmp_path}/maps")
    assert data.items == ["room/a", "room/b"]


@pytest.mark.parametrize("name", ["inverse_depth", "disparity"])
def test_inverse_depth_is_turned_round(tmp_path: Path, name: str) -> None:
    write_pairs(tmp_path / "image", tmp_path / name, "a")
    for spec in (f"x={tmp_path}", f"x={tmp_path}/image+{tmp_path}/{name}"):
        data = open_depth(spec)
        assert not data.metric
        np.testing.assert_array_equal(first_depth(data), -RAMP.astype(np.float32))


def test_relative_depth_is_not_metric(tmp_path: Path) -> None:
    write_pairs(tmp_path / "image", tmp_path / "relative_depth", "a")
    assert not open_depth(f"x={tmp_path}").metric


@pytest.mark.parametrize("ends", [(".color.jpg", ".depth.png"), ("_colors.png", "_depth.png")])
def test_color_beside_depth(tmp_path: Path, ends: tuple[str, str]) -> None:
    for stem in ("frame-1", "frame-0"):
        write(tmp_path / (stem + ends[0]))
        write(tmp_path / (stem + ends[1]), RAMP)
    data = open_depth(f"x={tmp_path}")
    assert data.items == ["frame-0", "frame-1"]
    np.testing.assert_array_equal(first_depth(data), RAMP)


def test_what_lacks_its_other_half_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pairs(tmp_path / "image", tmp_path / "depth", "abcdefgh")
    for name in "abcdef":
        (tmp_path / "image" / f"{name}.jpg").unlink()
    (tmp_path / "depth" / "h.png").unlink()
    assert open_depth(f"x={tmp_path}").items == ["g"]
    assert capsys.readouterr().err.splitlines() == [
        "x: 6 depth maps without a picture (a, b, c, d, e, …)",
        "x: 1 pictures without a depth map (h)",
    ]


# Reading one map


def test_of_16_bits_0_and_65535_are_unknown(tmp_path: Path) -> None:
    values = np.array([[0, 1], [65535, 700]], np.uint16)
    depth = read_depth_png(write(tmp_path / "d.png", values))
    np.testing.assert_array_equal(depth, [[NAN, 1], [NAN, 700]])


def test_of_8_bits_every_value_is_known(tmp_path: Path) -> None:
    depth = read_depth_png(write(tmp_path / "d.png", np.array([[0, 255]], np.uint8)))
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
    write(tmp_path / "image" / "a.jpg")
    write(tmp_path / "depth" / "a.png", values)
    with pytest.raises(ValueError, match=message):
        open_depth(f"x={tmp_path}").read("a")


def test_damaged_and_vanished_files_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path / "image", tmp_path / "depth", "abc")
    data = open_depth(f"x={tmp_path}")
    (tmp_path / "depth" / "a.png").write_bytes(b"nothing")
    (tmp_path / "image" / "b.jpg").write_bytes(b"nothing")
    (tmp_path / "depth" / "c.png").unlink()
    for item, error, message in (
        ("a", ValueError, "a.png: not a picture"),
        ("b", ValueError, "b.jpg: not a picture"),
        ("c", FileNotFoundError, "c.png: no such file"),
    ):
        with pytest.raises(error, match=message):
            data.read(item)


# KITTI

DRIVE = "2011_09_26_drive_0001_sync"


def write_kitti(raw: Path, depths: Path, frames: range = range(5, 7)) -> None:
    for number in frames:
        write(raw / f"2011_09_26/{DRIVE}/image_02/data/{number:010d}.png")
        write(depths / f"{DRIVE}/proj_depth/groundtruth/image_02/{number:010d}.png", RAMP)
        write(depths / f"{DRIVE}/proj_depth/velodyne_raw/image_02/{number:010d}.png", RAMP)


def test_kitti_in_one_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kitti(tmp_path, tmp_path / "train")
    write(tmp_path / f"2011_09_26/{DRIVE}/image_03/data/0000000005.jpg")
    (tmp_path / "val").mkdir()
    other = DRIVE.replace("0001", "0002")
    for camera, drive in (("image_03", DRIVE), ("image_02", other)):
        write(tmp_path / f"val/{drive}/proj_depth/groundtruth/{camera}/0000000005.png", RAMP)
    data = open_depth(f"kitti={tmp_path}")
    assert data.items == [
        f"{DRIVE}/image_02/0000000005",
        f"{DRIVE}/image_02/0000000006",
        f"{DRIVE}/image_03/0000000005",
    ]
    np.testing.assert_array_equal(first_depth(data), RAMP / 256)  # metres
    missing = f"kitti: 1 depth maps without a picture ({other}/image_02/0000000005)\n"
    assert capsys.readouterr().err == missing
    assert open_depth(f"kitti={tmp_path}/train").items == data.items[:2]


def test_kitti_in_two_trees(tmp_path: Path) -> None:
    write_kitti(tmp_path / "raw", tmp_path / "depth" / "val")
    data = open_depth(f"kitti={tmp_path}/raw+{tmp_path}/depth")
    assert len(data) == 2 and data.metric
    np.testing.assert_array_equal(first_depth(data), RAMP / 256)
    with pytest.raises(ValueError, match=f"2011_09_26/{DRIVE}/image_02/data/0000000006.png"):
        open_depth(f"kitti={tmp_path}/depth")


@pytest.mark.parametrize(
    "below", ["", "val_selection_cropped", "depth_selection/val_selection_cropped"]
)
def test_kitti_selection(tmp_path: Path, below: str) -> None:
    folder = tmp_path / below
    write(folder / "image" / f"{DRIVE}_image_0000000005_image_02.png")
    write(folder / "groundtruth_depth" / f"{DRIVE}_groundtruth_depth_0000000005_image_02.png", RAMP)
    data = open_depth(f"kitti={tmp_path}")
    assert data.items == [f"{DRIVE}_image_0000000005_image_02"]
    np.testing.assert_array_equal(first_depth(data), RAMP / 256)


# NYU Depth v2's .mat file


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    """Three pictures of 5×4 pixels; the second has no depth."""
    images = np.arange(3 * 3 * 5 * 4, dtype=np.uint8).reshape(3, 3, 5, 4)
    depths = np.linspace(0, 9, 3 * 5 * 4, dtype=np.float32).reshape(3, 5, 4)
    depths[1] = 0
    path = tmp_path / "nyu" / "nyu_depth_v2_labeled.mat"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["images"], file["depths"] = images, depths
    return path


def test_nyu_mat(nyu: Path) -> None:
    for where in (nyu, nyu.parent):
        data = open_depth(f"nyu={where}")
        assert data.items == ["0001", "0002", "0003"] and data.metric
    image, depth = data.read("0003")
    assert image.size == (5, 4) and depth.shape == (4, 5) and depth.dtype == np.float32
    with h5py.File(nyu) as file:
        np.testing.assert_array_equal(np.asarray(image)[1, 2], file["images"][2, :, 2, 1])
        assert depth[1, 2] == file["depths"][2, 2, 1]
    assert np.isnan(first_depth(data)[0, 0])  # 0 m
    with pytest.raises(ValueError, match="mat: picture 0002: an empty depth map"):
        data.read("0002")
    assert open_depth(f"nyu={nyu}@1:").items == ["0002", "0003"]


def test_nyu_mat_in_worker_processes(nyu: Path) -> None:
    def batches(workers: int) -> list[Batch]:
        crops = DepthCrops([open_depth(f"nyu={nyu}")], [1], (16, 16), 2, seed=0)
        loader = load_batches(crops, SampleNumbers(0, 2, 1, 0, 1), workers, False)
        return list(islice(loader, 4))

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.images, two.images)
        torch.testing.assert_close(one.targets, two.targets, equal_nan=True)


def test_mat_files_that_cannot_be_used(nyu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(nyu, "a") as file:
        del file["depths"]
    with pytest.raises(ValueError, match=r"expected images .*, found \(3, 3, 5, 4\) and none"):
        open_depth(f"nyu={nyu}")
    nyu.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(ValueError, match="not a MATLAB v7.3 file"):
        open_depth(f"nyu={nyu}")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="needs h5py"):
        open_depth(f"nyu={nyu}")


# DIW


def write_diw(folder: Path, *blocks: tuple[str, str]) -> Path:
    path = folder / "DIW_val.csv"
    path.write_text("".join(f"{file}\n{judgement}\n" for file, judgement in blocks))
    return path


def test_diw_relation(tmp_path: Path) -> None:
    write(tmp_path / "DIW" / "p.thumb")
    judgements = ("1,2,30,40,<", "1,2,30,40,>", "1,2,30,40,=")
    write_diw(tmp_path, *(("./DIW/p.thumb", judgement) for judgement in judgements))
    data = open_depth(f"diw={tmp_path}")
    assert data.items == ["DIW/p.thumb", "DIW/p.thumb#2", "DIW/p.thumb#3"] and not data.metric
    for item, (first, second) in zip(data.items, [(0, 1), (1, 0), (0, 0)], strict=True):
        image, depth = data.read(item)
        assert image.size == (40, 30) and np.isfinite(depth).sum() == 2
        assert (depth[0, 1], depth[29, 39]) == (first, second)


def test_diw_pixels_are_of_the_size_that_is_stated(tmp_path: Path) -> None:
    write(tmp_path / "p.png")  # 40×30
    write_diw(tmp_path, ("p.png", "1,1,300,401,<,400,300"), ("p.png", "1,1,3,4,<,300,400"))
    data = open_depth(f"diw={tmp_path}/DIW_val.csv")
    assert np.argwhere(np.isfinite(data.read("p.png").depth)).tolist() == [[0, 0], [29, 39]]
    with pytest.raises(ValueError, match="p.png#2: is for 300×400 pixels, but .* has 40×30"):
        data.read("p.png#2")


def test_diw_pictures_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("DIW_test/a.thumb", "DIW_Annotations/deep/b.thumb")
    for file in files:
        write(tmp_path / file)
    folder = tmp_path / "DIW_Annotations"
    names = ("./DIW_test/a.thumb", "/home/someone/b.thumb", "c.thumb")
    write_diw(folder, *((name, "1,1,9,9,<") for name in names))
    data = open_depth(f"diw={folder}")
    assert data.items == ["DIW_test/a.thumb", "/home/someone/b.thumb"]
    assert [np.isfinite(data.read(item).depth).sum() for item in data.items] == [2, 2]
    assert capsys.readouterr().err == "diw: 1 judgements without their picture (c.thumb)\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p.png\n1,1,9,9,?\n", r"DIW_val.csv:2: expected DIW's y1.*found '1,1,9,9,\?'"),
        ("p.png\n1,1,9,inf,<\n", "DIW_val.csv:2: expected DIW's y1"),
        ("p.png\n\n1,1\n", "DIW_val.csv:3: expected DIW's y1"),
        ("p.png\n1,1,9,9,<\nq.png\n", "found 3 lines"),
        ("", "found 0 lines"),
        ("q.png\n1,1,9,9,<\n", "none of its 1 pictures is there; the first would be .*q.png"),
    ],
)
def test_diw_files_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path / "p.png")
    (tmp_path / "DIW_val.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        open_depth(f"diw={tmp_path}")


def test_diw_points_on_one_pixel_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "p.png")
    write_diw(tmp_path, ("p.png", "1,1,2,2,<,400,300"))
    with pytest.raises(ValueError, match="p.png: both points"):
        open_depth(f"diw={tmp_path}").read("p.png")


# Parts, errors, processes


def test_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(tmp_path / "image", tmp_path / "depth", "abcdef")
    for part, names in ((":2", "ab"), ("4:", "ef"), ("-1:", "f"), ("1:5:2", "bd"), ("::3", "ad")):
        assert open_depth(f"x={tmp_path}@{part}").items == list(names)
    (tmp_path / "list.txt").write_text("e\n\nb \nnone of them\n")
    data = open_depth(f"x={tmp_path}@{tmp_path}/list.txt")
    assert data.items == ["b", "e"]
    assert "list.txt name no picture (none of them)" in capsys.readouterr().err
    np.testing.assert_array_equal(first_depth(data), RAMP)
    for part, message in (("9:", "none of the 6"), ("no.txt", "neither FROM:TO nor a list file")):
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            open_depth(f"x={tmp_path}@{part}")


def test_a_folder_may_have_our_signs_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "a+b@c"
    write_pairs(folder / "image", folder / "depth", "abc")
    assert len(open_depth(f"x={folder}")) == 3
    assert len(open_depth(f"x={folder}@1:")) == 2


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected NAME=FOLDER"):
        open_depth(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        open_depth(f"x={tmp_path}/nothing")
    with pytest.raises(FileNotFoundError, match="nothing: no such folder"):
        open_depth(f"x={tmp_path}+{tmp_path}/nothing")
    with pytest.raises(ValueError, match=r"Known are: image/ with depth/.*\.mat .*\.csv"):
        open_depth(f"x={tmp_path}")
    (tmp_path / "photo.tar").touch()
    with pytest.raises(ValueError, match="expected a folder, NYU's .mat"):
        open_depth(f"x={tmp_path}/photo.tar")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"several .csv files \(a.csv, b.csv\); name one"):
        open_depth(f"x={tmp_path}")
    write_pairs(tmp_path / "image", tmp_path / "depth", "a")
    (tmp_path / "depth" / "a.png").rename(tmp_path / "depth" / "b.png")
    with pytest.raises(ValueError, match="none of the 1 pictures bears the name"):
        open_depth(f"x={tmp_path}")


def test_sets_can_be_sent_to_other_processes(tmp_path: Path, nyu: Path) -> None:
    write(tmp_path / "p.png")
    write_diw(tmp_path, ("p.png", "1,1,9,9,<"))
    write_pairs(tmp_path / "image", tmp_path / "depth", "a")
    for where in (tmp_path, nyu, tmp_path / "DIW_val.csv"):
        data = open_depth(f"x={where}")
        sent = pickle.loads(pickle.dumps(data))
        np.testing.assert_array_equal(first_depth(sent), first_depth(data))


# place


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


# The real sets


@pytest.mark.assets
@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("depth/nyu_labelled", 1399),
        ("depth/kitti", 2),
        ("depth/kitti_drive", 20),
        ("depth/sevenscenes", 40),
        ("depth/indoor", 4),
        ("depth/tartanair", 32),
        ("depth/replica_frames", 21),
        ("depth/wild_val", 19),
        ("photos/train+{assets}/depth/pseudo_train", 783),
    ],
)
def test_real_sets(
    assets: Path, where: str, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    data = open_depth(f"x={assets}/{where.format(assets=assets)}")
    assert len(data) == count
    assert np.isfinite(first_depth(data)).sum() > 10_000
    assert data.metric == ("wild_val" not in where and "pseudo" not in where)
    assert capsys.readouterr().err == ""
