"""Sheets on which pictures stand side by side: the thesis's figures 10 to 13, and any other."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from fststyle.config import CompareConfig
from fststyle.config.calls import from_settings
from fststyle.config.infer import MapControls, StyleControls, map_settings
from fststyle.depth.estimator import DepthEstimator
from fststyle.depth.maps import colorize, weight_map_from_depth
from fststyle.depth.opening import open_estimator
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.images.geometry import even_gradient, resize
from fststyle.images.grid import sheet
from fststyle.images.inputs import check_sources
from fststyle.images.io import check_writable, read_image, to_uint8, write_image
from fststyle.images.noise import GRAIN, noisy
from fststyle.images.tones import with_tones
from fststyle.inference.maps import WeightMaps
from fststyle.inference.stylizer import Stylizer
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct
from fststyle.utils.files import check_free_options
from fststyle.utils.pretrained import style_file
from fststyle.utils.signals import watch_signals


class Model(NamedTuple):
    """A style network ready to run, or pictures that are there, and the settings they were made
    with, as far as known."""

    stem: str
    stylize: Callable[[Path, Image.Image], Image.Image]
    """Of a photo, and of what it holds at the sheet's height."""
    settings: Mapping[str, Any]


class WeightMap(NamedTuple):
    """How content was weighted: ``--weight-map`` and the factors at its ends."""

    kind: str
    alpha_min: float
    alpha_max: float


@from_settings(CompareConfig)
def compare(config: CompareConfig) -> int:
    """``fststyle compare``: a row for each photo: content, painting, its depth and weight map where
    results were made with them, every network's picture or every folder's.

    Returns 0, 1 where something could not be drawn, 2 where nothing was, 130 when stopped. Raises
    ValueError or FileNotFoundError with the reason where nothing can be.
    """
    check_writable(config.output)
    check_free_options(config, "output")
    check_sources([*config.content, *config.style, *config.models], [config.output])
    failures = Failures()
    paintings = open_all(config.style, lambda path: (path, read_image(path)), failures)
    models: list[Model] = []
    opened = open_all(config.models, lambda path: (path, _open(path, config)), failures)
    for path, model in opened:
        stem = distinct(model.stem, str(path), [other.stem for other in models])
        models.append(model._replace(stem=stem))
    weight_maps = _weight_maps(models) if config.depth else []
    depth = _depth(config, models, weight_maps)
    shown = [image for _, image in paintings]
    rows: list[list[Image.Image]] = []
    with watch_signals() as stop:
        for path in tqdm(config.content, unit="photo"):
            if stop.requested:
                break
            with failures.noting(path):
                row = _row(config, path, shown, models, weight_maps, depth)
                # At the sheet's size, so that many large photos can be drawn.
                rows.append([resize(image, config.height / image.height) for image in row])
    status = failures.report()
    if not rows:
        return 130 if stop.requested else 2
    titles = ["content", *(path.stem for path, _ in paintings)]
    titles += ["depth"] if depth is not None else []
    titles += [f"weights {w.alpha_min:g} to {w.alpha_max:g}" for w in weight_maps]
    drawn = sheet(rows, titles=[*titles, *_labels(models)], height=config.height)
    write_image(drawn, config.output, config.quality)
    print(config.output)
    return 130 if stop.requested else status


def _row(
    config: CompareConfig,
    path: Path,
    paintings: Sequence[Image.Image],
    models: Sequence[Model],
    weight_maps: Sequence[WeightMap],
    depth: DepthEstimator | None,
) -> list[Image.Image]:
    content = read_image(path)
    content = resize(content, (config.stylize_height or config.height) / content.height)
    row = [content, *paintings]
    if depth is not None:
        depth_map = depth(content)
        row.append(colorize(depth_map))
    for weights in weight_maps:
        if weights.kind == "depth":
            weight_map = weight_map_from_depth(depth_map)
        else:
            weight_map = _weight_map(weights.kind, path, content.size)
        row.append(Image.fromarray(to_uint8(weight_map)).resize(content.size))
    return [*row, *(model.stylize(path, content) for model in models)]


def _open(source: Path, config: CompareConfig) -> Model:
    path = style_file(source)
    if path.is_dir():
        folder = PictureFolder(path, config.content)
        return Model(
            path.name,
            lambda photo, _: folder.picture(photo),
            folder.card.get("settings", {}),
        )
    if path.suffix == ".onnx":
        stylizer = Stylizer(path, config.provider)
        controls = StyleControls(**map_settings(config, MapControls))
        stylizer.check_map(controls)

        def stylized(photo: Path, image: Image.Image) -> Image.Image:
            maps = stylizer.weight_maps(controls, Path(photo.name))
            return stylizer.stylize_image(image, controls, maps(image) if maps else None)

        return Model(path.stem, stylized, stylizer.card.get("settings", {}))
    import torch

    from fststyle.checkpoints import STYLE, load
    from fststyle.checkpoints.style import training_settings
    from fststyle.utils.tensors import as_tensor

    model = load(path, STYLE)

    @torch.inference_mode()
    def run(photo: Path, image: Image.Image) -> Image.Image:
        image = image.convert("RGB")
        mapped = model.network.mapped
        weight_map = WeightMaps(config, Path(photo.name))(image) if mapped else None
        pixels = noisy(np.asarray(image), GRAIN, weight_map)
        given = [as_tensor(Image.fromarray(pixels))]
        if weight_map is not None:
            given.append(torch.from_numpy(weight_map)[None, None])
        output = to_uint8(model.network(*given)[0].permute(1, 2, 0).numpy())
        return Image.fromarray(
            output if weight_map is None else with_tones(output, pixels, weight_map)
        )

    return Model(path.stem, run, training_settings(path, model.card))


def _weight_maps(models: Sequence[Model]) -> list[WeightMap]:
    """Those that the models were trained with, each once, as far as their cards say."""
    weight_maps = {
        WeightMap(s["weight_map"], s["alpha_min"], s["alpha_max"]): None
        for s in (model.settings for model in models)
        if s.get("method") in ("weighted", "combined")
        and s.keys() >= {"weight_map", "alpha_min", "alpha_max"}
    }
    return list(weight_maps)


def _depth(
    config: CompareConfig, models: Sequence[Model], weight_maps: Sequence[WeightMap]
) -> DepthEstimator | None:
    """What tells the photos' depth; None where no model was trained with it."""
    used = any(m.settings.get("method") in ("depth", "combined") for m in models)
    if not config.depth or not (used or any(w.kind == "depth" for w in weight_maps)):
        return None
    if config.depth_network is None and importlib.util.find_spec("torch") is None:
        raise ValueError(
            "depth is told by torch, which is not installed: give --depth-network NAME.onnx, or"
            " --no-depth"
        )
    return open_estimator(config.depth_network, config.vgg_weights)


def _weight_map(kind: str, photo: Path, size: tuple[int, int]) -> np.ndarray:
    """H×W, 1 where content counts most: an even gradient, or the user's own map."""
    if kind in ("horizontal", "vertical"):
        return even_gradient(kind, size)
    from fststyle.data.weight_maps import MapFolder

    return MapFolder(Path(kind), photo.parent)(photo, size)


def _labels(models: Sequence[Model]) -> list[str]:
    """The methods where they tell the models apart, as in the thesis's figures; else names, with
    the methods where these are known and not all one."""
    methods = [model.settings.get("method") for model in models]
    if len(models) > 1 and all(methods) and len(set(methods)) == len(models):
        return [str(method) for method in methods]
    if len(models) > 1 and len(set(methods)) == 1:
        return [model.stem for model in models]
    return [f"{m.stem} ({k})" if k else m.stem for m, k in zip(models, methods, strict=True)]
