"""How well networks tell depth from one picture: the thesis's Table 1, and more."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from fststyle.checkpoints import DEPTH, load
from fststyle.config import DepthEvalConfig, check, parse_size
from fststyle.config.calls import from_settings
from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import DepthData
from fststyle.data.photos import evenly_spread
from fststyle.depth.estimator import training_size
from fststyle.depth.maps import shaded
from fststyle.evaluation.depth_metrics import (
    BASELINES,
    FIGURES,
    DepthModel,
    Table,
    fitted,
    measure_picture,
)
from fststyle.images.grid import sheet
from fststyle.images.io import check_writable, write_image
from fststyle.losses.depth import at_area
from fststyle.utils.device import find_device, find_precision
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct, write_json
from fststyle.utils.files import check_free_options
from fststyle.utils.signals import Stop, watch_signals

SHOWN = 8
"""Pictures of each set on the sheet."""


@from_settings(DepthEvalConfig)
def evaluate(config: DepthEvalConfig) -> int:
    """``fststyle depth eval``; returns 0, 1 where something was not measured, 130 when stopped.

    Pictures are read, measured by every network and forgotten, one by one. Raises ValueError or
    FileNotFoundError with the reason where nothing can be measured.
    """
    if config.sheet:
        check_writable(config.sheet)
    check_free_options(config, "json", "sheet")
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    failures = Failures()
    sets = open_all(config.data, open_depth, failures)
    names = [data.name for data in sets]
    check(len(set(names)) == len(names), f"two sets bear one name: {', '.join(names)}")
    networks = {name: DepthModel(network) for name, network in BASELINES.items()}
    opened = open_all(config.checkpoints, partial(_open, config, device), failures)
    for source, model in opened:
        networks[distinct(_short(source), source, networks)] = model
    tables = {data.name: Table() for data in sets}
    rows: list[list[Image.Image]] = []
    with watch_signals() as stop:
        for data in sets:
            measure(
                data, networks, config, device, precision, tables[data.name], rows, failures, stop
            )
    measured = {name: table for name, table in tables.items() if table.pictures}
    if measured:
        _report(config, measured, list(networks), failures)
    if measured and config.sheet:
        titles = ["photo", "depth", *(name for name in networks if name not in BASELINES)]
        write_image(sheet(rows, height=160, titles=titles), config.sheet)
    status = failures.report()
    if stop.requested:
        print("stopped: the figures are those of the pictures so far", file=sys.stderr)
        return 130
    check(bool(measured), "no picture could be measured")
    return status


def _report(
    config: DepthEvalConfig,
    tables: Mapping[str, "Table"],
    networks: Sequence[str],
    failures: Failures,
) -> None:
    """The figures on the console, and as JSON where it is asked for."""
    results = {
        network: {data: table.means(network) for data, table in tables.items()}
        for network in networks
    }
    counts = {data: table.pictures for data, table in tables.items()}
    print(markdown(results, counts, config.distance))
    if config.json:
        content = {
            "size": config.size,
            "pairs": config.pairs,
            "min_gap": config.min_gap,
            "distance": config.distance,
            "pictures": counts,
            "passed_over": failures.reasons,
            "results": results,
        }
        write_json(config.json, content)


def _open(config: DepthEvalConfig, device: torch.device, source: str) -> tuple[str, DepthModel]:
    model = load(source, DEPTH, vgg_weights=config.vgg_weights)
    network = model.network.to(device)
    # Each sees pictures at the size it was trained for; all are compared at one size.
    return source, DepthModel(at_area(network, training_size(model.card)), model.card)


def _short(source: str) -> str:
    return Path(source).stem if source.endswith(".safetensors") else source


def measure(
    data: DepthData,
    networks: Mapping[str, DepthModel],
    config: DepthEvalConfig,
    device: torch.device,
    precision: str,
    table: Table,
    rows: list[list[Image.Image]],
    failures: Failures,
    stop: Stop,
) -> None:
    """Measure the pictures of a set, into ``table``; those of the sheet go to ``rows``."""
    to_show = set(evenly_spread(data.items, SHOWN)[:SHOWN]) if config.sheet else set()
    for item in tqdm(data.items, data.name, unit="picture"):
        if stop.requested:
            return
        with failures.noting(f"{data.name}: {item}"):
            picture = data.read(item)
            figures, predicted = measure_picture(
                networks, picture, table.pictures, config, device, precision, metric=data.metric
            )
            # All or nothing, so that every network is measured on the same pictures.
            for name, values in figures.items():
                table.rows.setdefault(name, []).append(values)
            if item in to_show:
                image, depth = fitted(picture, parse_size(config.size))
                maps = [shaded(d) for name, d in predicted.items() if name not in BASELINES]
                rows.append([Image.fromarray(image), shaded(depth), *maps])
            table.pictures += 1


def markdown(
    results: Mapping[str, Mapping[str, Mapping[str, float]]],
    counts: Mapping[str, int],
    distance: int,
) -> str:
    """The figures as one Markdown table, a row for each set and network."""
    lines = [
        f"| data (pictures) | network | accuracy | loss | accuracy ≤ {distance} px"
        f" | loss ≤ {distance} px | accuracy at outlines | SSI error | AbsRel | δ < 1.25 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for data, count in counts.items():
        for network, figures in results.items():
            cells = [f"{figures[data][f]:.3f}" if f in figures[data] else "–" for f in FIGURES]
            lines.append(f"| {data} ({count}) | {network} | {' | '.join(cells)} |")
    return "\n".join(lines)
