"""How fast the page is, beside ONNX Runtime on the same machine in the same run:

    python experiments/page_speed.py photo.jpg --json experiments/page_speed.json

Needs Playwright and Chromium (``chromium`` on the PATH, or its path in FSTSTYLE_CHROMIUM). Frames
of 320×180 are stylized in turn by the page's WebAssembly and by ``Stylizer.run``, with as many
threads each; a picture is loaded into a page that was there before, until it is shown, in seconds.
Other times are in milliseconds, medians and the least. What runs beside it makes both slower, the
longer one more, so processor time a frame is measured, too, of all of Chromium's processes and of
this one: with one thread its inverse is the rate on a machine that has nothing else to do.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

import fststyle
from fststyle.page.build import page
from fststyle.page.serve import server

WIDTH, HEIGHT = 320, 180
STYLE = "starry_night_live"

BEGIN = """async ({ name, width, height }) => {
    const { Engine } = await import('./engine.js');
    const catalogue = await (await fetch('page.json')).json();
    const nothing = () => {};
    const engine = new Engine(catalogue, { onProgress: nothing, onChange: nothing });
    await engine.load(name);
    const controls = { strength: 1, keepColour: 0, near: 0, far: 0, focus: 0 }; // needs no depth
    const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => (i * 7919) % 251);
    globalThis.frames_taken = async (count) => {
        const times = [];
        for (let i = 0; i < count; i++) {
            const began = performance.now();
            await engine.stylize({
                name, picture: { data, width, height }, source: 'x', film: true, controls,
                showDepth: false,
            });
            times.push(performance.now() - began);
        }
        return times;
    };
    await globalThis.frames_taken(60); // until what is compiled quickly is compiled well
    return engine.name;
}"""


def begin(tab: Page, address: str, engine: str) -> tuple[str, Callable[[int], list[float]]]:
    """(the engine's name, what gives the times of so many frames); messages to the worker and back
    are in them."""
    tab.goto(f"{address}?engine={engine}")
    size = {"name": STYLE, "width": WIDTH, "height": HEIGHT}
    name = tab.evaluate(BEGIN, size)
    return name, lambda count: tab.evaluate("(count) => frames_taken(count)", count)


def native(threads: int) -> Callable[[int], list[float]]:
    """The same of ONNX Runtime, with grain."""
    stylizer = fststyle.load_style(STYLE, provider="cpu", threads=threads)
    frame = ((np.arange(WIDTH * HEIGHT * 3) * 7919) % 251).astype(np.uint8)
    frames = frame.reshape(1, HEIGHT, WIDTH, 3)

    def times(count: int) -> list[float]:
        taken = []
        for _ in range(count):
            began = time.perf_counter()
            stylizer.run(frames)
            taken.append(1000 * (time.perf_counter() - began))
        return taken

    times(60)
    return times


def first_picture(tab: Page, address: str, photo: Path) -> float:
    """Seconds from the address, in a browser that had the page before, until the picture is
    shown."""
    began = time.perf_counter()
    tab.goto(address, wait_until="commit")
    tab.wait_for_selector(".card")  # before that the page listens to nobody
    tab.set_input_files("#file", photo)
    while not tab.evaluate("Number(document.querySelector('#after')?.dataset.pictures ?? 0)"):
        time.sleep(0.005)
    return time.perf_counter() - began


def processor_time(process: psutil.Process) -> float:
    """Milliseconds, of a process and all below it."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            used = each.cpu_times()
            total += 1000 * (used.user + used.system)
    return total


def chromium_process() -> psutil.Process:
    """Playwright's driver, below which is the browser."""
    return max(psutil.Process().children(), key=lambda child: len(child.children(recursive=True)))


def summary(times: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 2), "least": round(min(times), 2)}


def compare(tab: Page, address: str, engine: str, threads: int, rounds: int, count: int) -> Any:
    """(the engine's name, figures of the page and of ONNX Runtime): ``count`` frames of each, in
    turn, so many times."""
    name, ours = begin(tab, address, engine)
    theirs = native(threads)
    browser, own = chromium_process(), psutil.Process()
    runs = {
        "page": (ours, lambda: processor_time(browser)),
        f"ONNX Runtime, threads: {threads}": (
            theirs,
            lambda: 1000 * (own.cpu_times().user + own.cpu_times().system),
        ),
    }
    times: dict[str, list[float]] = {which: [] for which in runs}
    spent = dict.fromkeys(runs, 0.0)
    for _ in range(rounds):
        for which, (run, used) in runs.items():
            before = used()
            times[which] += run(count)
            spent[which] += used() - before
    found = {
        which: {**summary(times[which]), "processor": round(spent[which] / rounds / count, 1)}
        for which in runs
    }
    mine, other = found.values()
    return name, found | {"rate": {kind: round(other[kind] / mine[kind], 2) for kind in mine}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=10, help="of each, in each round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, Any] = {"size": f"{WIDTH}x{HEIGHT}", "style": STYLE}
    chromium = os.environ.get("FSTSTYLE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page(Path(folder) / "page", styles=STYLE)
        served = server(Path(folder) / "page")
        threading.Thread(target=served.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{served.server_port}/"
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        found["browser"] = f"Chromium {browser.version}"
        with browser.new_context() as context:
            tab = context.new_page()
            first_picture(tab, address, options.photo)
            loads = [first_picture(tab, address, options.photo) for _ in range(options.rounds)]
        found["first picture, seconds"] = summary(loads)
        print("first picture, seconds", found["first picture, seconds"], flush=True)
        for engine, threads in (("single", 1), ("threads", 2)):
            with browser.new_context() as context:
                tab = context.new_page()
                name, figures = compare(
                    tab, address, engine, threads, options.rounds, options.frames
                )
            found[name] = figures
            print(name, json.dumps(figures), flush=True)
        browser.close()
        served.shutdown()
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
