import os
from pathlib import Path
from typing import Any

import pytest

from fststyle.images.inputs import check_sources, distinct, plan, search
from fststyle.utils.failures import Failures
from tests.conftest import picture


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def is_film(file: Path) -> bool:
    return file.suffix == ".mp4"


def test_folders_give_pictures_and_films(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.mp4", "c.txt", "deep/d.PNG", ".e.jpg", ".f/f.jpg", "g.h5", "h.heic")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    (tmp_path / "deep/loop").symlink_to(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.mp4")  # would be waited for
    found = search([str(tmp_path)], also=is_film)
    names = [name.as_posix() for name in found.files.values()]
    assert names in (
        ["a.jpg", "b.mp4", "dangling.jpg", "deep/d.PNG"],
        ["a.jpg", "b.mp4", "dangling.jpg", "deep/d.PNG", "h.heic"],  # with pillow-heif
    )
    assert len(names) + len(found.passed) == 5 and not found.missing


def test_what_was_made_before_is_no_input(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "out/a.jpg")
    names = search([str(tmp_path)], without=tmp_path / "out").files.values()
    assert list(names) == [Path("a.jpg")]
    names = search([str(tmp_path / "out")], without=tmp_path / "out").files.values()
    assert list(names) == [Path("a.jpg")]


def test_patterns_give_files_or_folders(tmp_path: Path) -> None:
    touch(tmp_path, "day1/a.jpg", "day2/b.jpg", "day2/c.txt", "[1].jpg")

    def names(pattern: str) -> list[str]:
        return [name.as_posix() for name in search([str(tmp_path / pattern)]).files.values()]

    assert names("day*") == ["a.jpg", "b.jpg"]
    assert names("day2/*") == ["b.jpg"]
    assert names("day2/*.txt") == ["c.txt"]  # it was asked for
    assert names("[1].jpg") == ["[1].jpg"]


def test_what_is_not_there_is_told_and_the_rest_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "locked/b.jpg", "empty/c.txt")
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    missing, empty = str(tmp_path / "none.jpg"), str(tmp_path / "empty")
    found = search([missing, str(tmp_path), empty, "x" * 300])
    assert list(found.files) == [tmp_path / "a.jpg"]
    assert list(found.missing) == [missing, str(tmp_path / "locked"), empty, "x" * 300]
    assert found.missing[str(tmp_path / "locked")] == "Permission denied"


def test_every_name_is_another_one() -> None:
    for given, expected in (
        (["a.jpg", "a.jpg", "a-2.jpg"], ["a.jpg", "a-2.jpg", "a-2-2.jpg"]),
        (["A.jpg", "a.JPG"], ["A.jpg", "a-2.JPG"]),
        (["\u00e9.jpg", "e\u0301.jpg"], ["\u00e9.jpg", "e\u0301-2.jpg"]),
        (["a", "a/1.png"], ["a-2", "a/1.png"]),  # a folder cannot be a file, too
        (["日" * 85 + ".png"] * 2, ["日" * 83 + ".png", "日" * 83 + "-2.png"]),
    ):
        names = [Path(name) for name in given]
        assert [path.as_posix() for path in distinct(names, names)] == expected
    made = distinct([Path("a.png")] * 2, [Path("a.jpg"), Path("a.png")])
    assert made == [Path("a-2.png"), Path("a.png")]


def test_sources_are_known_by_any_name(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    (tmp_path / "link").symlink_to(tmp_path)
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    check_sources([tmp_path / "a.png"], [tmp_path / "c.png"])
    for name in ("a.png", "link/a.png", "b.png"):
        with pytest.raises(ValueError, match="would be overwritten"):
            check_sources([tmp_path / "a.png"], [tmp_path / name])


def test_where_pictures_go(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/deep/2.png", "b/1.jpg", "b/3.gif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name)
    out = tmp_path / "out"

    def targets(*inputs: str) -> list[str]:
        jobs = plan([str(tmp_path / name) for name in inputs], out, Failures())
        return [target.relative_to(out).as_posix() for _, target in jobs]

    assert targets("a") == ["1.jpg", "deep/2.png"]
    assert targets("a/1.jpg", "b/1.jpg") == ["1.jpg", "1-2.jpg"]
    assert targets("*/1.jpg", "b/3.gif", "a/1.jpg") == ["1.jpg", "1-2.jpg", "3.gif.png"]
    with pytest.raises(FileNotFoundError, match="no such file, folder or pattern"):
        targets("c*.jpg")
    with pytest.raises(ValueError, match="would be overwritten"):
        plan([str(tmp_path / "a/1.jpg")], tmp_path / "a", Failures())
