"""How commands end on damaged files, and how trainings go on that were killed."""

import os
import queue
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import av
import onnx
import PIL
from tqdm import tqdm

from fststyle.benchmarks.robustness.cases import (
    OUTCOMES,
    RIGHT,
    Result,
    Row,
    Seeds,
    make_seeds,
    plan,
    run_case,
)
from fststyle.benchmarks.robustness.children import Server
from fststyle.benchmarks.robustness.kills import Kill, Reference, kill_and_resume, train_once
from fststyle.benchmarks.timing import print_table, write_json
from fststyle.config import BenchRobustnessConfig, check
from fststyle.config.calls import from_settings
from fststyle.utils.files import check_free_options

T = TypeVar("T")
Work = Callable[[Server], T]
"""What is done with a server of its own."""


@from_settings(BenchRobustnessConfig)
def bench_robustness(config: BenchRobustnessConfig) -> int:
    """``fststyle bench robustness``: prints a table, and writes JSON where asked to; returns 1
    where anything did not end as it should."""
    if not hasattr(os, "fork"):
        raise ValueError("bench robustness needs a system that forks processes: Linux or macOS")
    check_free_options(config, "json")
    if config.output:
        check(not config.output.exists(), f"{config.output} exists already: name a new folder")
        config.output.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name, _servers(config) as servers:
        folder = Path(name)
        first, rows = servers.get(), plan(config)
        seeds = make_seeds(first, folder / "whole", {row.kind for row in rows.values()})
        whole = train_once(first, seeds.photos, seeds.painting, folder / "uninterrupted")
        servers.put(first)
        results = _run_damaged(config, servers, seeds, rows, folder)
        kills = _run_killed(config, servers, seeds, whole, folder)
    if results:
        print_table(table(results))
    if kills:
        print(kill_sentence(kills))
    figures = {
        "seed": config.seed,
        "inputs": len(results),
        "table": table(results),
        "largest_megabytes": round(max((r.megabytes for r in results), default=0)),
        "kills": _kill_figures(kills),
        "not_as_it_should": [_described(result) for result in _wrong(results)],
        "libraries": {
            "pillow": PIL.__version__,
            "pyav": av.__version__,
            "onnx": onnx.__version__,
            "ffmpeg": ".".join(map(str, av.library_versions["libavcodec"])),
        },
    }
    write_json(config.json, figures)
    return 1 if _wrong(results) or any(kill.resumed != "exactly" for kill in kills) else 0


@contextmanager
def _servers(config: BenchRobustnessConfig) -> Iterator["queue.Queue[Server]"]:
    """As many servers as commands run at a time."""
    with ExitStack() as stack:
        servers: queue.Queue[Server] = queue.Queue()
        for _ in range(config.jobs or os.cpu_count() or 1):
            servers.put(stack.enter_context(Server()))
        yield servers


def _run_all(
    work: Sequence[Work[T]],
    servers: "queue.Queue[Server]",
    unit: str,
    bad: Callable[[Any], bool],
) -> list[T]:
    """The results of ``work``, done side by side, in its order; the bar counts those that are
    ``bad``."""

    def one(do: Work[T]) -> T:
        server = servers.get()
        try:
            return do(server)
        finally:
            servers.put(server)

    pool = ThreadPoolExecutor(servers.qsize())
    try:
        futures = [pool.submit(one, do) for do in work]
        wrong = 0
        with tqdm(total=len(work), unit=unit, disable=not work) as bar:
            for future in as_completed(futures):
                wrong += bad(future.result())
                bar.set_postfix_str(f"{wrong} not as it should")
                bar.update()
        return [future.result() for future in futures]
    finally:  # after Ctrl-C, too: nothing more is begun
        pool.shutdown(wait=False, cancel_futures=True)


def _run_damaged(
    config: BenchRobustnessConfig,
    servers: "queue.Queue[Server]",
    seeds: Seeds,
    rows: Mapping[int, Row],
    folder: Path,
) -> list[Result]:
    (folder / "inputs").mkdir()

    def one(row: Row, number: int, server: Server) -> Result:
        case = folder / "inputs" / str(number)
        result = run_case(server, seeds, row, number, case, config)
        if result.outcome not in RIGHT and config.output:
            shutil.move(case, config.output / f"{number}_{result.outcome.replace(' ', '_')}")
        shutil.rmtree(case, ignore_errors=True)
        return result

    work = [partial(one, row, number) for number, row in rows.items()]
    return _run_all(work, servers, "input", lambda result: result.outcome not in RIGHT)


def _run_killed(
    config: BenchRobustnessConfig,
    servers: "queue.Queue[Server]",
    seeds: Seeds,
    whole: Reference,
    folder: Path,
) -> list[Kill]:
    (folder / "kills").mkdir()

    def one(number: int, server: Server) -> Kill:
        case = folder / "kills" / str(number)
        kill = kill_and_resume(server, whole, seeds.photos, seeds.painting, case, number, config)
        if kill.resumed != "exactly" and config.output:
            shutil.move(case, config.output / f"kill_{number}_{kill.resumed.replace(' ', '_')}")
        shutil.rmtree(case, ignore_errors=True)
        return kill

    work = [partial(one, number) for number in range(config.kills)]
    return _run_all(work, servers, "kill", lambda kill: kill.resumed != "exactly")


def table(results: Sequence[Result]) -> list[dict[str, Any]]:
    """A row for each command and kind, and one for all: how many ended in which way."""
    by_row: dict[tuple[str, str], Counter[str]] = {}
    for result in results:
        key = (result.row.command, result.row.kind)
        by_row.setdefault(key, Counter())[result.outcome] += 1
    total = sum(by_row.values(), Counter[str]())
    return [
        {"command": command, "kind": kind, "inputs": counts.total()}
        | {name: counts[name] for name in OUTCOMES}
        for (command, kind), counts in [*sorted(by_row.items()), (("all", ""), total)]
    ]


def _kill_figures(kills: Sequence[Kill]) -> dict[str, int]:
    ends = Counter(kill.resumed for kill in kills)
    return {
        "trainings": len(kills),
        "kills": sum(kill.times for kill in kills),
        "inside a write": sum(kill.in_write for kill in kills),
        "resumed exactly": ends.pop("exactly", 0),
        **ends,
    }


def kill_sentence(kills: Sequence[Kill]) -> str:
    """What became of the trainings."""
    figures = _kill_figures(kills)
    others = [f"{n} {name}" for name, n in list(figures.items())[4:]]
    return (
        f"{figures['trainings']} trainings killed {figures['kills']} times,"
        f" {figures['inside a write']} of them inside a write: {figures['resumed exactly']} resumed"
        f" exactly{''.join(f', {other}' for other in others)}"
    )


def _wrong(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.outcome not in RIGHT]


def _described(result: Result) -> dict[str, Any]:
    described = {"command": result.row.command, "kind": result.row.kind, **result._asdict()}
    return {
        name: described[name] for name in described if name not in ("row", "megabytes", "seconds")
    }
