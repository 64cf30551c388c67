"""How well networks tell depth from one picture: the thesis's Table 1, and more."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fststyle.checkpoints.depth import at_area, load_depth
from fststyle.config import DepthEvalConfig, check, parse_size
from fststyle.data.depth.crops import Size, cut, cut_image
from fststyle.data.depth.datasets import DepthData, DepthPicture, open_depth
from fststyle.data.depth.pairs import differences, sample_pairs
from fststyle.depth.predict import seen_size, training_size
from fststyle.images.io import Box, check_writable, sheet, to_uint8, write_image
from fststyle.losses.functional import ranking_loss
from fststyle.utils.device import autocast, find_device, find_precision
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import check_free_options, distinct, write_json
from fststyle.utils.signals import Stop, watch_signals

Network = Callable[[Tensor], Tensor]

WIDEST = 2.0
"""Wider pictures lose their sides, as KITTI's do in the thesis."""

SHOWN = 8
"""Pictures of each set on the sheet."""

FIGURES = ("accuracy", "loss", "near_accuracy", "near_loss", "ssi_mae", "abs_rel", "delta1")
"""What is measured: share of pairs in the right order and ranking loss, of pairs anywhere in the
picture and of pairs close together; errors after the best scale and shift."""


def constant(image: Tensor) -> Tensor:
    """The map that knows nothing: N×3×H×W to N×1×H×W, everywhere 0."""
    return image.new_zeros(image[:, :1].shape)


def vertical_gradient(image: Tensor) -> Tensor:
    """The map that knows no picture, only that higher is farther; standard deviation 1."""
    height = image.shape[-2]
    rows = torch.linspace(3**0.5, -(3**0.5), height, device=image.device)
    return rows.view(1, 1, -1, 1).expand(len(image), 1, height, image.shape[-1])


BASELINES: dict[str, Network] = {"constant": constant, "vertical gradient": vertical_gradient}


class Judged(NamedTuple):
    """A depth network, and what its card says of the size at which it is to see pictures."""

    network: Network
    card: Mapping[str, Any] = {}

    def __call__(self, picture: DepthPicture, small: np.ndarray, device: torch.device) -> Tensor:
        """1×1×H×W depth of a picture that is ``small``, uint8 H×W×3, where all are judged."""
        image = small
        if (
            "shorter_side" in self.card
        ):  # the network has a size of its own, from the picture itself
            left, top, right, bottom = kept_box(picture)
            size = seen_size(self.card, right - left, bottom - top)
            image = cut_image(picture, (left, top, right, bottom), size[::-1])
        pred = self.network(_tensor(image).to(device)).float().cpu()
        return F.interpolate(pred, small.shape[:2], mode="bilinear")


def run(config: DepthEvalConfig) -> int:
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
    networks = {name: Judged(network) for name, network in BASELINES.items()}
    opened = open_all(config.checkpoints, partial(_open, config, device), failures)
    for source, judged in opened:
        networks[distinct(_short(source), source, networks)] = judged
    tables = {data.name: Table() for data in sets}
    rows: list[list[Image.Image]] = []
    with watch_signals() as stop:
        for data in sets:
            measure(
                data, networks, config, device, precision, tables[data.name], rows, failures, stop
            )
    measured = {name: table for name, table in tables.items() if table.pictures}
    if measured:
        _tell(config, measured, list(networks), failures)
    if measured and config.sheet:
        titles = ["photo", "depth", *(name for name in networks if name not in BASELINES)]
        write_image(sheet(rows, height=160, titles=titles), config.sheet)
    status = failures.report()
    if stop.requested:
        print("stopped: the figures are those of the pictures so far", file=sys.stderr)
        return 130
    check(bool(measured), "no picture could be measured")
    return status


def _tell(
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


def _open(config: DepthEvalConfig, device: torch.device, source: str) -> tuple[str, Judged]:
    network, card = load_depth(source, config.vgg_weights)
    # Each sees pictures at the size it was trained for; all are judged at one size.
    return source, Judged(at_area(network.to(device), training_size(card)), card)


def _short(source: str) -> str:
    return Path(source).stem if source.endswith(".safetensors") else source


class Table:
    """Figures of the pictures of a set that were measured, by network."""

    def __init__(self) -> None:
        self.pictures = 0
        self.rows: dict[str, list[dict[str, float]]] = {}

    def means(self, network: str) -> dict[str, float]:
        """Of each of ``FIGURES`` over the pictures that have it: DIW, say, has no pairs close
        together."""
        rows = self.rows[network]
        columns = {name: [row[name] for row in rows if name in row] for name in FIGURES}
        return {name: float(np.mean(values)) for name, values in columns.items() if values}


def measure(
    data: DepthData,
    networks: Mapping[str, Judged],
    config: DepthEvalConfig,
    device: torch.device,
    precision: str,
    table: Table,
    rows: list[list[Image.Image]],
    failures: Failures,
    stop: Stop,
) -> None:
    """Measure the pictures of a set, into ``table``; those of the sheet go to ``rows``."""
    every = max(1, len(data) // SHOWN)
    shown = 0
    for item in tqdm(data.items, data.name, unit="picture"):
        if stop.requested:
            return
        with failures.noting(f"{data.name}: {item}"):
            picture = data.read(item)
            figures, predicted = measure_picture(
                networks, picture, table.pictures, config, device, precision, metric=data.metric
            )
            # All or nothing, so that every network is measured on the same pictures.
            for name, found in figures.items():
                table.rows.setdefault(name, []).append(found)
            if config.sheet and table.pictures % every == 0 and shown < SHOWN:
                image, depth = fitted(picture, parse_size(config.size))
                maps = [shaded(d) for name, d in predicted.items() if name not in BASELINES]
                rows.append([Image.fromarray(image), shaded(depth), *maps])
                shown += 1
            table.pictures += 1


def evaluate(
    network: Network,
    pictures: Sequence[DepthPicture],
    config: DepthEvalConfig,
    device: torch.device,
    precision: str,
    *,
    metric: bool,
) -> dict[str, float]:
    """Means of ``FIGURES`` over pictures; the same random pairs for every network.

    ``metric``: whether depths are proportional to distances; only then are there ``abs_rel`` and
    ``delta1``.
    """
    table = Table()
    for number, picture in enumerate(pictures):
        figures, _ = measure_picture(
            {"": Judged(network)}, picture, number, config, device, precision, metric=metric
        )
        table.rows.setdefault("", []).append(figures[""])
    return table.means("")


@torch.no_grad()
def measure_picture(
    networks: Mapping[str, Judged],
    picture: DepthPicture,
    number: int,
    config: DepthEvalConfig,
    device: torch.device,
    precision: str,
    *,
    metric: bool,
) -> tuple[dict[str, dict[str, float]], dict[str, np.ndarray]]:
    """(those of ``FIGURES`` that the picture allows, depth H×W), by network.

    ``number`` chooses the random pairs. A network whose depth is not finite has NaN for figures.
    """
    image, depth = fitted(picture, parse_size(config.size))
    target = torch.from_numpy(depth)[None, None]
    random = torch.Generator().manual_seed(number)
    pairs = {
        prefix: sample_pairs(
            target, config.pairs, random, max_distance=distance, min_gap=config.min_gap
        )
        for prefix, distance in (("", None), ("near_", config.distance))
    }
    figures: dict[str, dict[str, float]] = {}
    predicted: dict[str, np.ndarray] = {}
    for name, judged in networks.items():
        with autocast(device, precision):
            pred = judged(picture, image, device)
        found: dict[str, float] = {}
        for prefix, some in pairs.items():
            if some.valid.any():
                d = differences(pred, some)
                right = (d * some.order > 0)[some.valid].float().mean()
                found[f"{prefix}accuracy"] = right.item()
                found[f"{prefix}loss"] = ranking_loss(d, some.order, some.valid).item()
        predicted[name] = pred.numpy()[0, 0]
        if pred.isfinite().all():
            found |= aligned_errors(predicted[name], depth, metric=metric)
        else:
            found = dict.fromkeys(found, math.nan) | {"ssi_mae": math.nan}
        figures[name] = found
    return figures, predicted


def kept_box(picture: DepthPicture) -> Box:
    """The whole picture; pictures beyond ``WIDEST`` lose their sides."""
    width, height = picture.image.size
    kept = min(width, height * WIDEST)
    left = (width - kept) / 2
    return left, 0, left + kept, height


def fitted(picture: DepthPicture, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """The whole picture, in its own proportions, at about the area of ``size`` and with sides that
    are multiples of 16; pictures beyond ``WIDEST`` lose their sides. uint8 H×W×3, float32 H×W."""
    left, top, right, bottom = box = kept_box(picture)
    across, down = right - left, bottom - top
    scale = (size[0] * size[1] / (across * down)) ** 0.5
    shape = tuple(max(32, round(side * scale / 16) * 16) for side in (down, across))
    return cut(picture, box, (shape[0], shape[1]))


def aligned_errors(pred: np.ndarray, depth: np.ndarray, *, metric: bool) -> dict[str, float]:
    """Errors that leave scale and shift out, over the known pixels of two H×W maps.

    ``ssi_mae``: mean absolute difference after each map's median became 0 and its mean absolute
    deviation 1 (Ranftl et al. 2020, eq. 4). With ``metric`` also ``abs_rel``, mean |d̂ − d| / d, and
    ``delta1``, share of pixels with max(d̂/d, d/d̂) < 1.25, d̂ being the least-squares affine map
    of the prediction to depth.
    """
    known = np.isfinite(depth)
    p, d = pred[known].astype(np.float64), depth[known].astype(np.float64)
    errors = {"ssi_mae": float(np.abs(_standard(p) - _standard(d)).mean())}
    if metric and d.min() >= 0 and d.max() > 0:
        p, d = p[d > 0], d[d > 0]
        design = np.stack([p, np.ones_like(p)], 1)
        fitted_depth = design @ np.linalg.lstsq(design, d, rcond=None)[0]
        low = fitted_depth.clip(min=1e-3 * d.max())
        errors["abs_rel"] = float((np.abs(fitted_depth - d) / d).mean())
        errors["delta1"] = float((np.maximum(low / d, d / low) < 1.25).mean())
    return errors


def aligned_square(pred: np.ndarray, target: np.ndarray) -> float:
    """Mean square difference of two H×W maps after the least-squares scale and shift of ``pred``
    (Ranftl et al. 2020, eqs. 1 to 3): the depth loss, scale- and shift-invariant, in the square of
    the target's unit."""
    p, t = pred.astype(np.float64).ravel(), target.astype(np.float64).ravel()
    p, t = p - p.mean(), t - t.mean()
    scale = (p @ t) / max(p @ p, 1e-12)
    return float(np.square(scale * p - t).mean())


def _standard(values: np.ndarray) -> np.ndarray:
    centred = values - np.median(values)
    return centred / max(np.abs(centred).mean(), 1e-12)


def markdown(
    results: Mapping[str, Mapping[str, Mapping[str, float]]],
    counts: Mapping[str, int],
    distance: int,
) -> str:
    """The figures as one Markdown table, a row for each set and network."""
    lines = [
        f"| data (pictures) | network | accuracy | loss | accuracy ≤ {distance} px"
        f" | loss ≤ {distance} px | SSI error | AbsRel | δ < 1.25 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for data, count in counts.items():
        for network, figures in results.items():
            cells = [f"{figures[data][f]:.3f}" if f in figures[data] else "–" for f in FIGURES]
            lines.append(f"| {data} ({count}) | {network} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _tensor(image: np.ndarray) -> Tensor:
    """uint8 H×W×3 to 1×3×H×W in [0,1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def shaded(depth: np.ndarray) -> Image.Image:
    """A picture of a depth map for people: near is bright, unknown is black."""
    known = np.isfinite(depth)
    if not known.any():
        return Image.new("RGB", depth.shape[::-1])
    low, high = np.percentile(depth[known], (1, 99))
    near = 1 - (np.nan_to_num(depth) - low) / max(high - low, 1e-12)
    return Image.fromarray(to_uint8(np.repeat((near.clip(0, 1) * known)[..., None], 3, 2)))
