"""Figures of one photo: its style, its content near and far, its depth, its structure."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor

from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.maps import colorize
from fststyle.evaluation.depth_metrics import aligned_errors, aligned_square
from fststyle.evaluation.model_result import ModelResult, style_of
from fststyle.evaluation.relative import measure_controls, relative_errors
from fststyle.images.io import to_uint8
from fststyle.losses.perceptual import StyleObjective
from fststyle.utils.tensors import as_tensor


@torch.no_grad()
def measure_photo(
    networks: Sequence[ModelResult],
    controls: Sequence[ModelResult],
    place: Path,
    photo: Image.Image,
    depths: Sequence[DepthEstimator],
    device: torch.device,
) -> list[Image.Image]:
    """Add one photo's figures to every network's.

    "style"; "content", and of the nearest, the middle and the farthest third of the pixels
    "content near", "content middle" and "content far"; "SSIM" (Wang et al. 2004); for each depth
    network, between the depths of content and output and scale- and shift-invariant (Ranftl et al.
    2020), "depth error NAME": the mean absolute difference of maps brought to one median and mean
    deviation, in which every photo counts alike; "depth loss NAME": the mean square difference
    after a least-squares fit, in which photos count by their relief. Beside these the
    ``relative_errors`` of networks and ``controls``.

    Returns photo, depth and every network's picture.
    """
    content = as_tensor(photo).to(device)

    @cache
    def content_maps(objective: StyleObjective) -> Mapping[str, Tensor]:
        return objective.maps(content)

    before = [depth(photo) for depth in depths]
    row = [photo, colorize(before[0])]
    figures: list[dict[str, float]] = []
    relative: list[dict[str, float]] = []
    seconds: list[float] = []
    for result in networks:
        started = time.perf_counter()
        output = _as_output(result.output(place, photo, None), content)
        output[0, 0, 0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - started)
        pixels = output[0].permute(1, 2, 0).cpu().numpy()
        picture = Image.fromarray(to_uint8(np.nan_to_num(pixels)))
        features, targets = result.objective.maps(output), content_maps(result.objective)
        values = _compare(result.objective, features, targets, picture, photo, depths, before)
        errors = relative_errors(result.objective, features, targets)
        if not np.isfinite(pixels).all():
            values, errors = dict.fromkeys(values, np.nan), dict.fromkeys(errors, np.nan)
        figures.append(values)
        relative.append(errors)
        row.append(picture)
    # Only now, when nothing can fail any more: the networks' figures are of the same photos.
    measure_controls(controls, place, photo, content_maps, device)
    for result, values, errors, taken in zip(networks, figures, relative, seconds, strict=True):
        result.seconds.append(taken)
        result.add_relative(errors)
        for name, value in values.items():
            result.lists.setdefault(name, []).append(float(value))
    return row


def _compare(
    objective: StyleObjective,
    features: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    picture: Image.Image,
    photo: Image.Image,
    depths: Sequence[DepthEstimator],
    before: Sequence[np.ndarray],
) -> dict[str, float]:
    """The figures of an output, which ``picture`` shows, beside the photo and its depths; of both
    the feature maps, ``objective.maps``'s."""
    values = {
        "style": style_of(objective, features),
        **content_by_thirds(features, targets, objective.content_layers, before[0]),
    }
    for depth, target in zip(depths, before, strict=True):
        estimated = depth(picture)
        error = aligned_errors(estimated, target, metric=False)["ssi_mae"]
        values[f"depth error {depth.name}"] = error
        values[f"depth loss {depth.name}"] = aligned_square(estimated, target)
    values["SSIM"] = structural_similarity(
        *(np.asarray(image) for image in (photo, picture)),
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return values


def _as_output(picture: Image.Image | Tensor, content: Tensor) -> Tensor:
    """1×3×H×W in [0,1] of the content's size."""
    if isinstance(picture, Tensor):
        return picture
    if picture.size != (content.shape[-1], content.shape[-2]):
        picture = picture.resize((content.shape[-1], content.shape[-2]), Image.Resampling.LANCZOS)
    return as_tensor(picture).to(content)


def content_by_thirds(
    output: Mapping[str, Tensor],
    content: Mapping[str, Tensor],
    layers: Sequence[str],
    depth: np.ndarray,
) -> dict[str, float]:
    """The content loss of 1×C×H×W feature maps, over all and over the nearest, middle and farthest
    third of their pixels by ``depth`` (larger = farther), which is averaged to the maps' size.
    Layers are summed."""
    sums = dict.fromkeys(("content", "content near", "content middle", "content far"), 0.0)
    for layer in layers:
        error = (output[layer] - content[layer]).square().mean(1).flatten()
        rows, columns = output[layer].shape[-2:]
        whole = torch.from_numpy(np.array(depth))[None, None]
        small = F.adaptive_avg_pool2d(whole, (rows, columns)).flatten()
        near, middle, far = small.argsort(stable=True).to(error.device).tensor_split(3)
        sums["content"] += error.mean().item()
        for name, third in (("near", near), ("middle", middle), ("far", far)):
            sums[f"content {name}"] += error[third].mean().item()
    return sums
