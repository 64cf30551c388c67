import json
from pathlib import Path

import pytest
from conftest import run_here, write_clip


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
    assert rates.keys() == {"decode", "stylize", "encode", "whole"} and min(rates.values()) > 0
    assert figures["stylizing_seconds"]["50 %"] <= figures["stylizing_seconds"]["95 %"]
    assert min(figures["megabytes"].values()) > 10
