"""Style networks, and pictures optimized one by one, side by side: what each gains and what it
pays, on photos no network saw."""

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from skimage.metrics import structural_similarity
from torch import Tensor
from tqdm import tqdm

from fststyle.checkpoints import STYLE
from fststyle.checkpoints import load as load_network
from fststyle.checkpoints.style import training_settings
from fststyle.config import EvaluateConfig, ObjectiveConfig
from fststyle.config.calls import from_settings
from fststyle.depth.estimator import DepthEstimator, open_estimator
from fststyle.depth.maps import colorize
from fststyle.evaluation.depth_metrics import aligned_errors, aligned_square
from fststyle.evaluation.equivalent_steps import equivalent_steps
from fststyle.evaluation.model_result import ModelResult, Output, style_of
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.evaluation.report import by_painting, comparison, figures, style_warning, table
from fststyle.evaluation.temporal import check_clips, measure_videos, video_table
from fststyle.images.find import find_images
from fststyle.images.geometry import fit_within, resize
from fststyle.images.grid import sheet
from fststyle.images.io import check_writable, read_image, to_uint8, write_image
from fststyle.losses.build import build_objective
from fststyle.losses.perceptual import MARGIN, StyleObjective
from fststyle.networks.transform import TransformNet
from fststyle.utils.device import find_device
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct, write_json
from fststyle.utils.files import check_free_options, sha256
from fststyle.utils.signals import Stop, watch_signals
from fststyle.utils.tensors import as_tensor

SHOWN = 8
"""Photos on the sheet."""
SHORTER = 256
"""Pixels to which photos' shorter sides are reduced by default."""


@from_settings(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> int:
    """``fststyle evaluate``; returns 0, 1 where something was not measured, 130 when stopped.

    Raises ValueError or FileNotFoundError with the reason where nothing can be measured.
    """
    if config.sheet:
        check_writable(config.sheet)
    check_free_options(config, "json", "sheet")
    device = find_device(config.device)
    files = find_images(config.photos) if config.photos else []
    failures = Failures()
    clips = check_clips(config.videos, config.networks, failures)
    result: dict[str, Any] = {}
    with watch_signals() as stop:
        networks = _load(config, files, device, failures)
        if config.photos:
            with failures.noting(config.photos):
                result |= _on_photos(config, networks, files, device, failures, stop)
            if result and config.json:  # whatever becomes of the videos
                write_json(config.json, result)
        if clips and not stop.requested:
            result |= _on_videos(config, networks, clips, failures, stop)
    status = failures.report()
    if result and config.json:
        write_json(config.json, {**result, "passed_over": failures.reasons})
    if stop.requested:
        print("stopped: the figures are those of what was measured so far", file=sys.stderr)
        return 130
    return status if result else 2


def _on_videos(
    config: EvaluateConfig,
    networks: Sequence[ModelResult],
    clips: Sequence[Path],
    failures: Failures,
    stop: Stop,
) -> dict[str, Any]:
    """Measure on videos and print the table; returns what goes into the JSON."""
    size = config.size or SHORTER
    videos = measure_videos(networks, clips, size, config.frames, failures, stop)
    if not videos:
        return {}
    print(f"{len(videos)} video(s), shorter side {size} px; pixels that can be followed\n")
    print(f"{video_table(networks, videos)}\n")
    named = {name: clip._asdict() for name, clip in videos.items()}
    return {"videos": {"shorter_side": size, "clips": named}}


def _on_photos(
    config: EvaluateConfig,
    networks: Sequence[ModelResult],
    files: Sequence[Path],
    device: torch.device,
    failures: Failures,
    stop: Stop,
) -> dict[str, Any]:
    """Measure on photos, print the tables and draw the sheet; returns what goes into the JSON.

    Raises ValueError where fewer than two photos can be measured.
    """
    assert config.photos
    depths = _open_depths(config)
    shown: list[list[Image.Image]] = []
    step = max(1, len(files) // SHOWN)
    used: list[Path] = []
    for number, file in enumerate(tqdm(files, unit="photo")):
        if stop.requested:
            break
        place = file.relative_to(config.photos)
        with failures.noting(file):
            photo = _reduced(file, _size(networks, place, config), config.size or SHORTER)
            row = measure(networks, place, photo, depths, device)
            used.append(place)
            if config.sheet and number % step == 0 and len(shown) < SHOWN:
                shown.append(row)
    if len(used) < 2:
        raise ValueError(f"{len(used)} photo(s) measured; an interval needs two or more")
    for measured in networks:
        if not np.isfinite(measured.mean("style")):
            failures.add(measured.name, "pictures that are not finite, so its figures are none")
    groups = by_painting(networks)
    size = f"shorter side {config.size or SHORTER} px"
    if _pictures(networks) and not config.size:
        size = "at the pictures' size"
    print(f"{len(used)} photos, {size}; mean [95 % confidence interval]\n")
    for painting, group in groups.items():
        print(f"{painting}\n\n{table(group)}\n\n{comparison(group)}\n")
        warning = style_warning(group)
        if warning:
            print(f"{warning}\n")
        for equal in equivalent_steps(group, used):
            print(f"{equal.sentence()}\n")
    if config.sheet:
        titles = ["photo", "depth", *(n.name for n in networks)]
        with failures.noting(config.sheet):
            write_image(sheet(shown, titles=titles), config.sheet)
    return {
        "photos": len(used),
        "size": size,
        "depth_networks": [depth.name for depth in depths],
        "paintings": {name: figures(group) for name, group in groups.items()},
        "as_steps": [
            e._asdict() for group in groups.values() for e in equivalent_steps(group, used)
        ],
    }


def _open_depths(config: EvaluateConfig) -> list[DepthEstimator]:
    """The depth networks that judge, each of a name of its own."""
    depths = [open_estimator(config.depth_network, config.vgg_weights, config.device)]
    if config.second_depth:
        second = open_estimator(config.second_depth, config.vgg_weights, config.device)
        name = distinct(second.name, config.second_depth, [depths[0].name])
        depths.append(second._replace(name=name))
    return depths


def _load(
    config: EvaluateConfig, files: Sequence[Path], device: torch.device, failures: Failures
) -> list[ModelResult]:
    given = {sha256(path): path for path in config.style}
    places = [file.relative_to(config.photos) for file in files if config.photos]
    objectives: dict[tuple[Path, ...], StyleObjective] = {}

    def load(path: Path) -> ModelResult:
        folder = PictureFolder(path, places) if path.is_dir() else None
        if folder:
            output, card = _finished(folder), folder.card
        else:
            model = load_network(path, STYLE)
            output, card = _through(model.network.to(device), device), model.card
        paintings = _paintings(path, card, given)
        if paintings not in objectives:
            plain = ObjectiveConfig(
                style=paintings,
                style_size=config.style_size,
                method="plain",
                loss_network=config.loss_network,
            )
            objectives[paintings], _ = build_objective(
                plain, config.vgg_weights, None, device, torch.float32, MARGIN
            )
        return ModelResult(
            path.stem,
            card.get("settings", {}).get("method", "–"),
            output,
            objectives[paintings],
            " + ".join(painting.stem for painting in paintings),
            folder,
        )

    found = open_all(config.networks, lambda path: (path, load(path)), failures)
    names: list[str] = []
    for path, measured in found:
        measured.name = distinct(measured.name, str(path), names)
        names.append(measured.name)
    return [measured for _, measured in found]


def _through(network: TransformNet, device: torch.device) -> Output:
    @torch.inference_mode()
    def output(_: Path, photo: Image.Image) -> Tensor:
        return network(as_tensor(photo).to(device)).clamp(0, 1)

    return output


def _finished(folder: PictureFolder) -> Output:
    return lambda place, _: folder.picture(place)


def _pictures(networks: Sequence[ModelResult]) -> list[PictureFolder]:
    return [measured.folder for measured in networks if measured.folder]


def _size(networks: Sequence[ModelResult], place: Path, config: EvaluateConfig) -> int | None:
    """Longer side of the pictures of a photo where they say it; else None."""
    folders = _pictures(networks)
    return max(folders[0].picture(place).size) if folders and not config.size else None


def _reduced(file: Path, longer: int | None, shorter: int) -> Image.Image:
    if longer is not None:
        return fit_within(read_image(file, srgb=True), longer)
    photo = read_image(file, at_least=shorter, srgb=True)
    return resize(photo, min(1.0, shorter / min(photo.size)))


def _paintings(path: Path, card: Mapping[str, Any], given: Mapping[str, Path]) -> tuple[Path, ...]:
    """The paintings that a network was trained on, out of those ``given`` by their hash, or where
    its card says they lay. A network without hashes was trained on all that are given."""
    styles = card["style"]
    if not all("sha256" in style for style in styles):
        if not given:
            raise ValueError(f"{path} does not say what it was trained on: add --style PAINTING")
        return tuple(given.values())
    lay = training_settings(path, card).get("style", [])
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
    networks: Sequence[ModelResult],
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
    after a least-squares fit, in which photos count by their relief.

    Returns photo, depth and every network's picture.
    """
    content = as_tensor(photo).to(device)
    before = [depth(photo) for depth in depths]
    row = [photo, colorize(before[0])]
    figures: list[dict[str, float]] = []
    seconds: list[float] = []
    for measured in networks:
        started = time.perf_counter()
        output = _as_output(measured.output(place, photo), content)
        output[0, 0, 0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - started)
        pixels = output[0].permute(1, 2, 0).cpu().numpy()
        picture = Image.fromarray(to_uint8(np.nan_to_num(pixels)))
        found = _compared(measured.objective, output, content, picture, photo, depths, before)
        figures.append(found if np.isfinite(pixels).all() else dict.fromkeys(found, np.nan))
        row.append(picture)
    # Only now, when nothing can fail any more: the networks' figures are of the same photos.
    for measured, found, taken in zip(networks, figures, seconds, strict=True):
        measured.seconds.append(taken)
        for name, value in found.items():
            measured.lists.setdefault(name, []).append(float(value))
    return row


def _compared(
    objective: StyleObjective,
    output: Tensor,
    content: Tensor,
    picture: Image.Image,
    photo: Image.Image,
    depths: Sequence[DepthEstimator],
    before: Sequence[np.ndarray],
) -> dict[str, float]:
    """The figures of an output, which ``picture`` shows, beside the photo and its depths."""
    features, targets = objective.maps(output), objective.maps(content)
    found = {
        "style": style_of(objective, features),
        **content_by_thirds(features, targets, objective.content_layers, before[0]),
    }
    for depth, target in zip(depths, before, strict=True):
        told = depth(picture)
        error = aligned_errors(told, target, metric=False)["ssi_mae"]
        found[f"depth error {depth.name}"] = error
        found[f"depth loss {depth.name}"] = aligned_square(told, target)
    found["SSIM"] = structural_similarity(
        *(np.asarray(image) for image in (photo, picture)),
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return found


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
