from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.config.infer import Grain
from fststyle.images.noise import BAND, GRAIN, NO_GRAIN, add_noise, grain_square
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.pipeline import stylize_video
from fststyle.inference.video.reader import VideoSource
from fststyle.inference.video.steady import FilmGrain
from tests.conftest import picture, run_here, write_clip

FINE = Grain(4, clouds=0)


def test_grain_stays_in_range_and_in_its_place() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, BAND + 9, 40, 3), np.uint8)
    frames[:, :20], frames[:, 20:40] = 0, 255
    with_noise = add_noise(frames, FINE)
    difference = with_noise.astype(int) - frames
    assert np.abs(difference).max() == 2
    assert (difference[:, :20] >= 0).all() and (difference[:, 20:40] <= 0).all()
    inside = (frames.min(-1) >= 2) & (frames.max(-1) <= 253)
    assert (np.ptp(difference[inside], axis=-1) == 0).all(), "colours stay"
    assert np.array_equal(add_noise(frames, FINE), with_noise)
    assert np.array_equal(add_noise(frames[:1], FINE), with_noise[:1])


def test_grain_moves_where_it_is_told() -> None:
    grey = np.full((1, BAND + 50, BAND + 90, 3), 128, np.uint8)
    still, moved = (add_noise(grey, FINE, by)[0].astype(int) - 128 for by in ((0, 0), (37, -300)))
    assert np.array_equal(moved[:-44, 37:], still[44:, :-37])
    assert np.array_equal(still[0, :, 0], np.tile(grain_square(4)[0], 2)[: BAND + 90])
    assert set(np.unique(grain_square(1))) == {-1, 0, 1} and not grain_square(0).any()


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


def test_plain_surfaces_get_strokes(model: Path) -> None:
    frame = np.array(picture(0, 160, 160))[None]
    frame[:, :, :100] = 255
    stylizer = Stylizer(model, "cpu")
    plain, with_noise = (stylizer.run(add_noise(frame, grain)) for grain in (NO_GRAIN, FINE))
    plain, with_noise = (made[0, 60:90, 40:60].std((0, 1)).max() for made in (plain, with_noise))
    assert plain < 0.6 and with_noise > 3 * plain


def test_grain_is_the_same_in_tiles_and_none_in_the_original(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, stylizer = picture(0, 90, 400), Stylizer(model, "cpu")
    whole, tiled = (
        np.asarray(stylizer(photo, grain=4, tile=tile)).astype(int) for tile in (0, 0.01)
    )
    assert np.abs(tiled - whole).max() <= 1
    photo.save(tmp_path / "photo.png")
    pixels = np.asarray(photo)
    for options, expected in (
        ((), stylizer.run(add_noise(pixels[None], GRAIN))[0]),
        (("--grain", 0), stylizer.run(pixels[None])[0]),
        (("--strength", 0), pixels),
    ):
        status, error = run_here(
            *(capsys, "infer", model, tmp_path / "photo.png", *options),
            *("--output", tmp_path / "made.png", "--overwrite"),
        )
        assert status == 0, error
        with Image.open(tmp_path / "made.png") as made:
            assert np.array_equal(np.asarray(made), expected), options


def test_videos_get_grain_on_their_way_to_the_network(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4", [0, 40, 80])
    seen: list[np.ndarray] = []

    def look(frames: np.ndarray, *_: object) -> list[np.ndarray]:
        seen.append(frames)
        return [frames]

    for grain in (NO_GRAIN, GRAIN):
        stylize_video(
            VideoSource(str(tmp_path / "clip.mp4")),
            [tmp_path / "out.mp4"],
            look,
            codec="libx264",
            quality=18,
            stopped=lambda: False,
            grain=grain,
            batch_size=3,
        )
    film = FilmGrain(GRAIN, steady=False)
    assert np.array_equal(seen[1], [film(frame)[0] for frame in seen[0]])
    assert not np.array_equal(seen[0], seen[1])
    for folder, options in (("grained", ()), ("plain", ("--grain", 0))):
        status, error = run_here(
            *(capsys, "infer", model, tmp_path / "clip.mp4", "--frames", *options),
            *("--output", tmp_path / folder),
        )
        assert status == 0, error
    stylizer = Stylizer(model)
    for folder, frames in (("grained", add_noise(seen[0], GRAIN)), ("plain", seen[0])):
        with Image.open(tmp_path / folder / "clip" / "000001.png") as first:
            assert np.array_equal(np.asarray(first), stylizer.run(frames[:1])[0]), folder
