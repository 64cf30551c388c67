"""``fststyle page --serve``."""

import re
import signal
import urllib.request
from pathlib import Path

import pytest

from fststyle.page.serve import server
from tests.conftest import run_here, started, wait_for


def test_a_page_is_served_until_ctrl_c(mapped: Path) -> None:
    with started("page", "--serve", "--no-open", "--styles", mapped) as process:
        assert process.stdout
        line = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+/) ", line)
        assert found, (line, process.stderr and process.stderr.read())
        for name, kind in (("", "text/html"), ("app.js", "text/javascript"), ("x", None)):
            try:
                with urllib.request.urlopen(found[1] + name) as answer:
                    headers, status = answer.headers, answer.status
            except urllib.error.HTTPError as error:
                headers, status = error.headers, error.code
            assert status == (404 if kind is None else 200)
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert kind is None or headers["Content-Type"].startswith(kind)
        process.send_signal(signal.SIGINT)
        wait_for(lambda: process.poll() is not None, process)
        assert process.returncode == 0


def test_a_port_that_is_taken_is_named(
    mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(tmp_path) as running:
        port = running.server_port
        options = ("--serve", "--no-open", "--port", port, "--styles", mapped)
        status, err = run_here(capsys, "page", *options)
    assert status == 2 and f"--port {port}: " in err and "0 takes a free one" in err


def test_a_page_that_is_there_is_served_as_it_is(
    mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page"
    assert run_here(capsys, "page", page, "--styles", mapped)[0] == 0
    before = (page / "page.json").read_bytes()
    with started("page", page, "--serve", "--no-open") as process:
        assert process.stdout
        found = re.match(r"(http://127\.0\.0\.1:\d+/) ", process.stdout.readline())
        assert found
        with urllib.request.urlopen(found[1] + "page.json") as answer:
            assert answer.read() == before
        process.send_signal(signal.SIGINT)
        wait_for(lambda: process.poll() is not None, process)
    assert (page / "page.json").read_bytes() == before
