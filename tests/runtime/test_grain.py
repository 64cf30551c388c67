from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import picture

from fststyle.export import export
from fststyle.networks.transform import TransformNet
from fststyle.runtime.grain import BAND, add_grain
from fststyle.runtime.stylizer import Stylizer


def test_grain_stays_in_range_and_in_its_place() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, BAND + 9, 40, 3), np.uint8)
    frames[:, :20], frames[:, 20:40] = 0, 255
    grained = add_grain(frames, 4)
    difference = grained.astype(int) - frames
    assert np.abs(difference).max() == 4
    assert (difference[:, :20] >= 0).all() and (difference[:, 20:40] <= 0).all()
    inside = (frames.min(-1) >= 4) & (frames.max(-1) <= 251)
    assert (np.ptp(difference[inside], axis=-1) == 0).all(), "colours stay"
    assert np.array_equal(add_grain(frames, 4), grained)
    assert np.array_equal(add_grain(frames[:1], 4), grained[:1])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = TransformNet(4).eval()
    with torch.no_grad():
        network.out.conv.weight.mul_(64)
    path = tmp_path_factory.mktemp("grain") / "x.onnx"
    export(network, {}, path, uint8=True)
    return path


def test_plain_surfaces_get_strokes(model: Path) -> None:
    frame = np.array(picture(0, 160, 160))[None]
    frame[:, :, :100] = 255
    plain, grained = (Stylizer(model, "cpu", grain=grain)(frame) for grain in (0, 4))
    plain, grained = (made[0, 60:90, 40:60].std((0, 1)).max() for made in (plain, grained))
    assert plain < 0.6 and grained > 3 * plain


def test_grain_is_the_same_in_tiles_and_none_in_the_original(model: Path) -> None:
    frame = np.array(picture(0, 90, 400))
    stylizer = Stylizer(model, "cpu", grain=4)
    (whole,) = stylizer(frame[None])
    assert np.abs(stylizer.tiled(frame, 90 * 64) - whole.astype(int)).max() <= 1
    assert np.array_equal(stylizer(frame[None], strength=0.0)[0], frame)
    assert np.array_equal(stylizer.tiled(frame, 90 * 64, strength=0.0), frame)
