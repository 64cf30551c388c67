"""Networks and folders of pictures, opened to be measured, each with the painting it follows."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fststyle.checkpoints import STYLE
from fststyle.checkpoints import load as load_network
from fststyle.checkpoints.style import training_settings
from fststyle.config import EvaluateConfig, ObjectiveConfig
from fststyle.config.infer import MapControls
from fststyle.evaluation.model_result import AddGrain, ModelResult, Output
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.images.find import is_picture_name
from fststyle.images.io import to_uint8
from fststyle.images.tones import tone_change
from fststyle.inference.maps import WeightMaps
from fststyle.inference.video.media import is_video
from fststyle.losses.build import build_objective
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.transform import TransformNet
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.figures import distinct
from fststyle.utils.files import sha256
from fststyle.utils.tensors import as_tensor


def open_networks(
    config: EvaluateConfig, files: Sequence[Path], device: torch.device, failures: Failures
) -> list[ModelResult]:
    """What is to be measured, each of a name of its own, with nothing measured yet: of networks
    that take a weight map several rows.

    ``files`` are the photos. Raises as ``open_all``.
    """
    styles = {sha256(path): path for path in config.style}
    places = [file.relative_to(config.photos) for file in files if config.photos]
    objectives: dict[tuple[Path, ...], StyleObjective] = {}

    def load(path: Path) -> list[ModelResult]:
        folder = PictureFolder(path, places) if path.is_dir() else None
        film = film_of(path, config) if folder or is_video(path) else None
        outputs: dict[str, Output]
        if folder:
            outputs, card = {"": _from_folder(folder)}, folder.card
        elif film:
            if config.photos:
                raise ValueError(f"{path}: is a film, which --videos measures, without --photos")
            outputs, card = {"": _no_photo}, {"style": [{"name": path.name}]}
        else:
            model = load_network(str(path), STYLE)  # text: the name of one that ships will do
            outputs, card = _outputs(model.network.to(device), device, config), model.card
        paintings = _paintings(path, card, styles)
        if paintings not in objectives:
            objectives[paintings], _ = build_objective(
                measured_by(config, paintings), config.vgg_weights, None, device, torch.float32
            )
        method = card.get("settings", {}).get("method", "–")
        keeps_depth = method in ("depth", "combined")
        return [
            ModelResult(
                f"{path.stem}{suffix}",
                method,
                output,
                objectives[paintings],
                " + ".join(painting.stem for painting in paintings),
                paintings,
                folder,
                film,
                card.get("depth_network", {}).get("id") if keeps_depth else None,
            )
            for suffix, output in outputs.items()
        ]

    opened = open_all(config.networks, lambda path: (path, load(path)), failures)
    names: list[str] = []
    for path, results in opened:
        for result in results:
            result.name = distinct(result.name, str(path), names)
            names.append(result.name)
    return [result for _, results in opened for result in results]


def measured_by(config: EvaluateConfig, paintings: tuple[Path, ...]) -> ObjectiveConfig:
    """The losses that pictures are compared by."""
    return ObjectiveConfig(
        style=paintings,
        style_size=config.style_size,
        method="plain",
        loss_network=config.loss_network,
    )


def _outputs(
    network: TransformNet, device: torch.device, controls: EvaluateConfig
) -> dict[str, Output]:
    """What a network makes of photos and frames, by what is added to its name: with the map that
    ``controls`` ask for and, of one that takes maps, with others."""
    if not network.mapped:
        return {"": through(network, device, None)}
    asked: dict[str, MapControls] = {"": controls}
    if controls.maps:
        asked[", far crisp"] = dataclasses.replace(controls, near=controls.far, far=controls.near)
        for value in (0.0, 1.0):
            asked[f", map {value:g}"] = MapControls(weight_map="none", far=value)
    return {suffix: through(network, device, wanted) for suffix, wanted in asked.items()}


def through(network: TransformNet, device: torch.device, controls: MapControls | None) -> Output:
    """What ``network`` makes of pictures, with the maps that ``controls`` ask for; None for a
    network that takes none."""
    maps: dict[Path, WeightMaps] = {}

    @torch.inference_mode()
    def output(place: Path, photo: Image.Image, grain: AddGrain | None) -> Tensor:
        weight_map = None
        if controls is not None:
            if place not in maps:  # a clip's frames come one after the other
                maps.clear()
                maps[place] = WeightMaps(controls, place, film=not is_picture_name(place))
            weight_map = maps[place](photo)
        if grain is not None:
            photo = Image.fromarray(grain(np.asarray(photo), weight_map))
        given = [as_tensor(photo).to(device)]
        if weight_map is None:
            return network(*given).clamp(0, 1)
        picture = network(*given, torch.from_numpy(weight_map)[None, None].to(device))
        picture = picture.clamp(0, 1)
        pixels = to_uint8(picture[0].nan_to_num().permute(1, 2, 0).cpu().numpy())
        change = tone_change(pixels, np.asarray(photo), weight_map)
        levels = torch.from_numpy(change).permute(2, 0, 1)[None].to(picture)
        return (picture + levels / 255).clamp(0, 1)

    return output


def film_of(path: Path, config: EvaluateConfig) -> Callable[[Path], Path]:
    """Of a clip, where in ``path``, a film, or a folder of films or frames, that lies which was
    made of it."""

    def find(clip: Path) -> Path:
        alone = len(set(config.videos)) == 1
        if not path.is_dir():
            if alone or path.stem == clip.stem:
                return path
        else:
            named = sorted(file for file in path.iterdir() if file.stem == clip.stem)
            found = [file for file in named if file.is_dir() or is_video(file)]
            # With photos to be measured on, loose pictures are of these.
            frames = alone and not config.photos and any(map(is_picture_name, path.iterdir()))
            if found or frames:
                return found[0] if found else path
        raise FileNotFoundError(f"{path}: no film or folder of frames named as {clip.name}")

    return find


def is_of_photos_alone(result: ModelResult, clips: Sequence[Path], config: EvaluateConfig) -> bool:
    """Whether it is a folder of pictures of photos that are measured, with a film of no clip."""
    if not (config.photos and result.folder and result.film):
        return False
    for clip in clips:
        with contextlib.suppress(FileNotFoundError):
            result.film(clip)
            return False
    return True


def _no_photo(place: Path, photo: Image.Image, grain: AddGrain | None) -> Image.Image:
    raise ValueError(f"{place}: a film has no picture of it")


def _from_folder(folder: PictureFolder) -> Output:
    return lambda place, photo, grain: folder.picture(place)


def _paintings(path: Path, card: Mapping[str, Any], given: Mapping[str, Path]) -> tuple[Path, ...]:
    """The paintings that a network was trained on, out of those ``given`` by their hash, or where
    its card says they lay. A network without hashes was trained on all that are given."""
    styles = card["style"]
    if not all("sha256" in style for style in styles):
        if not given:
            raise ValueError(f"{path} does not say what it was trained on: add --style PAINTING")
        return tuple(given.values())
    lay = training_settings(path, card).get("style", [])
    paintings = []
    for number, style in enumerate(styles):
        painting = given.get(style["sha256"])
        if painting is None and number < len(lay) and Path(lay[number]).is_file():
            file = Path(lay[number])
            painting = file if sha256(file) == style["sha256"] else None
        if painting is None:
            raise ValueError(
                f"{path} was trained on {style['name']}, which is not at hand as it was then:"
                " add --style with the very file"
            )
        paintings.append(painting)
    return tuple(paintings)
