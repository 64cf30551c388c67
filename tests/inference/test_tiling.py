from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fststyle.inference.stylizer import Stylizer
from fststyle.inference.tiling import Moments, spans
from tests.conftest import picture


@pytest.mark.parametrize("options", [{}, {"uint8": True, "fp16": True}])
def test_tiles_give_the_whole_pictures_picture(
    options: dict[str, bool], exported: Callable[..., Path]
) -> None:
    file = exported(**options)
    model, before = Stylizer(file, threads=1), set(file.parent.iterdir())
    segments: list[float] = []
    for width, height in ((150, 203), (97, 260), (64, 16)):
        pixels = np.asarray(picture(1, width, height))
        for mixed in ({}, {"strength": 0.5, "keep_color": True}):
            whole = model.run(pixels[None], **mixed)[0]  # type: ignore[arg-type]
            tiled = model.tiled(pixels, 40 * width, progress=segments.append, **mixed)  # type: ignore[arg-type]
            difference = np.abs(whole.astype(int) - tiled)
            # Sums in another order round a value between two bytes to the other one.
            assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    assert sum(segments) == pytest.approx(6)
    assert set(file.parent.iterdir()) == before


def test_a_file_of_one_size_has_no_tiles(exported: Callable[..., Path]) -> None:
    model = Stylizer(exported(opset=15, size=(40, 56), uint8=True))
    with pytest.raises(ValueError, match="x.onnx: it takes pictures of one size"):
        model.tiled(np.zeros((40, 56, 3), np.uint8), 100)


def test_moments_are_those_of_all_together() -> None:
    maps = np.random.default_rng(0).normal(3, 2, (1, 5, 30, 7)).astype(np.float32)
    moments = Moments()
    for begin, end in ((0, 3), (3, 20), (20, 30)):
        moments.add(maps[:, :, begin:end])
    assert moments.mean == pytest.approx(maps[0].mean((1, 2)), rel=1e-5)
    assert moments.variance == pytest.approx(maps[0].var((1, 2)), rel=1e-5)


def test_spans_cover_everything_evenly() -> None:
    for rows, each in ((10, 3), (10, 10), (10, 99), (1, 1)):
        found = list(spans(rows, each))
        assert [row for span in found for row in range(*span)] == list(range(rows))
        lengths = [end - begin for begin, end in found]
        assert max(lengths) <= each and max(lengths) - min(lengths) <= 1
