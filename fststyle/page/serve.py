"""A file server for this machine alone, with the headers that threads in the browser need."""

import functools
import http.server
import threading
import time
import webbrowser
from pathlib import Path

from fststyle.utils.signals import watch_signals

ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Without these a page has no shared memory, and WebAssembly one thread."""


class PageHandler(http.server.SimpleHTTPRequestHandler):
    """The files of a page. Types are said here, since what Windows' registry says may be wrong."""

    extensions_map = {  # noqa: RUF012, as in the class above
        "": "application/octet-stream",
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
        ".webmanifest": "application/manifest+json",
        ".svg": "image/svg+xml",
        ".jpg": "image/jpeg",
        ".png": "image/png",
    }

    def end_headers(self) -> None:
        for name, value in ISOLATION.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is for the address."""


def server(folder: Path, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server of ``folder`` on 127.0.0.1, to be run; ``port`` 0 is a free one.

    Raises OSError where the port is taken.
    """
    handler = functools.partial(PageHandler, directory=str(folder))
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise OSError(f"--port {port}: {error.strerror}; 0 takes a free one") from error


def serve(folder: Path, port: int, open_browser: bool) -> None:
    """Serve ``folder`` until Ctrl-C or SIGTERM; raises as ``server``."""
    with server(folder, port) as running, watch_signals() as stop:
        address = f"http://127.0.0.1:{running.server_port}/"
        print(f"{address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        while not stop.requested:
            time.sleep(0.1)
        running.shutdown()
