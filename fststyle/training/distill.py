"""``fststyle distill``: a small network learns to paint as a large one does."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fststyle.checkpoints import STYLE, ModelDescriptor, load
from fststyle.checkpoints.loading import shipped
from fststyle.config import DistillConfig
from fststyle.config.calls import from_keywords
from fststyle.data.drawn_maps import draw_weight_map
from fststyle.data.photos import PhotoCrops, fingerprint, validation_images
from fststyle.images.find import find_images
from fststyle.images.io import read_image
from fststyle.losses.build import load_loss_network, sized_paintings
from fststyle.losses.depth import load_depth_network
from fststyle.losses.perceptual import TAUGHT_LAYERS, TaughtFeatures
from fststyle.networks.transform import TransformNet
from fststyle.training.distill_task import DistillTask
from fststyle.training.distributed import DistributedContext
from fststyle.training.optimizers import build_optimizer
from fststyle.training.run import is_complete, launch, open_logger, train_on
from fststyle.training.settings import read_settings
from fststyle.training.start import starting_file, starting_network
from fststyle.training.state import SavedState, starting_state
from fststyle.training.style import TrainedStyle, check_same_inputs
from fststyle.training.weight_maps import VALIDATION_PHOTOS, ReadyMaps, prepare_weight_maps
from fststyle.utils.device import DTYPES, find_precision, training_format
from fststyle.utils.files import named, sha256
from fststyle.utils.versions import versions

MAY_CHANGE = ("content", "teacher", "style", "depth_cache", "init")
"""Settings that a resumed run may be given anew, beside ``training.settings.MAY_CHANGE``."""


@from_keywords(DistillConfig)
def distill(options: Mapping[str, Any]) -> TrainedStyle:
    """Teach a small network what a large one paints: ``fststyle distill``.

    It sees photos through its teacher's eyes, and needs no painting; where one is given, that
    judges, too. With a teacher that takes weight maps it learns to follow any. Runs are interrupted
    and resumed as those of ``fststyle.train``.

    Raises:
        ValueError: settings that do not go together, photos or networks that cannot be used, a run
            that is there already; a loss that stopped being finite.
        FileNotFoundError: no such file or folder.
    """
    config, saved = read_settings(DistillConfig, options, MAY_CHANGE)
    return launch(config, saved, _distill, "--image-size")


def _distill(
    config: DistillConfig, saved: SavedState | None, context: DistributedContext
) -> TrainedStyle:
    precision = find_precision(config.precision, context.device)
    file = shipped().get(config.teacher, Path(config.teacher))
    taught = load(config.teacher, STYLE)
    start, init = starting_file(config, saved, context)
    photos, val_photos = find_images(config.content), find_images(config.val_folder)
    context.say(
        f"{len(photos)} photos; {context.device.type}, {precision}, {context.size} process(es)"
    )
    card = _card(config, taught, file, init)
    card["photo_order"] = fingerprint(photos, config.content)
    if saved is not None and saved[1]["teacher"] != card["teacher"]:
        raise ValueError(
            f"--teacher {config.teacher} is not the one this run began with,"
            f" {saved[1]['teacher']['source']}: give that"
        )
    mapped = taught.network.mapped
    load_depth = partial(load_depth_network, config.depth_network, config.vgg_weights)
    depth = load_depth() if mapped and config.weight_map == "depth" else None
    if depth is not None:
        depth.network.to(context.device)
        card["depth_network"] = {name: depth.card[name] for name in ("kind", "id")}
    if saved is not None:
        check_same_inputs(saved[1], card)
    features = None
    if config.loss_network != "none":
        features, card["loss_network"] = _features(config, context.device, precision)
    network = starting_network(config, start, mapped=mapped).to(context.device)
    network.to(memory_format=training_format(context.device, precision))  # type: ignore[call-overload]
    optimizer = build_optimizer("muon", network, config.lr)
    state = starting_state(network, optimizer, precision, saved, config.folder, context)
    output = config.folder / f"{config.name}.safetensors"
    if saved is not None and is_complete(state, config, context):
        return TrainedStyle(output, state.step, saved[1]["losses"])

    ready: AbstractContextManager[ReadyMaps] = nullcontext(ReadyMaps(None, None))
    if mapped:
        ready = prepare_weight_maps(
            *(config, depth, load_depth, photos, val_photos, state, context, precision),
            takes_map=True,
        )
    with ready as (maps, val_maps):
        val = validation_images(val_photos, config.crop_size, VALIDATION_PHOTOS, val_maps)
        logger = open_logger(config, state, context, fresh=saved is None)
        task = DistillTask(
            *(config, taught.network, features, precision, context.device, logger, val, card)
        )
        crops = PhotoCrops(
            photos, config.crop_size, config.seed, maps, draw_weight_map if mapped else None
        )
        train_on(crops, task, state, config, precision, context, logger, "distill")
    losses = ", ".join(f"{name} {value:.3g}" for name, value in task.losses.items())
    context.say(f"{output}: {state.step} steps; {losses}")
    return TrainedStyle(output, state.step, task.losses)


def _features(
    config: DistillConfig, device: torch.device, precision: str
) -> tuple[TaughtFeatures, str]:
    """(what looks at pictures; where its weights came from)."""
    looked_with = load_loss_network(config.loss_network, config.vgg_weights)
    extractor = looked_with.network.cut(TAUGHT_LAYERS).mirror().to(device)
    paintings = [read_image(path, srgb=True) for path in config.style]
    sized = sized_paintings(paintings, config.style_size, device)
    return TaughtFeatures(extractor, sized, DTYPES[precision]), looked_with.source


def _hashes(card: Mapping[str, Any]) -> set[str]:
    """Of the paintings."""
    return {style["sha256"] for style in card.get("style", ()) if "sha256" in style}


def _card(
    config: DistillConfig,
    teacher: ModelDescriptor[TransformNet],
    file: Path,
    init: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What the network's file will say of what it was made from: the style is its teacher's, and
    that of the paintings which judge beside."""
    card: dict[str, Any] = {
        "teacher": {"id": sha256(file)[:16], "source": file.name},
        "versions": versions(),
    }
    card |= {name: teacher.card[name] for name in ("style", "painting") if name in teacher.card}
    judges = [named(path) for path in config.style]
    others = [one for one in judges if one["sha256"] not in _hashes(card)]
    if others:
        card["style"] = [*card.get("style", ()), *others]
    if init:
        card["init"] = init
    return card
