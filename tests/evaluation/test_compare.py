from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from fststyle.__main__ import main
from tests.conftest import picture


def test_a_sheet_of_content_style_and_result(
    exported: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("photo", "painting"):
        picture(0).save(tmp_path / f"{name}.png")
    sheet = tmp_path / "sheet.png"
    arguments = [
        "compare",
        exported(uint8=True),
        "--content",
        tmp_path / "photo.png",
        "--height",
        48,
    ]
    arguments += ["--style", tmp_path / "painting.png", "--output", sheet]
    assert main([str(argument) for argument in arguments]) == 0
    assert capsys.readouterr().out.strip() == str(sheet)
    with Image.open(sheet) as drawn:
        assert drawn.size == (8 + 3 * (64 + 8), 28 + 48 + 8 + 8)
