"""Motion that is known, and the flow that finds it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.images.flow import followed, optical_flow, warped


def test_what_is_hidden_or_at_an_edge_of_motion_is_left_out() -> None:
    forward, backward = (np.zeros((40, 40, 2), np.float32) for _ in range(2))
    forward[10:30, 10:30, 0], backward[10:30, 16:36, 0] = 6, -6
    valid = followed(forward, backward)
    assert valid[12:28, 12:28].all() and valid[:8].all()
    assert not valid[15, 9] and not valid[15, 30:36].any()


@pytest.mark.assets
def test_flow_is_near_the_truth(assets: Path) -> None:
    (folder,) = (assets / "video/sintel").iterdir()
    before, after = (np.asarray(Image.open(folder / f"frame{i}.png")) for i in (1, 2))
    raw = (folder / "flow.flo").read_bytes()
    width, height = np.frombuffer(raw, np.int32, 2, 4)
    true = np.frombuffer(raw, np.float32, offset=12).reshape(height, width, 2)
    seen = [np.asarray(Image.open(folder / f"{name}.png")) for name in ("occlusion", "invalid")]
    visible = np.max([m if m.ndim == 2 else m.max(-1) for m in seen], 0) == 0
    # Levels of 255; without the flow 9.9.
    apart = np.abs(before.astype(float) - warped(after, true))[visible].mean()
    assert apart == pytest.approx(2.8, abs=0.1)
    flow = optical_flow(before, after)
    ours = followed(flow, optical_flow(after, before))
    error = np.linalg.norm(flow - true, axis=-1)
    assert 0.5 < ours.mean() < visible.mean() + 0.02
    assert np.median(error[ours]) < 0.3 and (~visible & ours).sum() < 0.35 * (~visible).sum()
