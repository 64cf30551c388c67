from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data import demo


def test_the_window_is_glass_between_lead() -> None:
    pixels = np.asarray(demo.stained_glass(160))
    assert pixels.shape == (160, 160, 3)
    assert np.array_equal(pixels, np.asarray(demo.stained_glass(160)))
    window = pixels / 255
    dark = window.max(-1) < 0.3
    assert 0.1 < dark.mean() < 0.6
    saturation = np.ptp(window, axis=-1)[~dark]
    assert saturation.mean() > 0.3


def test_a_painting_and_photos_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "SCENES", 2)
    demo.write_demo(tmp_path)
    names = sorted(path.name for path in (tmp_path / "photos").iterdir())
    assert len(names) == len(demo.PHOTOS) + 2 and "scene_01.png" in names
    for name in names:
        with Image.open(tmp_path / "photos" / name) as image:
            assert image.mode == "RGB" and max(image.size) <= 640
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    demo.write_demo(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
