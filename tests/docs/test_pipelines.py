"""Every pipeline in README and docs, as it stands there, on small files, by a shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fststyle.__main__ import _parser
from tests.conftest import ROOT
from tests.docs.expected import ELSEWHERE, MADE_BY_PIPELINES
from tests.docs.made import describe, files_now
from tests.docs.markdown import blocks

PIPELINES = [line for block in blocks() if not block.language for line in block.pipelines()]


@pytest.mark.parametrize("line", PIPELINES, ids=lambda line: line[:100])
def test_pipelines_run(line: str, here: Path, tmp_path: Path) -> None:
    parts = [shlex.split(part) for part in re.split(" [|] ", line)]
    if any(sign in line for sign in ELSEWHERE):
        for words in parts:
            if words[0] == "fststyle":
                _parser().parse_args(words[1:])
        return
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "fststyle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fststyle "$@"\n')
    (programs / "fststyle").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    for name in {words[0] for words in parts} - {"fststyle"}:
        if not shutil.which(name):
            pytest.skip(f"there is no {name}")
    small = line.replace("640x360", "64x48").replace("width=640,height=360", "width=64,height=48")
    before = files_now()
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", small],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if re.search('no element "(y4m|vp8|webm)', done.stderr):
        pytest.skip("GStreamer lacks elements")
    assert done.returncode == 0, done.stderr
    now = files_now()
    made = {name: describe(Path(name)) for name in now if now[name] != before.get(name)}
    assert len(made) == 1 and made.items() <= MADE_BY_PIPELINES.items()


def test_every_expectation_is_of_a_pipeline() -> None:
    assert all(any(name in line for line in PIPELINES) for name in MADE_BY_PIPELINES)
