"""A page in a browser, as a test uses it."""

import base64
import functools
import http.server
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fststyle.page.serve import server


class Plain(http.server.SimpleHTTPRequestHandler):
    """Any file server: it knows nothing of headers that a page might want, and takes .gz for an
    encoding, which browsers undo."""

    def end_headers(self) -> None:
        if self.path.endswith(".gz"):
            self.send_header("Content-Encoding", "gzip")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


class Served:
    """A folder behind an address: as ``fststyle page --serve`` has it, or ``plain``."""

    def __init__(self, folder: Path, *, plain: bool = False) -> None:
        handler = functools.partial(Plain, directory=str(folder))
        self._server = (
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) if plain else server(folder)
        )
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Nothing answers any more; again does nothing."""
        self._server.shutdown()
        self._server.server_close()


class Look:
    """A page, open in a browser.

    Attributes:
        requests: addresses of everything that the page asked for.
        errors: what it raised.
    """

    def __init__(self, browser: Any, folder: Path, *, plain: bool = False, **context: Any) -> None:
        self.served = Served(folder, plain=plain)
        self.address = self.served.address
        self.context = browser.new_context(accept_downloads=True, **context)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page = self.context.new_page()
        self.page.set_default_timeout(0)  # a busy machine takes as long as it takes
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def close(self) -> None:
        """The browser's part and the server's."""
        self.context.close()
        self.served.stop()

    def asked(self, part: str) -> bool:
        """Whether an address that holds ``part`` was asked for."""
        return any(part in url for url in self.requests)

    def open(self, query: str = "", *, empty: bool = False) -> None:
        self.page.goto(self.address + query)
        if not empty:
            self.page.wait_for_selector(".card")

    def until(self, condition: str) -> None:
        """Wait for JavaScript to be true. (Playwright's own way to wait needs ``eval``, which the
        page's security policy forbids.)"""
        while not self.page.evaluate(condition):
            time.sleep(0.02)

    @property
    def pictures(self) -> int:
        """How many were shown."""
        return int(self.page.evaluate("Number(after.dataset.pictures ?? 0)"))

    def changed(self, action: Callable[[], object]) -> np.ndarray:
        """The picture that is shown at last after ``action``, which has to change something."""
        shown = self.pictures
        self.page.evaluate("message.hidden = true")
        action()
        self.until(
            f"stage.ariaBusy !== 'true'"
            f" && (Number(after.dataset.pictures ?? 0) > {shown} || !message.hidden)"
        )
        assert self.pictures > shown, self.page.inner_text("#message")
        return self.pixels("after")

    def pixels(self, canvas: str) -> np.ndarray:
        """H×W×3 uint8 of a canvas of the page, by its id."""
        width, height, data = self.page.evaluate(
            """(id) => {
                const canvas = document.getElementById(id);
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                let text = '';
                for (let i = 0; i < data.length; i += 8192) {
                  text += String.fromCharCode(...data.subarray(i, i + 8192));
                }
                return [width, height, btoa(text)];
            }""",
            canvas,
        )
        pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
        assert (pixels[..., 3] == 255).all()
        return pixels[..., :3]

    def take(self, file: Path) -> np.ndarray:
        """The picture of ``file``, stylized."""
        return self.changed(lambda: self.page.set_input_files("#file", file))

    def choose(self, style: str) -> None:
        # Not ``check``, which wants it to stay chosen.
        self.page.click(f"input[value={style}]", force=True)

    def slide(self, name: str, value: int) -> np.ndarray:
        """The picture after a slider was set."""
        return self.changed(lambda: self.page.fill(f"input[name={name}]", str(value)))

    def press(self, action: str) -> None:
        self.page.click(f".actions [data-action={action}]")

    @property
    def status(self) -> str:
        """Engine, size and time, as the page shows them."""
        return str(self.page.inner_text(".status"))


Looking = Callable[..., Look]
"""What the fixture ``look`` is."""
SIZE = (160, 120)
"""Width and height of the fixture ``photo``."""
LEVEL = 1
"""Of 255, by which rounding may differ between two engines."""


def distance(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Most levels by which two pictures of one size differ."""
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs).max())
