"""``bench robustness``: that it tells ends apart, repeats itself, and runs."""

import contextlib
import json
import random
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path

import pytest

from fststyle.benchmarks.robustness.cases import PLAN, Result, is_whole, outcome, plan
from fststyle.benchmarks.robustness.children import End
from fststyle.benchmarks.robustness.kills import Kill
from fststyle.benchmarks.robustness.mutations import damage, png_chunks
from fststyle.benchmarks.robustness.run import kill_sentence, table
from fststyle.benchmarks.robustness.structures import mutate_json
from fststyle.config import BenchRobustnessConfig
from tests.conftest import picture, run_command

ENDED = End("exit", 0, 300.0, 1.0)
TRACEBACK = "Traceback (most recent call last):\n  …\nKeyError: 'x'\n"


def test_shares_make_a_hundred_and_hold_in_every_hundred() -> None:
    rows = list(plan(BenchRobustnessConfig(inputs=200, seed=3)).values())
    assert sum(row.share for row in PLAN) == 100
    assert Counter(rows[:100]) == {row: row.share for row in PLAN} == Counter(rows[100:])


def test_damage_is_a_matter_of_the_seed() -> None:
    data = bytes(range(256)) * 8
    found = [damage("x.jpg", data, random.Random(seed), [data, data[::-1]]) for seed in range(60)]
    again = [damage("x.jpg", data, random.Random(seed), [data, data[::-1]]) for seed in range(60)]
    assert found == again
    assert sum(made.data != data for made in found) > 50


def test_damaged_chunks_of_a_png_have_right_check_sums(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "x.png")
    data = (tmp_path / "x.png").read_bytes()
    for seed in range(20):
        made, at = png_chunks(data, random.Random(seed), [data]), 8
        while at < len(made):
            (length,) = struct.unpack(">I", made[at : at + 4])
            content = made[at + 4 : at + 8 + length]
            assert (
                struct.pack(">I", zlib.crc32(content)) == made[at + 8 + length : at + 12 + length]
            )
            at += 12 + length


def test_damaged_json_is_mostly_json() -> None:
    card = {"kind": "transform", "network": {"width": 4}, "style": [{"name": "a"}]}
    texts = [mutate_json(card, random.Random(seed)) for seed in range(200)]
    read = 0
    for text in texts:
        with contextlib.suppress(ValueError, RecursionError):
            read += json.loads(text) != card
    assert read > 120


@pytest.mark.parametrize(
    ("end", "said", "expected"),
    [
        (ENDED, "", "ended well"),
        (ENDED._replace(status=2), "fststyle: given.png: no picture", "message"),
        (ENDED._replace(status=2), "fststyle: something is wrong", "unclear message"),
        (ENDED._replace(status=1), TRACEBACK, "traceback"),
        (ENDED, TRACEBACK, "traceback"),
        (ENDED._replace(how="signal", status=11), "", "signal"),
        (ENDED._replace(how="hang", status=9), "", "hang"),
        (ENDED._replace(how="memory", status=9), "", "memory"),
    ],
)
def test_ends_are_told_apart(end: End, said: str, expected: str, tmp_path: Path) -> None:
    assert outcome(end, said, "given.png", tmp_path) == expected


def test_half_files_are_seen(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "x.png")
    assert is_whole(tmp_path / "x.png") and outcome(ENDED, "", "x", tmp_path) == "ended well"
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-50])
    assert outcome(ENDED, "", "x", tmp_path) == "half file"
    (tmp_path / "x.png").rename(tmp_path / ".0123.tmp")
    assert outcome(ENDED, "", "x", tmp_path) == "half file"


def test_figures_are_sums() -> None:
    row = PLAN[0]
    ends = ("ended well", "message", "message", "hang")
    results = [Result(n, row, "a.png", "bits", end, "", 300.0, 1.0) for n, end in enumerate(ends)]
    first, total = table(results)
    assert (first["command"], first["kind"], first["inputs"]) == ("infer", "picture", 4)
    assert (total["inputs"], total["ended well"], total["message"], total["hang"]) == (4, 1, 2, 1)
    kills = [Kill(2, 1, "exactly"), Kill(1, 0, "exactly"), Kill(1, 1, "half file")]
    assert kill_sentence(kills) == (
        "3 trainings killed 4 times, 2 of them inside a write: 2 resumed exactly, 1 half file"
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_few_inputs_and_a_kill(tmp_path: Path) -> None:
    """The whole command; and a server's children, which it has for this."""
    done = run_command(
        *("bench", "robustness", "--inputs", 24, "--only", "picture", "infer --list"),
        *("--kills", 1, "--jobs", 1, "--json", tmp_path / "x.json", "--output", tmp_path / "kept"),
    )
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    figures = json.loads((tmp_path / "x.json").read_text())
    total = figures["table"][-1]
    assert total["inputs"] > 5 and total["ended well"] > 0 and total["message"] > 0
    assert figures["kills"]["resumed exactly"] == 1
    kept = list((tmp_path / "kept").iterdir())
    assert (
        len(kept)
        == len(figures["not_as_it_should"])
        == total["inputs"] - total["ended well"] - total["message"]
    )
