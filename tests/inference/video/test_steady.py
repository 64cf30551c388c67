"""Strokes that stay on what they lie on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fststyle.config.infer import STEADY, Grain, StyleControls
from fststyle.images.clouds import add_clouds
from fststyle.images.flow import warped
from fststyle.images.noise import NO_GRAIN, noisy
from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.steady import (
    FilmGrain,
    Motion,
    MotionFinder,
    MovingGrain,
    PanFinder,
    SteadyStrokes,
)
from tests.conftest import picture, run_here, write_clip
from tests.inference.video.clips import read

FINE = Grain(4, clouds=0)
RANDOM = np.random.default_rng(0)


def seen(at: int, side: int = 96) -> np.ndarray:
    """A camera's view that goes 3 pixels to the right from frame to frame."""
    wide = np.asarray(picture(0, 160, side))
    return np.ascontiguousarray(wide[:, 3 * at : 3 * at + 128])


def test_the_motion_of_a_camera_is_found_and_a_cut_has_none() -> None:
    find = MotionFinder()
    assert find(seen(0)) is None
    motion = find(seen(1))
    assert motion is not None and motion.flow.shape == (*motion.kept.shape, 2)
    inner = motion.flow[10:-10, 10:-10]
    # Back to the frame before what is seen lies farther right.
    assert np.median(inner[..., 0]) == pytest.approx(3, abs=0.3)
    assert np.median(np.abs(inner[..., 1])) < 0.2
    assert motion.kept[10:-10, 10:-10].mean() > 0.8 and motion.kept.max() <= 1
    assert find(np.asarray(picture(5, 128, 96))) is None  # another scene
    assert find(np.asarray(picture(5, 120, 96))) is None  # another size


@pytest.mark.parametrize("pan", [0, 4])
def test_noise_on_a_plain_surface_is_no_motion(pan: int) -> None:
    """It stays, or moves as the camera does, but not what it had not shown before."""
    random = np.random.default_rng(5)
    find, wide = MotionFinder(), np.asarray(picture(0, 400, 180)).astype(float)
    wide[:90] = np.linspace(120, 160, 90)[:, None, None]  # a sky
    for at in range(3):
        frame = wide[:, pan * at : pan * at + 320] + random.normal(0, 3, (180, 320, 3))
        motion = find(frame.round().clip(0, 255).astype(np.uint8), (-pan, 0))
    assert motion is not None
    rows, columns = motion.kept.shape
    sky = np.s_[5 : rows // 2 - 5, 8:-8]
    assert motion.kept[sky].mean() > 0.7
    off = np.hypot(motion.flow[..., 0] - pan * columns / 320, motion.flow[..., 1])
    assert np.median(off[sky]) < 0.5
    if pan:
        assert motion.kept[:, -pan * columns // 320 + 1 :].max() < 0.01


def test_a_pan_is_found_whatever_goes_by() -> None:
    find = PanFinder()
    assert find(seen(0)) == (0, 0)
    for at in (1, 2, 3):
        frame = seen(at)
        frame[30:60, 60 - 8 * at : 90 - 8 * at] = 255  # goes by faster than the camera turns
        across, down = find(frame)
        assert across == pytest.approx(-3, abs=0.3) and abs(down) < 0.2
    assert find(np.asarray(picture(5, 120, 96))) == (0, 0)  # another size
    assert PanFinder()(np.zeros((96, 128, 3), np.uint8)) == (0, 0)


@pytest.mark.parametrize("sigma", [0, 1, 3, 6])
def test_noise_is_no_pan(sigma: float) -> None:
    """But a pan under noise is one."""
    random = np.random.default_rng(4)

    def noisy_frame(frame: np.ndarray) -> np.ndarray:
        return (frame + random.normal(0, sigma, frame.shape)).round().clip(0, 255).astype(np.uint8)

    soft = np.tile(np.linspace(30, 90, 320)[:, None], (180, 1, 3))
    find = PanFinder()
    assert [find(noisy_frame(soft)) for _ in range(10)] == [(0, 0)] * 10
    find = PanFinder()
    found = np.array([find(noisy_frame(seen(at))) for at in range(10)])[1:]
    assert np.abs(found - (-3, 0)).max() < 0.5


def test_without_motion_grain_goes_with_the_pan() -> None:
    grain = FilmGrain(FINE, steady=False)
    frames = [(seen(at) // 2 + 64).astype(np.uint8) for at in range(4)]
    shown = [grain(frame) for frame in frames]
    assert not [motion for _, motion in shown if motion is not None]
    added = [pixels.astype(int) - frame for (pixels, _), frame in zip(shown, frames, strict=True)]
    np.testing.assert_array_equal(shown[0][0], noisy(frames[0], FINE))
    # By whole pixels, so that of three to each frame one may be missing for one.
    alike = [np.array_equal(added[3][:, :-at], added[0][:, at:]) for at in (8, 9, 10)]
    assert sum(alike) == 1

    still = FilmGrain(FINE, steady=False)
    np.testing.assert_array_equal(still(frames[0])[0], still(frames[0])[0])
    nothing, motion = FilmGrain(NO_GRAIN, steady=False)(frames[0])
    assert nothing is frames[0] and motion is None


def test_where_motion_is_wanted_grain_moves_by_it() -> None:
    both, find_pan = (FilmGrain(FINE, steady=True), MotionFinder()), PanFinder()
    moving = MovingGrain(4)
    for at in range(3):
        frame = seen(at)
        grainy, motion = both[0](frame)
        own = both[1](frame, find_pan(frame))
        assert (motion is None) == (own is None)
        moving.follow(frame, own)
        np.testing.assert_array_equal(grainy, moving.add(frame))
    both[0].steady = False
    assert both[0](seen(3))[1] is None


@pytest.mark.parametrize("steady", [False, True])
def test_clouds_go_with_the_pan_and_leave_what_is_to_stay(steady: bool) -> None:
    film, fine = (FilmGrain(grain, steady=steady) for grain in (Grain(32), Grain(32, clouds=0)))
    frames = [(seen(at) // 2 + 64).astype(np.uint8) for at in range(4)]
    near, motions = np.ones((24, 32), np.float32), []
    for frame in frames:
        motions.append(film.follow(frame))
        fine.follow(frame)
    assert (motions[-1] is not None) == steady
    shifts = [(0, across) for across in (8, 9, 10)]  # 3 to each frame, by whole pixels
    clouded = [fine.add(add_clouds(frames[-1], Grain(32), shift)) for shift in shifts]
    assert sum(np.array_equal(film.add(frames[-1]), expected) for expected in clouded) == 1
    assert np.array_equal(film.add(frames[-1], near), fine.add(frames[-1]))


def test_what_flickers_is_averaged_along_the_motion() -> None:
    find, strokes = MotionFinder(), SteadyStrokes(0.8)
    flicker = RANDOM.integers(-40, 40, (12, 96, 128, 1))
    frames = [seen(at) for at in range(8)]
    pictures = [
        (f.astype(int) + flicker[i]).clip(0, 255).astype(np.uint8) for i, f in enumerate(frames)
    ]
    steady = [strokes(shown, find(frame)) for shown, frame in zip(pictures, frames, strict=True)]
    assert np.array_equal(steady[0], pictures[0]) and steady[0].dtype == np.uint8

    def change(shown: list[np.ndarray]) -> float:
        flow = np.zeros((96, 128, 2), np.float32)
        flow[..., 0] = -3
        along = warped(shown[-1], flow)
        return float(np.abs(shown[-2].astype(float) - along)[12:-12, 12:-12].mean())

    assert change(steady) < 0.4 * change(pictures)
    # What stays is not dimmed, nor smeared: without flicker next to nothing changes.
    find, strokes = MotionFinder(), SteadyStrokes(0.8)
    for frame in frames:
        still = strokes(frame, find(frame))
    assert np.abs(still.astype(float) - frames[-1]).mean() < 1.5


def test_what_is_new_is_taken_as_it_is() -> None:
    kept = np.ones((20, 20), np.float32)
    kept[:, 10:] = 0
    strokes = SteadyStrokes(0.9)
    before, after = (np.full((40, 40, 3), level, np.uint8) for level in (50, 150))
    motion = Motion(np.zeros((20, 20, 2), np.float32), kept)
    strokes(before, None)
    shown = strokes(after, motion)
    assert (shown[:, 24:] == 150).all() and (np.abs(shown[:, :16].astype(int) - 60) <= 1).all()
    assert np.array_equal(strokes(before, None), before)  # after a cut
    assert strokes(np.zeros((30, 30, 3), np.uint8), motion).shape == (30, 30, 3)


def test_files_are_steadied_and_cameras_are_not_unless_asked() -> None:
    assert StyleControls().steadiness() == STEADY
    assert StyleControls().steadiness(recorded=True) == 0
    assert StyleControls(steady=0.3).steadiness(recorded=True) == 0.3
    assert StyleControls(strength=0.0, steady=0.3).steadiness() == 0


def flickering(tmp_path: Path) -> Path:
    clip = tmp_path / "clip.mp4"
    shown = [
        (np.asarray(picture(1, 64, 48)).astype(int) + level).clip(0, 255).astype(np.uint8)
        for level in (0, 6, 0, 6, 0, 6)
    ]
    write_clip(clip, [40 * i for i in range(6)], shown=shown)
    return clip


def test_the_command_and_streams_steady_videos(
    exported: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, model = flickering(tmp_path), exported(uint8=True)

    def flicker(frames: list[np.ndarray]) -> float:
        return float(np.abs(np.diff(np.stack(frames).astype(float), axis=0)).mean())

    changes = {}
    for steady in (0, 0.9):
        target = tmp_path / f"{steady}.mp4"
        status, error = run_here(
            capsys,
            *("infer", model, clip, "--output", target, "--steady", steady, "--quality", 0),
        )
        assert status == 0, error
        changes[steady] = flicker([frame.pixels for frame in read(target)[1]])
    assert changes[0.9] < 0.5 * changes[0]
    stylizer = Stylizer(model)
    frames = [frame.pixels for frame in read(clip)[1]]
    streams = [flicker(list(stylizer.stream(frames, steady=part))) for part in (0.0, 0.9)]
    assert streams[1] < 0.5 * streams[0]
    status, error = run_here(capsys, "infer", model, clip, "--steady", 1)
    assert status == 2 and "--steady must lie in [0, 0.95], not 1" in error


def test_grain_moves_with_what_is_seen_and_is_a_pictures_elsewhere() -> None:
    grain, grey = MovingGrain(9), np.full((64, 96, 3), 120, np.uint8)

    def grainy(motion: Motion | None, of: np.ndarray = grey) -> np.ndarray:
        grain.follow(of, motion)
        return grain.add(of)

    first = grainy(None)
    assert np.array_equal(first, noisy(grey, Grain(9, clouds=0)))
    kept = np.ones((32, 48), np.float32)
    kept[:8] = 0  # what is new
    flow = np.zeros((32, 48, 2), np.float32)
    flow[..., 0] = 0.35  # times 2, what is seen moves to the left by 0.7 pixels a frame
    moved = [grainy(Motion(flow, kept)) for _ in range(10)][-1]
    assert np.array_equal(moved[20:-1, :80], first[20:-1, 7:87])
    assert np.array_equal(moved[:14, :-1], first[:14, :-1])
    assert np.array_equal(grainy(None), first)
    bright = grainy(Motion(flow, kept), np.full((64, 96, 3), 255, np.uint8))
    assert bright.min() >= 246 and bright.max() == 255
