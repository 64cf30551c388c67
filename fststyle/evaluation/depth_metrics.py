"""Figures of depth networks: pairs in order, errors after scale and shift."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fststyle.config import DepthEvalConfig, parse_size
from fststyle.data.depth.crops import Size, cut, cut_image
from fststyle.data.depth.maps import DepthPicture
from fststyle.data.depth.pairs import differences, sample_pairs
from fststyle.depth.estimator import seen_size
from fststyle.images.geometry import Box, size_of_area
from fststyle.losses.functional import ranking_loss
from fststyle.utils.device import autocast
from fststyle.utils.tensors import as_tensor

Network = Callable[[Tensor], Tensor]

WIDEST = 2.0
"""Wider pictures lose their sides, as KITTI's do in the thesis."""

FIGURES = (
    *("accuracy", "loss", "near_accuracy", "near_loss", "edge_accuracy"),
    *("ssi_mae", "abs_rel", "delta1"),
)
"""What is measured: share of pairs in the right order and ranking loss, of pairs anywhere in the
picture and of pairs close together; share in the right order of pairs across an outline; errors
after the best scale and shift."""

EDGE_DISTANCE, EDGE_GAP = 6, 0.1
"""Pairs at most so many pixels apart whose depths differ by so much of the range have an outline
between them."""


def constant(image: Tensor) -> Tensor:
    """The map that knows nothing: N×3×H×W to N×1×H×W, everywhere 0."""
    return image.new_zeros(image[:, :1].shape)


def vertical_gradient(image: Tensor) -> Tensor:
    """The map that knows no picture, only that higher is farther; standard deviation 1."""
    height = image.shape[-2]
    rows = torch.linspace(3**0.5, -(3**0.5), height, device=image.device)
    return rows.view(1, 1, -1, 1).expand(len(image), 1, height, image.shape[-1])


BASELINES: dict[str, Network] = {"constant": constant, "vertical gradient": vertical_gradient}


class DepthModel(NamedTuple):
    """A depth network, and what its card says of the size at which it is to see pictures."""

    network: Network
    card: Mapping[str, Any] = {}

    def __call__(self, picture: DepthPicture, small: np.ndarray, device: torch.device) -> Tensor:
        """1×1×H×W depth of a picture that is ``small``, uint8 H×W×3, where it is compared."""
        image = small
        if (
            "shorter_side" in self.card
        ):  # the network has a size of its own, from the picture itself
            left, top, right, bottom = kept_box(picture)
            size = seen_size(self.card, right - left, bottom - top)
            image = cut_image(picture, (left, top, right, bottom), size[::-1])
        pred = self.network(as_tensor(image).to(device)).float().cpu()
        return F.interpolate(pred, small.shape[:2], mode="bilinear")


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
            {"": DepthModel(network)}, picture, number, config, device, precision, metric=metric
        )
        table.rows.setdefault("", []).append(figures[""])
    return table.means("")


@torch.no_grad()
def measure_picture(
    networks: Mapping[str, DepthModel],
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
        prefix: sample_pairs(target, count, random, max_distance=distance, min_gap=gap)
        for prefix, count, distance, gap in (
            ("", config.pairs, None, config.min_gap),
            ("near_", config.pairs, config.distance, config.min_gap),
            # Few of those that are close together have an outline between them.
            ("edge_", 10 * config.pairs, EDGE_DISTANCE, EDGE_GAP),
        )
    }
    figures: dict[str, dict[str, float]] = {}
    predicted: dict[str, np.ndarray] = {}
    for name, model in networks.items():
        with autocast(device, precision):
            pred = model(picture, image, device)
        values: dict[str, float] = {}
        for prefix, sampled in pairs.items():
            if sampled.valid.any():
                d = differences(pred, sampled)
                right = (d * sampled.order > 0)[sampled.valid].float().mean()
                values[f"{prefix}accuracy"] = right.item()
                values[f"{prefix}loss"] = ranking_loss(d, sampled.order, sampled.valid).item()
        predicted[name] = pred.numpy()[0, 0]
        if pred.isfinite().all():
            values |= aligned_errors(predicted[name], depth, metric=metric)
        else:
            aligned = ("ssi_mae", "abs_rel", "delta1") if metric else ("ssi_mae",)
            values = dict.fromkeys((*values, *aligned), math.nan)
        figures[name] = values
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
    side = (size[0] * size[1]) ** 0.5
    return cut(picture, box, size_of_area((bottom - top, right - left), side, enlarge=True))


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
