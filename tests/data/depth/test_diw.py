from pathlib import Path

import numpy as np
import pytest

from fststyle.data.depth.datasets import open_depth
from tests.data.depth.depth_files import write_diw, write_picture


def test_diw_relation(tmp_path: Path) -> None:
    write_picture(tmp_path / "DIW" / "p.thumb")
    judgements = ("1,2,30,40,<", "1,2,30,40,>", "1,2,30,40,=")
    write_diw(tmp_path, *(("./DIW/p.thumb", judgement) for judgement in judgements))
    data = open_depth(f"diw={tmp_path}")
    assert data.items == ["DIW/p.thumb", "DIW/p.thumb#2", "DIW/p.thumb#3"] and not data.metric
    for item, (first, second) in zip(data.items, [(0, 1), (1, 0), (0, 0)], strict=True):
        image, depth = data.read(item)
        assert image.size == (40, 30) and np.isfinite(depth).sum() == 2
        assert (depth[0, 1], depth[29, 39]) == (first, second)


def test_diw_pixels_are_of_the_size_that_is_stated(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png")  # 40×30
    write_diw(tmp_path, ("p.png", "1,1,300,401,<,400,300"), ("p.png", "1,1,3,4,<,300,400"))
    data = open_depth(f"diw={tmp_path}/DIW_val.csv")
    assert np.argwhere(np.isfinite(data.read("p.png").depth)).tolist() == [[0, 0], [29, 39]]
    with pytest.raises(ValueError, match="p.png#2: is for 300×400 pixels, but .* has 40×30"):
        data.read("p.png#2")


def test_diw_pictures_are_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("DIW_test/a.thumb", "DIW_Annotations/deep/b.thumb")
    for file in files:
        write_picture(tmp_path / file)
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
    write_picture(tmp_path / "p.png")
    (tmp_path / "DIW_val.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        open_depth(f"diw={tmp_path}")


def test_diw_points_on_one_pixel_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png")
    write_diw(tmp_path, ("p.png", "1,1,2,2,<,400,300"))
    with pytest.raises(ValueError, match="p.png: both points"):
        open_depth(f"diw={tmp_path}").read("p.png")
