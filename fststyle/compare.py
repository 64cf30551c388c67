"""Sheets on which pictures stand side by side: the thesis's figures 10 to 13, and any other."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fststyle.config import CompareConfig
from fststyle.evaluation.estimators import DepthEstimator, open_estimator
from fststyle.evaluation.pictures import PictureFolder
from fststyle.images import (
    check_writable,
    importance_from_depth,
    read_image,
    resize,
    sheet,
    to_uint8,
    write_image,
)
from fststyle.runtime.depth import coloured
from fststyle.runtime.grain import GRAIN, add_grain
from fststyle.runtime.pictures import stylize
from fststyle.runtime.stylizer import Stylizer
from fststyle.shipped import style_file


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


def run(config: CompareConfig) -> None:
    """``fststyle compare``: a row for each photo: content, painting, its depth and weight map where
    results were made with them, every network's picture or every folder's."""
    check_writable(config.output)
    paintings = [read_image(path) for path in config.style]
    models = [_open(style_file(path), config) for path in config.models]
    weight_maps = _weight_maps(models) if config.depth else []
    depth = _depth(config, models, weight_maps)
    rows = []
    for path in config.content:
        content = read_image(path)
        content = resize(content, (config.stylize_height or config.height) / content.height)
        row = [content, *paintings]
        if depth is not None:
            found = depth(content)
            row.append(coloured(found))
        for weights in weight_maps:
            if weights.kind == "depth":
                importance = importance_from_depth(found)
            else:
                importance = _importance(weights.kind, path, content.size)
            row.append(Image.fromarray(to_uint8(importance)).resize(content.size))
        rows.append([*row, *(model.stylize(path, content) for model in models)])
    titles = ["content", *(path.stem for path in config.style)]
    titles += ["depth"] if depth is not None else []
    titles += [f"weights {w.alpha_min:g} to {w.alpha_max:g}" for w in weight_maps]
    drawn = sheet(rows, titles=[*titles, *_labels(models)], height=config.height)
    write_image(drawn, config.output, config.quality)
    print(config.output)


def _open(path: Path, config: CompareConfig) -> Model:
    if path.is_dir():
        folder = PictureFolder(path)
        return Model(
            path.name,
            lambda photo, _: folder.picture(Path(photo.name)),
            folder.card.get("settings", {}),
        )
    if path.suffix == ".onnx":
        stylizer = Stylizer(path, config.provider)
        return Model(
            path.stem,
            lambda _, image: stylize(stylizer, image, grain=GRAIN),
            stylizer.card.get("settings", {}),
        )
    import torch

    from fststyle.checkpoint import load_transform
    from fststyle.objective import as_tensor

    network, card = load_transform(path)

    @torch.inference_mode()
    def run(_: Path, image: Image.Image) -> Image.Image:
        (pixels,) = add_grain(np.asarray(image.convert("RGB"))[None], GRAIN)
        output = network(as_tensor(Image.fromarray(pixels)))[0].permute(1, 2, 0)
        return Image.fromarray(to_uint8(output.numpy()))

    return Model(path.stem, run, card.get("settings", {}))


def _weight_maps(models: Sequence[Model]) -> list[WeightMap]:
    """Those that the models were trained with, each once."""
    found = {
        WeightMap(s["weight_map"], s["alpha_min"], s["alpha_max"]): None
        for s in (model.settings for model in models)
        if s.get("method") in ("weighted", "combined")
    }
    return list(found)


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


def _importance(kind: str, photo: Path, size: tuple[int, int]) -> np.ndarray:
    """H×W, 1 where content counts most: an even gradient, or the user's own map."""
    width, height = size
    if kind == "horizontal":
        return np.broadcast_to(np.linspace(0, 1, width), (height, width))
    if kind == "vertical":
        return np.broadcast_to(np.linspace(0, 1, height)[:, None], (height, width))
    from fststyle.data.importance_maps import MapFolder

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
