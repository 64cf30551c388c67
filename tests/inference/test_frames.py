"""``Stylizer.stream``."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fststyle.config.infer import StyleControls
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.steady import FilmGrain
from tests.conftest import picture


@pytest.fixture(scope="module")
def stylizer(exported: Callable[..., Path]) -> Stylizer:
    return Stylizer(exported(uint8=True), "cpu", threads=1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def frame(seed: int, width: int = 64) -> np.ndarray:
    return np.asarray(picture(seed, width))


def one_by_one(
    stylizer: Stylizer, video: list[np.ndarray], controls: StyleControls
) -> list[np.ndarray]:
    """Scenes of one frame each, stylized with the grain of a film."""
    grain = FilmGrain(controls.noise, steady=True)
    given: dict[str, Any] = {"strength": controls.strength, "keep_color": controls.keep_color}
    return [stylizer.run(grain(frame)[0][None], **given)[0] for frame in video]


def test_frames_come_in_order_whatever_their_size(stylizer: Stylizer) -> None:
    video = [frame(0), frame(1), frame(2), frame(3, 40), frame(4)]
    for grain in (0, 6):
        expected = one_by_one(stylizer, video, StyleControls(grain=grain))
        for made, single in zip(stylizer.stream(video, grain=grain), expected, strict=True):
            assert np.array_equal(made, single)
    assert np.array_equal(next(stylizer.stream(video)), stylizer(video[0]))
    controls = StyleControls(strength=0.5, keep_color=True)
    batched = stylizer.stream(video, batch_size=2, strength=0.5, keep_color=True)
    for made, single in zip(batched, one_by_one(stylizer, video, controls), strict=True):
        assert np.abs(made.astype(int) - single).max() <= 1
    assert list(stylizer.stream([])) == []


def test_it_reads_a_little_ahead_and_stops_where_it_is_left(stylizer: Stylizer) -> None:
    read: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        buffer = np.empty((48, 64, 3), np.uint8)  # used again, as by a decoder
        while True:
            read.append(threading.get_ident())
            buffer[:] = frame(len(read))
            yield buffer

    stream = stylizer.stream(endless(), grain=0)
    assert not read, "nothing runs before it is asked for"
    assert np.array_equal(next(stream), stylizer(frame(1), grain=0))
    assert np.array_equal(next(stream), stylizer(frame(2), grain=0))
    stream.close()
    assert 2 <= len(read) < 20 and threading.get_ident() not in read


def test_errors_are_raised_in_their_place(stylizer: Stylizer) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield frame(0)
        raise OSError("the camera is gone")

    stream = stylizer.stream(broken())
    assert next(stream).shape == (48, 64, 3)
    with pytest.raises(OSError, match="the camera is gone"):
        next(stream)
    floats: Any = np.zeros((48, 64, 3))
    stream = stylizer.stream([frame(0), floats])
    assert next(stream).shape == (48, 64, 3)
    with pytest.raises(TypeError, match="uint8 .* not of float64"):
        next(stream)
    with pytest.raises(ValueError, match="H×W×3 is needed"):
        next(stylizer.stream([frame(0)[None]]))
    with pytest.raises(ValueError, match="grain must lie in"):
        stylizer.stream([frame(0)], grain=99)


def test_what_was_read_before_an_error_is_stylized(stylizer: Stylizer) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from map(frame, range(7))
        raise OSError("the camera is gone")

    frames: list[np.ndarray] = []
    with pytest.raises(OSError, match="the camera is gone"):
        for made in stylizer.stream(broken(), batch_size=3):
            frames.append(made)
    assert len(frames) == 7
    expected = one_by_one(stylizer, [*map(frame, range(7))], StyleControls())
    assert np.abs(frames[6].astype(int) - expected[6]).max() <= 1
