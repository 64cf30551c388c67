"""Every piece of Python in README and docs, as it stands there, on small files."""

import re
from functools import partial
from pathlib import Path

import pytest

import fststyle
from tests.docs.expected import MADE_BY_PYTHON, SMALL_CALLS
from tests.docs.made import describe, files_now
from tests.docs.markdown import blocks

PYTHON = {block.text: block.page for block in reversed([*blocks()]) if block.language == "python"}
"""Each piece once, and the page where it stands first."""


@pytest.mark.parametrize("text", PYTHON, ids=lambda text: f"{PYTHON[text]}: {text[-40:]!r}")
def test_python_runs(
    text: str,
    here: Path,
    traced_once: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, options in SMALL_CALLS.items():
        monkeypatch.setattr(fststyle, name, partial(getattr(fststyle, name), **options))
    before = files_now()
    exec(compile(text, PYTHON[text], "exec"), {"__name__": "__main__"})
    expected, output = {}, ""
    for part, made, printed in MADE_BY_PYTHON:
        if part in text:
            expected, output = made, printed
    now = files_now()
    assert {path: describe(Path(path)) for path in now if now[path] != before.get(path)} == expected
    assert re.search(output, capsys.readouterr().out)


def test_every_expectation_is_of_a_piece() -> None:
    assert all(any(part in text for text in PYTHON) for part, *_ in MADE_BY_PYTHON)
