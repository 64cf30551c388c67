import pickle
from pathlib import Path

import numpy as np
import pytest

from fststyle.data.depth.datasets import open_depth
from tests.data.depth.depth_files import (
    RAMP,
    first_depth,
    write_diw,
    write_nyu,
    write_pairs,
    write_picture,
)


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


def test_sets_can_be_sent_to_other_processes(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png")
    write_diw(tmp_path, ("p.png", "1,1,9,9,<"))
    nyu = write_nyu(tmp_path / "nyu")
    write_pairs(tmp_path / "image", tmp_path / "depth", "a")
    for where in (tmp_path, nyu, tmp_path / "DIW_val.csv"):
        data = open_depth(f"x={where}")
        sent = pickle.loads(pickle.dumps(data))
        np.testing.assert_array_equal(first_depth(sent), first_depth(data))
