"""How steady videos are: motion that is known, and the flow that finds it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fststyle.evaluation.temporal import (
    followed,
    measure_videos,
    optical_flow,
    warped,
    warping_error,
)
from fststyle.utils.failures import Failures
from fststyle.utils.signals import Stop
from tests.conftest import picture, run_here, write_clip


def test_what_moves_along_is_steady_and_what_stays_is_not() -> None:
    wide = np.asarray(picture(0, 90, 60), np.float32) / 255
    before, after = wide[:, 5:85], wide[:, :80]  # all goes 5 pixels to the right
    flow = np.zeros((60, 80, 2), np.float32)
    flow[..., 0] = 5
    valid = followed(flow, -flow)
    assert not valid[:, 75:].any() and valid[:, :75].all()
    assert warping_error(before, after, flow, valid) < 1e-6
    stripes = np.zeros_like(before)
    stripes[:, ::2] = 0.5  # fixed to the picture's grid
    assert warping_error(before + stripes, after + stripes, flow, valid) == pytest.approx(0.5)


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


def test_frames_are_not_compared_across_a_cut(tmp_path: Path) -> None:
    scenes = [np.asarray(picture(seed, 96, 96)) for seed in (3, 4)]
    shown = [scenes[i // 3] for i in range(6)]
    clip = tmp_path / "cut.mp4"
    write_clip(clip, [40 * i for i in range(6)], size=(96, 96), shown=shown)
    failures = Failures()
    found = measure_videos([], [clip], 64, 5, failures, Stop())["cut"]
    assert (found.frames, found.pairs) == (5, 3) and found.own < 0.02 and not failures.reasons
    assert measure_videos([], [clip], 64, 1, failures, Stop()) == {}
    (reason,) = failures.reasons.values()
    assert "cut.mp4: no two successive frames of one scene in 1" in reason


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, network = tmp_path / "clip.mp4", tmp_path / "none.safetensors"
    write_clip(clip, [0, 40])
    for arguments, message in (
        ((network, "--videos", tmp_path / "none.mp4"), "none.mp4: no such file"),
        ((network, "--videos", tmp_path), "not a video that can be read"),
        ((tmp_path, "--videos", clip), "--videos measures networks, not folders of pictures"),
    ):
        status, error = run_here(capsys, "evaluate", *arguments)
        assert status == 2 and message in error and error.count("\n") == 1


def test_corrupt_frames_are_told(tmp_path: Path) -> None:
    clip = tmp_path / "damaged.mp4"
    shown = [
        np.random.default_rng(i // 9).integers(0, 256, (96, 96, 3), np.uint8) for i in range(18)
    ]
    write_clip(clip, [40 * i for i in range(18)], size=(96, 96), shown=shown)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    clip.write_bytes(data)
    failures = Failures()
    assert measure_videos([], [clip], 64, 25, failures, Stop()).keys() == {"damaged"}
    assert "damaged.mp4: " in failures.reasons[str(clip)]
