"""Style networks side by side: what each gains and what it pays, on photos it never saw."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.stats import bootstrap
from skimage.metrics import structural_similarity
from torch import Tensor
from tqdm import tqdm

from fststyle.checkpoint import load_transform
from fststyle.config import EvaluateConfig, ObjectiveConfig
from fststyle.evaluation.depth import aligned_errors, aligned_square
from fststyle.evaluation.estimators import DepthEstimator, open_estimator
from fststyle.images import (
    check_writable,
    find_images,
    read_image,
    replacing,
    resize,
    sheet,
    to_uint8,
    write_image,
)
from fststyle.losses import style_loss
from fststyle.networks.transform import TransformNet
from fststyle.objective import StyleObjective, as_tensor, build_objective
from fststyle.runtime.depth import coloured
from fststyle.training.device import find_device
from fststyle.training.run import sha256

SAME_STYLE = 0.05
"""Networks whose style losses differ by more than this do not compare: less style alone gives more
content, truer depth and a higher SSIM."""
SHOWN = 8
"""Photos on the sheet."""
RESAMPLES = 2000
NEAR_TO_FAR = "content near : far"


@dataclass
class Measured:
    """A network, and what was measured of it, photo by photo."""

    name: str
    method: str
    network: TransformNet
    objective: StyleObjective
    painting: str
    lists: dict[str, list[float]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """A value for each photo, by figure."""
        return {name: np.asarray(values) for name, values in self.lists.items()}

    def mean(self, figure: str) -> float:
        """Over the photos."""
        return float(np.mean(self.lists[figure]))


def run(config: EvaluateConfig) -> None:
    """``fststyle evaluate``."""
    if config.sheet:
        check_writable(config.sheet)
    device = find_device(config.device)
    files = find_images(config.photos)
    networks = _load(config, device)
    depths = [open_estimator(config.depth_network, config.vgg_weights, config.device)]
    if config.second_depth:
        depths.append(open_estimator(config.second_depth, config.vgg_weights, config.device))
    shown: list[list[Image.Image]] = []
    broken: list[str] = []
    step = max(1, len(files) // SHOWN)
    used = 0
    for number, file in enumerate(tqdm(files, unit="photo")):
        try:
            photo = read_image(file, at_least=config.size)
        except ValueError as error:
            broken.append(str(error))
            continue
        photo = resize(photo, min(1.0, config.size / min(photo.size)))
        used += 1
        row = measure(networks, photo, depths, device)
        if config.sheet and number % step == 0 and len(shown) < SHOWN:
            shown.append(row)
    if used < 2:
        raise ValueError(
            f"{config.photos}: {used} photo(s) that can be decoded; an interval needs two or more"
            + "".join(f"; {reason}" for reason in broken[:1])
        )
    for reason in broken:
        print(f"passed over: {reason}", file=sys.stderr)
    groups = _by_painting(networks)
    print(f"{used} photos, shorter side {config.size} px; mean [95 % confidence interval]\n")
    for painting, group in groups.items():
        print(f"{painting}\n\n{table(group)}\n\n{comparison(group)}\n")
        warning = style_warning(group)
        if warning:
            print(f"{warning}\n")
    if config.json:
        result = {
            "photos": used,
            "size": config.size,
            "depth_networks": [depth.name for depth in depths],
            "paintings": {name: _figures(group) for name, group in groups.items()},
        }
        with replacing(config.json) as beside:
            beside.write_text(json.dumps(result, indent=2) + "\n")
    if config.sheet:
        titles = ["photo", "depth", *(n.name for n in networks)]
        write_image(sheet(shown, titles=titles), config.sheet)


def _load(config: EvaluateConfig, device: torch.device) -> list[Measured]:
    given = {sha256(path): path for path in config.style}
    objectives: dict[tuple[Path, ...], StyleObjective] = {}
    found: list[Measured] = []
    for path in config.networks:
        network, card = load_transform(path)
        paintings = _paintings(path, card, given)
        if paintings not in objectives:
            plain = ObjectiveConfig(style=paintings, style_size=config.style_size, method="plain")
            objectives[paintings], _ = build_objective(
                plain, config.vgg_weights, None, device, torch.float32
            )
        taken = {measured.name for measured in found}
        found.append(
            Measured(
                str(path) if path.stem in taken else path.stem,
                card.get("settings", {}).get("method", "–"),
                network.to(device),
                objectives[paintings],
                " + ".join(painting.stem for painting in paintings),
            )
        )
    return found


def _paintings(path: Path, card: Mapping[str, Any], given: Mapping[str, Path]) -> tuple[Path, ...]:
    """The paintings that a network was trained on, out of those ``given`` by their hash, or where
    its card says they lay. A network without hashes was trained on all that are given."""
    styles = card["style"]
    if not all("sha256" in style for style in styles):
        if not given:
            raise ValueError(f"{path} does not say what it was trained on: add --style PAINTING")
        return tuple(given.values())
    lay = card.get("settings", {}).get("style", [])
    found = []
    for number, style in enumerate(styles):
        painting = given.get(style["sha256"])
        if painting is None and number < len(lay) and Path(lay[number]).is_file():
            there = Path(lay[number])
            painting = there if sha256(there) == style["sha256"] else None
        if painting is None:
            raise ValueError(
                f"{path} was trained on {style['name']}, which is not at hand as it was then:"
                " add --style with the very file"
            )
        found.append(painting)
    return tuple(found)


@torch.no_grad()
def measure(
    networks: Sequence[Measured],
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
    after a least-squares fit, in which photos count by their relief.

    Returns photo, depth and every network's picture.
    """
    content = as_tensor(photo).to(device)
    before = [depth(photo) for depth in depths]
    row = [photo, coloured(before[0])]
    for measured in networks:
        judge = measured.objective
        output = measured.network(content).clamp(0, 1)
        features = judge.extractor(output, {*judge.content_layers, *judge.style_layers})
        targets = judge.extractor(content, judge.content_layers)
        figures = {
            "style": sum(
                style_loss(features[layer], judge.grams[layer]).item()
                for layer in judge.style_layers
            ),
            **content_by_thirds(features, targets, judge.content_layers, before[0]),
        }
        picture = Image.fromarray(to_uint8(output[0].permute(1, 2, 0).cpu().numpy()))
        for depth, target in zip(depths, before, strict=True):
            found = depth(picture)
            error = aligned_errors(found, target, metric=False)["ssi_mae"]
            figures[f"depth error {depth.name}"] = error
            figures[f"depth loss {depth.name}"] = aligned_square(found, target)
        figures["SSIM"] = structural_similarity(
            *(np.asarray(image) for image in (photo, picture)),
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for name, value in figures.items():
            measured.lists.setdefault(name, []).append(float(value))
        row.append(picture)
    return row


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


def interval(statistic: Callable[..., np.ndarray], *samples: np.ndarray) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of a statistic of paired samples, two or more."""
    found = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return values.mean(axis)


def table(group: Sequence[Measured]) -> str:
    """Means with their intervals, Markdown."""
    names = list(group[0].values)
    lines = [f"| network | method | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for measured in group:
        cells = []
        for name in names:
            low, high = interval(_mean, measured.values[name])
            cells.append(f"{measured.mean(name):.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"| {measured.name} | {measured.method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def changes(measured: Measured, base: Measured) -> dict[str, tuple[float, float, float]]:
    """Relative change of each figure's mean against ``base``'s, and of the ratio of content loss
    near to far, each with its interval over the same photos resampled."""

    def relative(ours: np.ndarray, theirs: np.ndarray, axis: int = -1) -> np.ndarray:
        return ours.mean(axis) / theirs.mean(axis) - 1

    def near_to_far(*ends: np.ndarray, axis: int = -1) -> np.ndarray:
        near, far, base_near, base_far = (values.mean(axis) for values in ends)
        return near / far / (base_near / base_far) - 1

    ours, theirs = measured.values, base.values
    ends = [m[f"content {end}"] for m in (ours, theirs) for end in ("near", "far")]
    found = {}
    for name in ours:
        pair = ours[name], theirs[name]
        found[name] = (float(relative(*pair)), *interval(relative, *pair))
    found[NEAR_TO_FAR] = (float(near_to_far(*ends)), *interval(near_to_far, *ends))
    return found


def comparison(group: Sequence[Measured]) -> str:
    """Changes against the first plain network, or the first, in per cent; Markdown."""
    base = _base(group)
    names = [*group[0].values, NEAR_TO_FAR]
    lines = [
        f"| against {base.name}, % | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for measured in group:
        if measured is not base:
            found = changes(measured, base)
            cells = [
                "{:+.0f} [{:+.0f}, {:+.0f}]".format(*(100 * v for v in found[n])) for n in names
            ]
            lines.append(f"| {measured.name} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def style_warning(group: Sequence[Measured]) -> str:
    """What to say where style losses differ by more than ``SAME_STYLE``; empty otherwise."""
    base = _base(group)
    apart = [
        f"{m.name} {m.mean('style') / base.mean('style') - 1:+.0%}"
        for m in group
        if abs(m.mean("style") / base.mean("style") - 1) > SAME_STYLE
    ]
    if not apart:
        return ""
    return (
        f"Style losses differ by more than {SAME_STYLE:.0%} from {base.name}'s"
        f" ({', '.join(apart)}): the other columns do not compare, since less style alone"
        " improves them."
    )


def _base(group: Sequence[Measured]) -> Measured:
    return next((m for m in group if m.method == "plain"), group[0])


def _by_painting(networks: Sequence[Measured]) -> dict[str, list[Measured]]:
    groups: dict[str, list[Measured]] = {}
    for measured in networks:
        groups.setdefault(measured.painting, []).append(measured)
    return groups


def _figures(group: Sequence[Measured]) -> dict[str, Any]:
    base = _base(group)
    return {
        m.name: {
            "method": m.method,
            "mean": {name: m.mean(name) for name in m.values},
            "interval": {name: interval(_mean, v) for name, v in m.values.items()},
            f"change_against_{base.name}": changes(m, base) if m is not base else None,
        }
        for m in group
    }
