from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.data import demo


def test_the_painting_is_strokes_that_follow_the_light() -> None:
    pixels = np.asarray(demo.oil_painting(320)).astype(float)
    assert pixels.shape == (320, 320, 3)
    assert np.array_equal(pixels, np.asarray(demo.oil_painting(320)))
    sun, sky = pixels[80:112, 192:224].mean((0, 1)), pixels[:80, :80].mean((0, 1))
    assert sun[0] > sun[2] + 60 and sky[2] > sky[0] + 40, "a warm sun in a blue sky"
    # On the water strokes lie level: what is beside a pixel is more alike than what is below it.
    beside, below = (np.abs(np.diff(pixels[280:], axis=axis)).mean() for axis in (1, 0))
    assert beside < 0.8 * below


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
