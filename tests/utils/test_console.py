import os
import subprocess
import sys
from pathlib import Path

import pytest

from fststyle.__main__ import main
from fststyle.utils.console import printable
from tests.conftest import ROOT


def run(
    body: str, *, redirected: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """``body`` inside ``console()``, in a process of its own under a shell."""
    code = f"from fststyle.utils.console import console\nimport os, sys\nwith console():\n {body}"
    command = f'"$0" -c "$1" {redirected}'
    return subprocess.run(
        ["sh", "-c", command, sys.executable, code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_every_name_is_printed_in_every_encoding() -> None:
    body = "print('日 \\udcff ×'); print('日', file=sys.stderr)"
    done = run(body, PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "\\u65e5 \\udcff \\xd7" in done.stdout
    assert done.stderr == "\\u65e5\n"


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_closed_streams_and_readers_that_leave_end_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    body = f"print('x', flush=True); os.system('echo noise >&2'); f = open({str(file)!r}, 'w');"
    body += " print('y' * 99999); print(f.fileno(), file=f)"
    for redirected in ("<&- >&- 2>&-", ">&-", "| true"):
        done = run(body, redirected=redirected)
        assert done.returncode == 0 and "Error" not in done.stderr
        assert int(file.read_text()) > 2
        file.unlink()


def test_data_has_standard_output_for_itself() -> None:
    """Python's and C's words meanwhile go to standard error, and afterwards where they went."""
    body = "print('before')\n from fststyle.utils.console import data_output\n"
    body += " with data_output() as data: print('said'); os.write(data, b'DATA'); os.write(1, b'C')"
    done = run(f"{body}\n print('after')")
    assert done.returncode == 0
    assert done.stdout == "before\nDATAafter\n" and sorted(done.stderr) == sorted("said\nC")


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_data_that_nobody_receives_is_an_error() -> None:
    body = "from fststyle.utils.console import data_output\n with data_output(): pass"
    done = run(body, redirected=">&-")
    assert done.returncode == 1 and "ValueError: standard output is closed" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_listing_that_cannot_be_written_is_an_error() -> None:
    command = f'"{sys.executable}" -m fststyle infer --list > /dev/full'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "fststyle: standard output cannot be written (No space left on device)\n"


def test_names_with_line_breaks_stay_in_one_line() -> None:
    assert printable("a\nb\x1b[31m日") == "a\\nb\\x1b[31m日"


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), EOFError("no more")])
def test_what_files_cause_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> int:
        raise error

    monkeypatch.setattr("fststyle.inference.infer.run", fail)
    assert main(["infer", "udnie", "a.jpg"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
