from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.config import DepthEvalConfig
from fststyle.data.depth.maps import DepthPicture
from fststyle.evaluation.depth_metrics import (
    aligned_errors,
    aligned_square,
    constant,
    evaluate,
    fitted,
    vertical_gradient,
)


def ramp(height: int = 60, width: int = 80) -> DepthPicture:
    """Farther towards the top, from 1 to 5; the photo's red channel shows the depth."""
    depth = np.repeat(np.linspace(5, 1, height, dtype=np.float32)[:, None], width, 1)
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = depth * 50
    return DepthPicture(Image.fromarray(image), depth)


def figures(network: Any, picture: DepthPicture, *, metric: bool = True) -> dict[str, float]:
    config = DepthEvalConfig(checkpoints=(), data=(), size="64x80", pairs=500)
    return evaluate(network, [picture], config, torch.device("cpu"), "fp32", metric=metric)


def test_a_perfect_network_has_every_pair_right() -> None:
    found = figures(lambda image: image[:, :1] * 10, ramp())
    assert found["accuracy"] == found["near_accuracy"] == 1
    assert found["ssi_mae"] < 0.02 and found["abs_rel"] < 0.02 and found["delta1"] > 0.99


def test_what_is_known_of_the_baselines() -> None:
    assert figures(vertical_gradient, ramp())["accuracy"] == 1
    flat = figures(constant, ramp())
    assert flat["accuracy"] == 0, "a tie is no right order"
    assert flat["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert figures(lambda image: -image[:, :1], ramp())["accuracy"] == 0


def test_unknown_depths_do_not_count() -> None:
    picture = ramp()
    depth = picture.depth.copy()
    depth[:20] = np.nan
    image = np.array(picture.image)
    image[:20] = 255  # where a network would be wrong
    found = figures(lambda image: image[:, :1], DepthPicture(Image.fromarray(image), depth))
    assert found["accuracy"] > 0.99


def test_two_known_points_are_one_pair() -> None:
    depth = np.full((60, 80), np.nan, np.float32)
    depth[5, 10], depth[50, 70] = 1, 0  # as DIW's judgements are read
    found = figures(vertical_gradient, DepthPicture(ramp().image, depth), metric=False)
    assert found["accuracy"] == 1
    assert "near_accuracy" not in found and "near_loss" not in found


def test_relative_depth_has_no_metric_errors() -> None:
    assert "abs_rel" not in figures(vertical_gradient, ramp(), metric=False)


def test_errors_leave_scale_and_shift_out() -> None:
    random = np.random.default_rng(0)
    depth = random.uniform(1, 5, (20, 30)).astype(np.float32)
    depth[0] = np.nan
    errors = aligned_errors(7 * depth + 3, depth, metric=True)
    assert errors["ssi_mae"] == pytest.approx(0, abs=1e-5)
    assert errors["abs_rel"] == pytest.approx(0, abs=1e-5) and errors["delta1"] == 1
    # A quarter of the pixels off by one, of a map whose deviation from its median 2 is 1.
    d = np.array([[1, 3, 1, 3]], np.float32)
    assert aligned_errors(np.array([[1, 3, 1, 5]]), d, metric=False)["ssi_mae"] == pytest.approx(
        np.abs(np.array([-1, 1, -1, 3]) / 1.5 - np.array([-1, 1, -1, 1])).mean()
    )


def test_pictures_keep_their_proportions_but_the_widest() -> None:
    image, depth = fitted(ramp(60, 80), (224, 288))
    assert image.shape[:2] == depth.shape and image.shape[0] < image.shape[1]
    assert abs(image.shape[0] * image.shape[1] / (224 * 288) - 1) < 0.1
    wide = ramp(60, 400)
    wide.depth[:, :90] = np.nan  # what is kept are the middle 120 columns
    wide.depth[:, 310:] = np.nan
    image, depth = fitted(wide, (224, 288))
    assert image.shape[1] == 2 * image.shape[0] and np.isfinite(depth).all()


def test_the_aligned_square_leaves_scale_and_shift_out() -> None:
    target = np.array([[0.0, 1], [2, 5]])
    assert aligned_square(7 * target - 3, target) == pytest.approx(0)
    assert aligned_square(np.ones((2, 2)), target) == pytest.approx(target.var())
    # What is left of it after the fit: its part that is uncorrelated with the prediction.
    pred = np.array([[0.0, 1], [5, 2]])
    r = np.corrcoef(pred.ravel(), target.ravel())[0, 1]
    assert aligned_square(pred, target) == pytest.approx((1 - r**2) * target.var())


def test_a_picture_without_finite_depth_leaves_no_figure_out() -> None:
    assert (good := figures(lambda image: image[:, :1], ramp())).keys() == figures(
        lambda image: image[:, :1] * torch.nan, ramp()
    ).keys()
    assert "abs_rel" in good
