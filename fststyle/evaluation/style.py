"""Style networks, and pictures optimized one by one, side by side: what each gains and what it
pays, on photos no network saw."""

import json
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

from fststyle.checkpoint import load_transform, sha256
from fststyle.config import EvaluateConfig, ObjectiveConfig
from fststyle.evaluation.as_steps import as_steps
from fststyle.evaluation.depth import aligned_errors, aligned_square
from fststyle.evaluation.estimators import DepthEstimator, open_estimator
from fststyle.evaluation.measured import Measured, Output, style_of
from fststyle.evaluation.pictures import PictureFolder
from fststyle.evaluation.report import by_painting, comparison, figures, style_warning, table
from fststyle.evaluation.video import check_clips, measure_videos, video_table
from fststyle.files import replacing
from fststyle.images import (
    check_writable,
    find_images,
    fit_within,
    read_image,
    resize,
    sheet,
    to_uint8,
    write_image,
)
from fststyle.networks.transform import TransformNet
from fststyle.objective import MARGIN, StyleObjective, as_tensor, build_objective
from fststyle.runtime.depth import coloured
from fststyle.training.device import find_device

SHOWN = 8
"""Photos on the sheet."""
SHORTER = 256
"""Pixels to which photos' shorter sides are reduced by default."""


def run(config: EvaluateConfig) -> None:
    """``fststyle evaluate``."""
    if config.sheet:
        check_writable(config.sheet)
    device = find_device(config.device)
    files = find_images(config.photos) if config.photos else []
    if config.videos:
        check_clips(config.videos, config.networks)
    networks = _load(config, device)
    result = _on_photos(config, networks, files, device) if config.photos else {}
    if config.videos:
        size = config.size or SHORTER
        videos = measure_videos(networks, config.videos, size, config.frames)
        print(f"{len(videos)} video(s), shorter side {size} px; pixels that can be followed\n")
        print(f"{video_table(networks, videos)}\n")
        clips = {name: clip._asdict() for name, clip in videos.items()}
        result["videos"] = {"shorter_side": size, "clips": clips}
    if config.json:
        with replacing(config.json) as beside:
            beside.write_text(json.dumps(result, indent=2) + "\n")


def _on_photos(
    config: EvaluateConfig,
    networks: Sequence[Measured],
    files: Sequence[Path],
    device: torch.device,
) -> dict[str, Any]:
    """Measure on photos, print the tables and draw the sheet; returns what goes into the JSON."""
    assert config.photos
    depths = [open_estimator(config.depth_network, config.vgg_weights, config.device)]
    if config.second_depth:
        depths.append(open_estimator(config.second_depth, config.vgg_weights, config.device))
    shown: list[list[Image.Image]] = []
    broken: list[str] = []
    step = max(1, len(files) // SHOWN)
    used: list[Path] = []
    for number, file in enumerate(tqdm(files, unit="photo")):
        place = file.relative_to(config.photos)
        try:
            photo = _reduced(file, _size(networks, place, config), config.size or SHORTER)
        except ValueError as error:
            broken.append(str(error))
            continue
        used.append(place)
        row = measure(networks, place, photo, depths, device)
        if config.sheet and number % step == 0 and len(shown) < SHOWN:
            shown.append(row)
    if len(used) < 2:
        raise ValueError(
            f"{config.photos}: {len(used)} photo(s) that can be decoded; an interval needs two or"
            " more" + "".join(f"; {reason}" for reason in broken[:1])
        )
    for reason in broken:
        print(f"passed over: {reason}", file=sys.stderr)
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
        for equal in as_steps(group, used):
            print(f"{equal.sentence()}\n")
    if config.sheet:
        titles = ["photo", "depth", *(n.name for n in networks)]
        write_image(sheet(shown, titles=titles), config.sheet)
    return {
        "photos": len(used),
        "size": size,
        "depth_networks": [depth.name for depth in depths],
        "paintings": {name: figures(group) for name, group in groups.items()},
        "as_steps": [e._asdict() for group in groups.values() for e in as_steps(group, used)],
    }


def _load(config: EvaluateConfig, device: torch.device) -> list[Measured]:
    given = {sha256(path): path for path in config.style}
    objectives: dict[tuple[Path, ...], StyleObjective] = {}
    found: list[Measured] = []
    for path in config.networks:
        folder = PictureFolder(path) if path.is_dir() else None
        if folder:
            output, card = _finished(folder), folder.card
        else:
            network, card = load_transform(path)
            output = _through(network.to(device), device)
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
        taken = {measured.name for measured in found}
        found.append(
            Measured(
                str(path) if path.stem in taken else path.stem,
                card.get("settings", {}).get("method", "–"),
                output,
                objectives[paintings],
                " + ".join(painting.stem for painting in paintings),
                folder,
            )
        )
    return found


def _through(network: TransformNet, device: torch.device) -> Output:
    @torch.inference_mode()
    def output(_: Path, photo: Image.Image) -> Tensor:
        return network(as_tensor(photo).to(device)).clamp(0, 1)

    return output


def _finished(folder: PictureFolder) -> Output:
    return lambda place, _: folder.picture(place)


def _pictures(networks: Sequence[Measured]) -> list[PictureFolder]:
    return [measured.folder for measured in networks if measured.folder]


def _size(networks: Sequence[Measured], place: Path, config: EvaluateConfig) -> int | None:
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
    row = [photo, coloured(before[0])]
    for measured in networks:
        judge = measured.objective
        started = time.perf_counter()
        output = _as_output(measured.output(place, photo), content)
        output[0, 0, 0, 0].item()  # waits for the device
        measured.seconds.append(time.perf_counter() - started)
        features, targets = judge.maps(output), judge.maps(content)
        figures = {
            "style": style_of(judge, features),
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
