"""High dynamic range to the standard one."""

import numpy as np
import pytest

from fststyle.inference.video.hdr import (
    HLG,
    PQ,
    WHITE,
    hlg_light,
    pq_light,
    pq_signal,
    rolled_off,
    tone_mapper,
)


def test_pq_is_the_standards() -> None:
    """Values of ITU-R BT.2408: 203 cd/m² are 58 % of PQ, 75 % of HLG; 1000 are 75 % of PQ."""
    assert pq_signal(np.array([0.0, 203, 1000, 10000])) == pytest.approx(
        [0, 0.5807, 0.7518, 1], abs=1e-4
    )
    light = np.geomspace(0.01, 10000, 50)
    assert pq_light(pq_signal(light)) == pytest.approx(light, rel=1e-6)
    assert hlg_light(np.array([0, 0.5, 1])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert 1000 * hlg_light(np.array(0.75)) ** 1.2 == pytest.approx(203, rel=0.01)


@pytest.mark.parametrize("peak", [150.0, 203.0, 600.0, 1000.0, 10000.0])
def test_what_is_bright_is_rolled_off_and_nothing_is_clipped(peak: float) -> None:
    light = np.linspace(0, peak, 1000)
    shown = rolled_off(light, peak)
    assert (np.diff(shown) > 0).all() and shown[-1] == pytest.approx(min(peak, WHITE), rel=1e-6)
    assert (shown <= light + 1e-9).all()
    dark = light < 20
    assert shown[dark] == pytest.approx(light[dark], rel=1e-6)


def signals(rgb: list[list[float]]) -> np.ndarray:
    return (np.array([rgb]) * 65535).astype(np.uint16)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_greys_stay_grey_and_in_order(transfer: int) -> None:
    levels = np.linspace(0, pq_signal(np.array(1000.0)) if transfer == PQ else 1, 40)
    (shown,) = tone_mapper(transfer)(signals([[x] * 3 for x in levels])).astype(int)
    assert np.ptp(shown, axis=-1).max() <= 1
    assert (np.diff(shown[:, 1]) >= 0).all() and shown[0].max() == 0 and shown[-1].min() >= 254


def test_primaries_become_those_of_bt_709() -> None:
    """BT.709's red, 100 cd/m², in BT.2020's primaries."""
    red = np.array([0.6274, 0.0691, 0.0164]) * 100
    ((shown,),) = tone_mapper(PQ)(signals([pq_signal(red).tolist()])).astype(int)
    assert shown[0] == pytest.approx(255 * (100 / WHITE) ** (1 / 2.4), abs=3)
    assert shown[1:].max() <= 12  # of 255 ** 2.4: less than a thousandth of the light


def test_large_frames_are_done_in_parts() -> None:
    frame = np.random.default_rng(0).integers(0, 65536, (100, 8, 3)).astype(np.uint16)
    mapper = tone_mapper(HLG)
    rows = np.concatenate([mapper(frame[i : i + 1]) for i in range(100)])
    np.testing.assert_array_equal(mapper(frame), rows)
