"""The Chromium that pages are looked at in."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def chromiums() -> Iterator[Callable[..., Any]]:
    """``launch(*flags)``, which starts one; without Playwright or a Chromium the test is skipped.
    A process can have one such context at a time."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = os.environ.get("FSTSTYLE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), "")
    if not found:
        pytest.skip("no Chromium: install one, or name it in FSTSTYLE_CHROMIUM")
    with api.sync_playwright() as running:
        yield lambda *flags: running.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
