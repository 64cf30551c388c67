"""How well networks tell depth from one picture: the thesis's Table 1, and more."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fststyle.config import DepthEvalConfig, parse_size
from fststyle.data.depth import DepthData, DepthPicture, open_depth
from fststyle.data.depth_crops import Size, cut
from fststyle.data.pairs import differences, sample_pairs
from fststyle.depth_network import at_area, load_depth
from fststyle.files import replacing
from fststyle.images import sheet, to_uint8, write_image
from fststyle.losses import ranking_loss
from fststyle.runtime.depth import training_size
from fststyle.training.device import autocast, find_device, find_precision

Network = Callable[[Tensor], Tensor]

WIDEST = 2.0
"""Wider pictures lose their sides, as KITTI's do in the thesis."""

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


def run(config: DepthEvalConfig) -> None:
    """``fststyle depth eval``."""
    device = find_device(config.device)
    precision = find_precision(config.precision, device)
    networks = dict(BASELINES)
    for source in config.checkpoints:
        network, card = load_depth(source, config.vgg_weights)
        # Each sees pictures at the size it was trained for; all are judged at one size.
        networks[_label(source, networks)] = at_area(network.to(device), training_size(card))
    sets = [open_depth(spec) for spec in config.data]
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in networks}
    broken: dict[str, str] = {}
    rows = []
    for data in sets:
        pictures = list(_readable(data, broken))
        if not pictures:
            raise ValueError(f"none of the {len(data)} pictures of {data.name} can be used")
        for name, network in tqdm(networks.items(), data.name, unit="network"):
            found = evaluate(network, pictures, config, device, precision, metric=data.metric)
            results[name][data.name] = found
        if config.sheet:
            shown = {name: n for name, n in networks.items() if name not in BASELINES}
            rows += _sheet_rows(shown, pictures, parse_size(config.size), device, precision)
    print(markdown(results, {data.name: len(data) for data in sets}, config.distance))
    for reason in broken.values():
        print(f"passed over: {reason}")
    if config.json:
        _write_json(config, sets, results, broken)
    if config.sheet:
        write_image(sheet(rows, height=160, titles=["photo", "depth", *shown]), config.sheet)


def _label(source: str, taken: Mapping[str, Any]) -> str:
    stem = Path(source).stem if source.endswith(".safetensors") else source
    return source if stem in taken else stem


def _readable(data: DepthData, broken: dict[str, str]) -> Iterator[DepthPicture]:
    for item in data.items:
        try:
            yield data.read(item)
        except (ValueError, OSError) as error:
            broken[f"{data.name}: {item}"] = str(error)


@torch.no_grad()
def evaluate(
    network: Network,
    pictures: list[DepthPicture],
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
    rows = []
    for number, picture in enumerate(pictures):
        image, depth = fitted(picture, parse_size(config.size))
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].to(device).float() / 255
        with autocast(device, precision):
            pred = network(tensor)
        pred = pred.float().cpu()
        target = torch.from_numpy(depth)[None, None]
        random = torch.Generator().manual_seed(number)
        figures = {}
        for prefix, distance in (("", None), ("near_", config.distance)):
            pairs = sample_pairs(
                target, config.pairs, random, max_distance=distance, min_gap=config.min_gap
            )
            d = differences(pred, pairs)
            if not pairs.valid.any():
                continue
            right = (d * pairs.order > 0)[pairs.valid].float().mean()
            figures[f"{prefix}accuracy"] = right.item()
            figures[f"{prefix}loss"] = ranking_loss(d, pairs.order, pairs.valid).item()
        figures |= aligned_errors(pred.numpy()[0, 0], depth, metric=metric)
        rows.append(figures)
    means = {}
    for name in FIGURES:
        values = [row[name] for row in rows if name in row]
        if values:  # DIW, say, has no pairs close together
            means[name] = float(np.mean(values))
    return means


def fitted(picture: DepthPicture, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """The whole picture, in its own proportions, at about the area of ``size`` and with sides that
    are multiples of 16; pictures beyond ``WIDEST`` lose their sides. uint8 H×W×3, float32 H×W."""
    width, height = picture.image.size
    kept = min(width, height * WIDEST)
    area = size[0] * size[1]
    scale = (area / (kept * height)) ** 0.5
    shape = tuple(max(32, round(side * scale / 16) * 16) for side in (height, kept))
    left = (width - kept) / 2
    return cut(picture, (left, 0, left + kept, height), (shape[0], shape[1]))


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


def _write_json(
    config: DepthEvalConfig, sets: list[DepthData], results: Mapping[str, Any], broken: Any
) -> None:
    assert config.json is not None
    content = {
        "size": config.size,
        "pairs": config.pairs,
        "min_gap": config.min_gap,
        "distance": config.distance,
        "pictures": {data.name: len(data) for data in sets},
        "passed_over": broken,
        "results": results,
    }
    with replacing(config.json) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n")


@torch.no_grad()
def _sheet_rows(
    networks: Mapping[str, Network],
    pictures: list[DepthPicture],
    size: Size,
    device: torch.device,
    precision: str,
) -> list[list[Image.Image]]:
    """Up to 8 pictures: photo, true depth, every network's depth."""
    rows = []
    for picture in pictures[:: max(1, len(pictures) // 8)][:8]:
        image, depth = fitted(picture, size)
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].to(device).float() / 255
        row = [Image.fromarray(image), shaded(depth)]
        for network in networks.values():
            with autocast(device, precision):
                row.append(shaded(network(tensor).float().cpu().numpy()[0, 0]))
        rows.append(row)
    return rows


def shaded(depth: np.ndarray) -> Image.Image:
    """A picture of a depth map for people: near is bright, unknown is black."""
    known = np.isfinite(depth)
    low, high = np.percentile(depth[known], (1, 99))
    near = 1 - (np.nan_to_num(depth) - low) / max(high - low, 1e-12)
    return Image.fromarray(to_uint8(np.repeat((near.clip(0, 1) * known)[..., None], 3, 2)))
