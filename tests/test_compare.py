from pathlib import Path

import torch
from conftest import picture, run_command
from PIL import Image

from fststyle.export import export
from fststyle.networks.transform import TransformNet


def test_a_sheet_of_content_style_and_result(tmp_path: Path) -> None:
    torch.manual_seed(0)
    export(TransformNet(4).eval(), {}, tmp_path / "net.onnx")
    for name in ("photo", "painting"):
        picture(0).save(tmp_path / f"{name}.png")
    sheet = tmp_path / "sheet.png"
    done = run_command(
        *("compare", tmp_path / "net.onnx", "--content", tmp_path / "photo.png"),
        *("--style", tmp_path / "painting.png", "--output", sheet, "--height", 48),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sheet)
    with Image.open(sheet) as drawn:
        assert drawn.size == (8 + 3 * (64 + 8), 28 + 48 + 8 + 8)
