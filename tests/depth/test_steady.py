from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.steady import SteadyDepth, SteadyRange, camera_shift
from tests.conftest import picture

SIZE = {"settings": {"size": "96x128"}}
WIDE = np.asarray(picture(0, 300, 96))
OTHER = np.asarray(picture(5, 300, 96))


def frame(left: int, of: np.ndarray = WIDE) -> Image.Image:
    """What a camera sees of a wide picture, 128×96."""
    return Image.fromarray(of[:, left : left + 128])


def steady(frames: Sequence[Image.Image], noise: float = 0.0, every: int = 1) -> list[np.ndarray]:
    """Depth of ``frames``, told by a network that takes luminance for it, and trembles."""
    random = np.random.default_rng(0)

    def estimate(images: np.ndarray) -> np.ndarray:
        trembling = random.normal(0, noise, images[:, :1].shape) if noise else 0
        return (images.mean(1, keepdims=True) + trembling).astype(np.float32)

    depth = SteadyDepth(DepthEstimator("luminance", estimate, SIZE), every=every)
    return [depth.reduced(one) for one in frames]


def luminance(one: Image.Image) -> np.ndarray:
    return np.asarray(one, np.float32).mean(2) / 255


@pytest.mark.parametrize("step", [0, 3])
def test_trembling_is_averaged_also_while_the_camera_moves(step: int) -> None:
    frames = [frame(step * i) for i in range(12)]
    last = luminance(frames[-1])
    first, *_, end = (np.abs(d - last) for d in steady(frames, noise=0.1))
    seen = np.s_[:, : 128 - 11 * step]
    assert end[seen].mean() < 0.6 * 0.08 < first.mean() + end.mean()


def test_without_trembling_depth_is_the_frames_own() -> None:
    frames = [frame(3 * i) for i in range(6)]
    assert np.abs(steady(frames)[-1] - luminance(frames[-1])).max() < 0.02


def test_what_moves_by_itself_is_new_and_a_cut_begins_anew() -> None:
    before, after = np.array(frame(0)), np.array(frame(0))
    before[30:60, 20:50], after[30:60, 70:100] = 255, 255
    moved = steady([Image.fromarray(before)] * 3 + [Image.fromarray(after)])[-1]
    assert np.abs(moved - luminance(Image.fromarray(after))).max() < 0.12
    cut = steady([frame(0)] * 3 + [frame(0, OTHER)])[-1]
    np.testing.assert_allclose(cut, luminance(frame(0, OTHER)), atol=1e-5)


def test_between_two_looks_depth_follows_the_camera() -> None:
    """The network sees every third frame, and the first after a cut."""
    looks = []

    def estimate(images: np.ndarray) -> np.ndarray:
        looks.append(1)
        return images.mean(1, keepdims=True).astype(np.float32)

    depth = SteadyDepth(DepthEstimator("luminance", estimate, SIZE), every=3)
    frames = [*(frame(3 * i) for i in range(6)), frame(0, OTHER)]
    told = []
    for one in frames:
        told.append((depth.reduced(one), len(looks)))
    assert [count for _, count in told] == [1, 1, 1, 2, 2, 2, 3]
    for (reduced, _), one in zip(told, frames, strict=True):
        assert np.abs(reduced - luminance(one))[:, :110].max() < 0.02


@pytest.mark.parametrize("moves_at", [1, 2, 3])
def test_what_moves_between_two_looks_is_new_at_the_next(moves_at: int) -> None:
    before, after = np.array(frame(0)), np.array(frame(0))
    before[30:60, 20:50], after[30:60, 70:100] = 255, 255
    shown = [Image.fromarray(before if i < moves_at else after) for i in range(4)]
    assert np.abs(steady(shown, every=3)[-1] - luminance(shown[-1])).max() < 0.12


def test_what_the_camera_turns_to_between_two_looks_is_new_at_the_next() -> None:
    """And is not averaged with what the frame's edge showed before."""
    looks = []

    def estimate(images: np.ndarray) -> np.ndarray:
        looks.append(1)
        return np.full_like(images[:, :1], len(looks))

    depth = SteadyDepth(DepthEstimator("count", estimate, SIZE), every=3)
    for left in (0, 6, 12, 12):
        reduced = depth.reduced(frame(left))
    assert (reduced[:, -12:] == 2).all() and reduced[:, :-20].mean() < 1.5


def test_flipping_takes_out_what_depends_on_the_side() -> None:
    def to_the_right(images: np.ndarray) -> np.ndarray:
        n, _, height, width = images.shape
        return np.broadcast_to(np.arange(width, dtype=np.float32), (n, 1, height, width))

    depth = SteadyDepth(DepthEstimator("columns", to_the_right, SIZE), flip=True)
    assert np.ptp(depth.reduced(frame(0))) < 1e-5


@pytest.mark.parametrize("shift", [(0, 0), (5, -9), (-12, 20)])
def test_a_cameras_shift(shift: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    world = random.random((160, 200)).astype(np.float32)
    down, right = shift
    before = world[30:110, 40:140]
    after = world[30 - down : 110 - down, 40 - right : 140 - right]
    assert camera_shift(before, after) == shift
    assert camera_shift(np.zeros((32, 48), np.float32), np.zeros((32, 48), np.float32)) == (0, 0)


@pytest.mark.parametrize("sigma", [0.5, 1, 3, 6])
def test_noise_is_no_motion_of_the_camera(sigma: float) -> None:
    """But what moves under noise does."""
    random = np.random.default_rng(2)
    soft = np.tile(np.linspace(30, 90, 336), (192, 1))
    blurred = picture(3, 376, 192).convert("L").filter(ImageFilter.GaussianBlur(6))

    def shown(of: np.ndarray) -> np.ndarray:
        return ((of + random.normal(0, sigma, of.shape)).round() / 255).astype(np.float32)

    for still in (soft, np.asarray(blurred, float)):
        assert [camera_shift(shown(still), shown(still)) for _ in range(5)] == [(0, 0)] * 5
    sharp = cv2.GaussianBlur(random.normal(120, 100, (192, 376)), (0, 0), 1.5)
    for right in (1, 2, 5, 40):
        before, after = (shown(sharp[:, left : left + 336]) for left in (right, 0))
        assert camera_shift(before, after) == (0, right)


def test_a_scene_begins_at_the_first_frame_and_at_a_cut() -> None:
    estimator = DepthEstimator("luminance", lambda images: images[:, :1], SIZE)
    depth = SteadyDepth(estimator, every=3)
    began = []
    for one in (frame(0), frame(3), frame(6), frame(9), frame(0, OTHER), frame(0, OTHER)):
        depth(one)
        began.append(depth.begins)
    assert began == [True, False, False, False, True, False]


def test_shades_do_not_jump_with_the_range() -> None:
    shades, depth = SteadyRange(), np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    first = shades(depth)
    assert first[0, 0] == 1 and first[0, -1] == 0, "near is bright"
    second = shades(np.where(depth > 0.9, 3.0, depth).astype(np.float32))
    assert np.abs(first[:, :50] - second[:, :50]).max() < 0.12


def test_the_range_begins_anew_with_a_scene() -> None:
    shades, depth = SteadyRange(), np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    own = shades(depth)
    np.testing.assert_allclose(shades(5 * depth + 2, begins=True), own, atol=1e-5)
    np.testing.assert_allclose(shades(5 * depth + 2), own, atol=1e-5)
