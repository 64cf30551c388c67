import json
import runpy
import sys
from pathlib import Path

import av
import pytest

from tests.conftest import ROOT, run_here, write_clip


def test_stages_and_whole_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "clip.mp4", [40 * i for i in range(60)])
    status, error = run_here(
        *(capsys, "bench", "video", tmp_path / "clip.mp4", "--width", 4),
        *("--json", tmp_path / "figures.json"),
    )
    assert status == 0, error
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["frames"] == 60 and figures["provider"] == "cpu"
    rates = figures["frames_per_second"]
    stages = {"decode", "stylize", "encode", "whole", "whole, --steady 0.6"}
    assert rates.keys() == stages and min(rates.values()) > 0
    assert figures["stylizing_seconds"]["50 %"] <= figures["stylizing_seconds"]["95 %"]
    assert min(figures["megabytes"].values()) > 10


def test_what_a_gpu_is_measured_with_runs_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(script: str, *arguments: object) -> None:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        runpy.run_path(str(ROOT / "experiments" / script), run_name="__main__")

    model, found = ROOT / "checkpoints/styles/starry_night_live.onnx", tmp_path / "settings.json"
    options = ("--provider", "cpu", "--sizes", "48x32", "64x48", "--repeats", 2)
    run("cuda_settings.py", model, *options, "--json", found)
    rows = json.loads(found.read_text())["settings"]
    assert [row["size"] for row in rows] == ["48x32", "64x48"]
    assert all(row["graph ms"] > 0 and row["frames/s"] > 0 for row in rows)

    write_clip(tmp_path / "clip.mp4", [0, 40, 80])
    run("enlarge.py", tmp_path / "clip.mp4", tmp_path / "large.mp4", "128x96")
    with av.open(str(tmp_path / "large.mp4")) as clip:
        assert [(f.width, f.height) for f in clip.decode(video=0)] == [(128, 96)] * 3
