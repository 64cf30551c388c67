import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

RUN = [sys.executable, str(ROOT / "benchmarks/cuda_check.py")]


@pytest.mark.assets
def test_all_that_waits_for_a_gpu_runs_in_miniature(tmp_path: Path) -> None:
    done = subprocess.run(
        [*RUN, tmp_path],
        env={**os.environ, "PROVIDER": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [line.split()[0] for line in done.stdout.splitlines() if " s  " in line]
    assert told.count("ok") == len(told) > 20
    for made in (
        "settings.json",
        "infer.json",
        "styles/figures.json",
        "published/starry_night.onnx",
    ):
        assert (tmp_path / made).stat().st_size > 100
    assert (tmp_path / "depth/figures.json").stat().st_size > 100
