from pathlib import Path

import pytest

from fststyle.images.find import find_images
from tests.conftest import picture


def test_folders_are_searched_recursively(tmp_path: Path) -> None:
    for name in ("b/c/2.JPG", "1.png", ".hidden.png", ".trash/3.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(tmp_path / name, format="PNG")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["1.png", "b/c/2.JPG"]


def test_missing_and_empty_folders_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no picture in it"):
        find_images(tmp_path)
