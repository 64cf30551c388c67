from pathlib import Path

import numpy as np
import pytest

from fststyle.data.depth.datasets import open_depth
from tests.data.depth.depth_files import RAMP, first_depth, write_pairs, write_picture


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
        write_picture(tmp_path / (stem + ends[0]))
        write_picture(tmp_path / (stem + ends[1]), RAMP)
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
        write_picture(raw / f"2011_09_26/{DRIVE}/image_02/data/{number:010d}.png")
        write_picture(depths / f"{DRIVE}/proj_depth/groundtruth/image_02/{number:010d}.png", RAMP)
        write_picture(depths / f"{DRIVE}/proj_depth/velodyne_raw/image_02/{number:010d}.png", RAMP)


def test_kitti_in_one_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_kitti(tmp_path, tmp_path / "train")
    write_picture(tmp_path / f"2011_09_26/{DRIVE}/image_03/data/0000000005.jpg")
    (tmp_path / "val").mkdir()
    other = DRIVE.replace("0001", "0002")
    for camera, drive in (("image_03", DRIVE), ("image_02", other)):
        write_picture(
            tmp_path / f"val/{drive}/proj_depth/groundtruth/{camera}/0000000005.png", RAMP
        )
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
    write_picture(folder / "image" / f"{DRIVE}_image_0000000005_image_02.png")
    write_picture(
        folder / "groundtruth_depth" / f"{DRIVE}_groundtruth_depth_0000000005_image_02.png", RAMP
    )
    data = open_depth(f"kitti={tmp_path}")
    assert data.items == [f"{DRIVE}_image_0000000005_image_02"]
    np.testing.assert_array_equal(first_depth(data), RAMP / 256)


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
