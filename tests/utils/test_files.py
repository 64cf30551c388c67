import os
from pathlib import Path

import pytest

from fststyle.utils.files import atomic_write, check_free, names_folder, swap_folder


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_what_is_written_is_an_ordinary_file(tmp_path: Path) -> None:
    (tmp_path / "ordinary").touch()
    with atomic_write(tmp_path / "new") as temporary:
        temporary.touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    (tmp_path / "new").chmod(0o640)
    with atomic_write(tmp_path / "new") as temporary:
        temporary.touch()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_the_longest_names_are_written(tmp_path: Path) -> None:
    path = tmp_path / ("日" * 85)  # 255 bytes
    with atomic_write(path) as temporary:
        temporary.touch()
    assert list(tmp_path.iterdir()) == [path]


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_text("old")
    (tmp_path / "link").symlink_to("deep/file")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "deep/file").read_text() == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_are_given_what_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    check_free([pipe], overwrite=False)
    with atomic_write(pipe) as temporary:
        temporary.write_text("text")
    assert os.read(reader, 9) == b"text" and list(tmp_path.iterdir()) == [pipe]
    os.close(reader)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    a, b, link, new = (tmp_path / name for name in ("a", "b", "link", "new"))
    a.touch()
    b.touch()
    link.symlink_to("nowhere")
    check_free([new, tmp_path / ("x" * 300)], overwrite=False)
    with pytest.raises(FileExistsError, match="/a exists already: add --overwrite to replace, or"):
        check_free([new, a], overwrite=False)
    with pytest.raises(FileExistsError, match="/a exists already .and 2 more.: .*another --json"):
        check_free([a, link, new, b], overwrite=False, option="--json")
    check_free([a, link, b], overwrite=True)
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="is a folder: choose another --output"):
            check_free([tmp_path], overwrite)
        with pytest.raises(NotADirectoryError, match="/a is a file, not a folder"):
            check_free([a / "deep" / "b"], overwrite)


def test_folders_are_told_from_files(tmp_path: Path) -> None:
    (tmp_path / "there.jpg").mkdir()
    for name, folder in {
        "out": True,
        "out.v2": True,
        "x.jpg/": True,
        str(tmp_path / "there.jpg"): True,
        "x.JPG": False,
        "out.v2/x.jpg": False,
    }.items():
        assert names_folder(name, (".jpg", ".png")) == folder, name


def test_a_folder_is_swapped_or_stays(tmp_path: Path) -> None:
    folder, new = tmp_path / "pages", tmp_path / "new"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    with pytest.raises(FileNotFoundError):
        swap_folder(new, folder)
    assert [file.name for file in folder.iterdir()] == ["old.txt"]
    new.mkdir()
    old = swap_folder(new, folder)
    assert old is not None and (old / "old.txt").read_text() == "old"
    assert folder.is_dir() and not list(folder.iterdir()) and not new.exists()
    assert swap_folder(old, tmp_path / "other") is None
    assert (tmp_path / "other" / "old.txt").exists()
