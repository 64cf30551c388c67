"""Style networks, and pictures optimized one by one, side by side: what each gains and what it
pays, on photos no network saw."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from fststyle.config import EvaluateConfig
from fststyle.config.calls import from_settings
from fststyle.data.photos import evenly_spread
from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.opening import open_estimator
from fststyle.evaluation.equivalent_steps import equivalent_steps
from fststyle.evaluation.model_result import ModelResult
from fststyle.evaluation.opening import is_of_photos_alone, open_networks
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.evaluation.photo import measure_photo
from fststyle.evaluation.relative import control_results, relative_table
from fststyle.evaluation.report import by_painting, comparison, figures, style_warning, table
from fststyle.evaluation.temporal import check_clips, measure_videos, video_table
from fststyle.images.find import find_images
from fststyle.images.geometry import fit_within, resize
from fststyle.images.grid import sheet
from fststyle.images.inputs import check_sources
from fststyle.images.io import check_writable, read_image, write_image
from fststyle.utils.device import find_device
from fststyle.utils.failures import Failures
from fststyle.utils.figures import distinct, write_json
from fststyle.utils.files import check_free_options
from fststyle.utils.signals import Stop, watch_signals

SHOWN = 8
"""Photos on the sheet."""
SHORTER = 256
"""Pixels to which photos' shorter sides are reduced by default."""


@from_settings(EvaluateConfig)
def evaluate(config: EvaluateConfig) -> int:
    """``fststyle evaluate``; returns 0, 1 where something was not measured, 2 where nothing
    was, 130 when stopped.

    Raises ValueError or FileNotFoundError with the reason where nothing can be measured.
    """
    if config.sheet:
        check_writable(config.sheet)
    check_free_options(config, "json", "sheet")
    device = find_device(config.device)
    files = find_images(config.photos) if config.photos else []
    read = [*files, *config.style, *config.networks, *config.videos]
    check_sources(read, [path for path in (config.json, config.sheet) if path])
    failures = Failures()
    clips = check_clips(config.videos, failures)
    result: dict[str, Any] = {}
    with watch_signals() as stop:
        networks = open_networks(config, files, device, failures)
        if config.photos:
            with failures.noting(config.photos):
                result |= _on_photos(config, networks, files, device, failures, stop)
            if result and config.json:  # whatever becomes of the videos
                write_json(config.json, result)
        if clips and not stop.requested:
            moving = [r for r in networks if not is_of_photos_alone(r, clips, config)]
            result |= _on_videos(config, moving, clips, failures, stop)
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
    steady = config.steady
    videos = measure_videos(networks, clips, size, config.frames, failures, stop, steady=steady)
    if not videos:
        return {}
    averaged = f"; --steady {steady:g}" * bool(steady)
    print(f"{len(videos)} video(s), shorter side {size} px; what can be followed{averaged}\n")
    print(f"{video_table(networks, videos)}\n")
    named = {name: clip._asdict() for name, clip in videos.items()}
    return {"videos": {"shorter_side": size, "steady": steady, "clips": named}}


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
    depths, controls = _open_depths(config), control_results(networks)
    shown: list[list[Image.Image]] = []
    to_show = set(evenly_spread(files, SHOWN)[:SHOWN]) if config.sheet else set()
    used: list[Path] = []
    for file in tqdm(files, unit="photo"):
        if stop.requested:
            break
        place = file.relative_to(config.photos)
        with failures.noting(file):
            photo = _reduced(file, _size(networks, place, config), config.size or SHORTER)
            row = measure_photo(networks, controls, place, photo, depths, device)
            used.append(place)
            if file in to_show:
                shown.append(row)
    if len(used) < 2:
        raise ValueError(f"{len(used)} photo(s) measured; an interval needs two or more")
    for result in networks:
        if not np.isfinite(result.mean("style")):
            failures.add(result.name, "pictures that are not finite, so its figures are none")
    groups, shown_beside = by_painting(networks), by_painting(controls)
    size = f"shorter side {config.size or SHORTER} px"
    if _pictures(networks) and not config.size:
        size = "at the pictures' size"
    print(f"{len(used)} photos, {size}; mean [95 % confidence interval]\n")
    for painting, group in groups.items():
        print(f"{painting}\n\n{table(group)}\n\n{comparison(group)}\n")
        print(f"{relative_table([*group, *shown_beside[painting]])}\n")
        warning = style_warning(group)
        if warning:
            print(f"{warning}\n")
        told_by = depths[0].card.get("id")
        judged_by_itself = [r.name for r in group if told_by and r.kept_depth == told_by]
        if judged_by_itself:
            print(
                f"{depths[0].name}, which tells depth here, also told it in the training of"
                f" {', '.join(judged_by_itself)}: --depth-network names another\n"
            )
        for equal in equivalent_steps(group, used, config):
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
        "relative_errors": {
            painting: {r.name: r.relative_means() for r in [*group, *shown_beside[painting]]}
            for painting, group in groups.items()
        },
        "as_steps": [
            e._asdict() for group in groups.values() for e in equivalent_steps(group, used, config)
        ],
    }


def _open_depths(config: EvaluateConfig) -> list[DepthEstimator]:
    """The depth networks that pictures are measured by, each of a name of its own."""
    depths = [open_estimator(config.depth_network, config.vgg_weights, config.device)]
    if config.second_depth:
        second = open_estimator(config.second_depth, config.vgg_weights, config.device)
        name = distinct(second.name, config.second_depth, [depths[0].name])
        depths.append(second._replace(name=name))
    return depths


def _pictures(networks: Sequence[ModelResult]) -> list[PictureFolder]:
    return [result.folder for result in networks if result.folder]


def _size(networks: Sequence[ModelResult], place: Path, config: EvaluateConfig) -> int | None:
    """Longer side of the pictures of a photo where they say it; else None."""
    folders = _pictures(networks)
    return max(folders[0].picture(place).size) if folders and not config.size else None


def _reduced(file: Path, longer: int | None, shorter: int) -> Image.Image:
    if longer is not None:
        return fit_within(read_image(file, srgb=True), longer)
    photo = read_image(file, at_least=shorter, srgb=True)
    return resize(photo, min(1.0, shorter / min(photo.size)))
