"""High dynamic range to the standard one: PQ and HLG of BT.2100 to BT.709.

Light is in units of ``WHITE``, which is 1: what is as bright as paper, and the brightest that a
standard picture shows. Up to about half of that stays as it is; what is brighter is rolled off as
BT.2390's EETF does, so that nothing up to the brightest of the film is clipped.
"""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type

PQ, HLG = 16, 18
"""FFmpeg's numbers of the transfer characteristics."""
WHITE = 203.0
"""cd/m² of the reference white (ITU-R BT.2408)."""
PEAK = 1000.0
"""cd/m² of the brightest, where the file does not say; HLG is meant for such a display."""
ROWS = 32
"""That are computed at once, so that they stay in the processor's cache."""

_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)
"""Of BT.2020's primaries."""
_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
"""Linear light from BT.2020's primaries to BT.709's (ITU-R BT.2087)."""
_STEPS = 65535


def pq_light(signal: np.ndarray) -> np.ndarray:
    """PQ signals in [0,1] to cd/m² (SMPTE ST 2084's EOTF)."""
    root = np.power(signal, 32 / 2523)
    low, high = np.maximum(root - 107 / 128, 0), 2413 / 128 - 2392 / 128 * root
    return np.asarray(10000 * np.power(low / high, 8192 / 1305))


def pq_signal(light: np.ndarray) -> np.ndarray:
    """The inverse of ``pq_light``."""
    power = np.power(light / 10000, 1305 / 8192)
    return np.asarray(
        np.power((107 / 128 + 2413 / 128 * power) / (1 + 2392 / 128 * power), 2523 / 32)
    )


def hlg_light(signal: np.ndarray) -> np.ndarray:
    """HLG signals in [0,1] to the scene's light in [0,1] (the inverse OETF of BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def rolled_off(light: np.ndarray, peak: float) -> np.ndarray:
    """cd/m² up to ``peak`` to such up to ``WHITE``: BT.2390's EETF, in PQ signals."""
    if peak <= WHITE:
        return np.minimum(light, WHITE)
    whole = pq_signal(np.array(peak))
    signal, most = pq_signal(light) / whole, pq_signal(np.array(WHITE)) / whole
    knee = 1.5 * most - 0.5
    t = np.clip((signal - knee) / (1 - knee), 0, 1)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    return pq_light(np.where(signal < knee, signal, spline) * whole)


def tone_mapper(transfer: int, peak: float = PEAK) -> Callable[[np.ndarray], np.ndarray]:
    """What turns H×W×3 uint16 R′G′B′ of BT.2020's primaries into H×W×3 uint8 of BT.709.

    All three channels are dimmed by what the brightest of them is, so that hues stay; colours that
    BT.709 cannot show are clipped.

    Args:
        transfer: ``PQ`` or ``HLG``.
        peak: cd/m² of the film's brightest; HLG's is ``PEAK``.
    """
    codes = np.linspace(0, 1, _STEPS + 1)
    if transfer == HLG:
        peak, to_light = PEAK, hlg_light(codes).astype(np.float32)
    else:
        to_light = np.minimum(pq_light(codes) / WHITE, peak / WHITE).astype(np.float32)
    top = peak / WHITE
    # Tables over the square root of light, whose steps are fine where the eye's are.
    light = np.maximum(codes**2 * peak, 1e-6)
    gains = (rolled_off(light, peak) / light).astype(np.float32)
    shown = (codes ** (2 / 2.4) * 255 + 0.5).astype(np.uint8)  # BT.1886's display

    def rows(signal: np.ndarray) -> np.ndarray:
        linear = to_light[signal]
        if transfer == HLG:  # the system's gamma, 1.2, turns the scene's light into the display's
            luminance = linear @ _LUMINANCE
            linear *= (top * np.power(luminance, np.float32(0.2)))[..., None]
        brightest = np.minimum(linear.max(-1), top)
        linear *= gains[(np.sqrt(brightest / top) * _STEPS).astype(np.uint16)][..., None]
        linear = np.clip(linear @ _TO_709.T, 0, 1)
        return np.asarray(shown[(np.sqrt(linear) * _STEPS).astype(np.uint16)])

    def mapped(signal: np.ndarray) -> np.ndarray:
        output = np.empty(signal.shape, np.uint8)
        for top_row in range(0, len(signal), ROWS):
            output[top_row : top_row + ROWS] = rows(signal[top_row : top_row + ROWS])
        return output

    return mapped


def peak_of(side_data: Any) -> float:
    """cd/m² of the brightest, as a frame's side data says; ``PEAK`` where it does not."""
    level = side_data.get(Type.CONTENT_LIGHT_LEVEL)
    display = side_data.get(Type.MASTERING_DISPLAY_METADATA)
    peak = 0.0
    if level is not None:  # FFmpeg's AVContentLightMetadata: the brightest pixel, then averages
        (peak,) = struct.unpack_from("=I", bytes(level))
    if not peak and display is not None:  # AVMasteringDisplayMetadata: after 9 fractions
        above, below, _, known = struct.unpack_from("=iiii", bytes(display), 72)
        peak = above / below if known and below else 0.0
    return min(peak, 10000.0) if peak else PEAK
