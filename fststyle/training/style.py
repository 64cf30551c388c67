"""``fststyle train``: from the settings to the loop, step by step."""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from fststyle.checkpoints import ModelDescriptor
from fststyle.config import StyleTrainConfig
from fststyle.config.calls import from_keywords
from fststyle.data.drawn_maps import draw_weight_map
from fststyle.data.photos import PhotoCrops, fingerprint, validation_images
from fststyle.depth.estimator import training_size
from fststyle.images.find import find_images
from fststyle.images.io import read_image
from fststyle.losses.build import build_objective
from fststyle.losses.depth import for_loss, load_depth_network
from fststyle.losses.perceptual import DepthNetwork
from fststyle.networks.vgg import check_layers
from fststyle.training.content_weight import ContentWeight
from fststyle.training.distributed import DistributedContext
from fststyle.training.optimizers import build_optimizer
from fststyle.training.run import is_complete, launch, open_logger, train_on
from fststyle.training.settings import read_settings
from fststyle.training.start import starting_file, starting_network
from fststyle.training.state import SavedState, starting_state
from fststyle.training.style_task import StyleTask
from fststyle.training.weight_maps import (
    VALIDATION_PHOTOS,
    ReadyMaps,
    prepare_weight_maps,
    side_seen,
)
from fststyle.utils.device import DTYPES, find_precision, training_format
from fststyle.utils.files import named
from fststyle.utils.nonfinite import NonFiniteError
from fststyle.utils.tensors import as_tensor
from fststyle.utils.versions import versions

MAY_CHANGE = ("content", "style", "depth_cache", "init")
"""Settings that a resumed run may be given anew, beside ``training.settings.MAY_CHANGE``."""


class TrainedStyle(NamedTuple):
    """What a training leaves.

    Attributes:
        file: the network, NAME.safetensors, which ``fststyle.export`` takes.
        steps: that it was trained.
        losses: unweighted terms over the validation photos, "content", "style" …
    """

    file: Path
    steps: int
    losses: dict[str, float]


@from_keywords(StyleTrainConfig)
def train(options: Mapping[str, Any]) -> TrainedStyle:
    """Train a style network: ``fststyle train``.

    >>> import fststyle
    >>> trained = fststyle.train(
    ...     style="style.png", content="photos", name="dots", run_dir="runs/dots", method="plain",
    ...     loss_network="small", width=4, steps=2, batch_size=2, image_size=32, style_size=32,
    ...     device="cpu", workers=0, init="none",
    ... )  # doctest: +ELLIPSIS
    4 photos; cpu, ...
    >>> trained.file
    PosixPath('runs/dots/dots.safetensors')
    >>> sorted(trained.losses)
    ['content', 'style']

    The network, its state and what TensorBoard shows lie in ``run_dir``. Interrupted (Ctrl-C raises
    KeyboardInterrupt when all is saved) it goes on where it was with the same call and
    ``resume=True``; a resumed run has the settings it began with, and those that are given anew are
    compared with them.

    Raises:
        ValueError: settings that do not go together, photos or weights that cannot be used, a run
            that is there already; a loss that stopped being finite.
        FileNotFoundError: no such file or folder.
    """
    config, saved = read_settings(StyleTrainConfig, options, MAY_CHANGE)
    check_layers((*config.content_layers, *config.style_layers))
    return launch(config, saved, _train, "--image-size, --loss-downscale 2")


def _train(
    config: StyleTrainConfig, saved: SavedState | None, context: DistributedContext
) -> TrainedStyle:
    precision = find_precision(config.precision, context.device)
    start, init = starting_file(config, saved, context)
    photos, val_photos = find_images(config.content), find_images(config.val_folder)
    paintings = [read_image(path, srgb=True) for path in config.style]
    context.say(
        f"{len(photos)} photos; {context.device.type}, {precision}, {context.size} process(es)"
    )

    load_depth = partial(
        load_depth_network, config.depth_network, config.vgg_weights, config.loss_network
    )
    depth = load_depth() if config.needs_depth else None
    card = _card(config, photos, depth, init)
    if saved is not None:
        check_same_inputs(saved[1], card)
    loss_depth = _depth_of_loss(config, depth, context.device, precision)
    objective, card["loss_network"] = build_objective(
        config, config.vgg_weights, loss_depth, context.device, DTYPES[precision]
    )
    first_objective = None
    if config.vgg_part:
        last = dataclasses.replace(config, loss_network="vgg19", vgg_part=0.0)
        first_objective = objective
        objective, card["loss_network"] = build_objective(
            last, config.vgg_weights, loss_depth, context.device, DTYPES[precision]
        )
    network = starting_network(config, start, mapped=config.takes_map).to(context.device)
    network.to(memory_format=training_format(context.device, precision))  # type: ignore[call-overload]
    optimizer = build_optimizer(config.optimizer, network, config.lr)
    state = starting_state(network, optimizer, precision, saved, config.folder, context)
    if saved is not None and is_complete(state, config, context):
        file = config.folder / f"{config.name}.safetensors"
        return TrainedStyle(file, state.step, saved[1]["losses"])

    ready: AbstractContextManager[ReadyMaps] = nullcontext(ReadyMaps(None, None))
    if config.weights_content:
        ready = prepare_weight_maps(
            *(config, depth, load_depth, photos, val_photos, state, context, precision),
            takes_map=config.takes_map,
            side=side_seen(config),
        )
    with ready as (maps, val_maps):
        val = validation_images(val_photos, config.crop_size, VALIDATION_PHOTOS, val_maps)
        if config.val:
            validation_images(photos, config.crop_size, 1, maps)  # fails here where none is usable
        logger = open_logger(config, state, context, fresh=saved is None)
        if saved is None:
            for index, painting in enumerate(paintings):
                logger.images(f"style/{index}", [as_tensor(painting)], 0)
        task = StyleTask(
            *(config, objective, precision, context.device, logger, val, card, state),
            first_objective=first_objective,
            content_weight=None
            if config.wanted_error is None
            else ContentWeight(config.wanted_error, state, context, config.accumulate),
        )
        if context.is_main_process and config.keeps_depth:
            together = config.accumulate * context.size
            print(task.cost_of_depth(config.batch_size // together, config.accumulate))
        draw = draw_weight_map if config.takes_map else None
        crops = PhotoCrops(photos, config.crop_size, config.seed, maps, draw)
        try:
            train_on(crops, task, state, config, precision, context, logger, "train")
        except NonFiniteError as error:
            if start is None or state.step:
                raise
            raise NonFiniteError(f"{error}; or --init {start} is damaged") from error
    losses = ", ".join(f"{name} {value:.3g}" for name, value in task.losses.items())
    context.say(f"{task.network_file}: {state.step} steps; {losses}")
    return TrainedStyle(task.network_file, state.step, task.losses)


def _card(
    config: StyleTrainConfig,
    photos: Sequence[Path],
    depth: ModelDescriptor[nn.Module] | None,
    init: Mapping[str, str] | None,
) -> dict[str, Any]:
    """What the network's file will say of what it was made from."""
    card: dict[str, Any] = {
        "style": [named(path) for path in config.style],
        "photo_order": fingerprint(photos, config.content),
        "versions": versions(),
    }
    if depth is not None:
        card["depth_network"] = {name: depth.card[name] for name in ("kind", "id")}
    if init:
        card["init"] = init
    return card


def check_same_inputs(card: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run goes on exactly only with the painting and the photos it began with.

    Raises ValueError for another painting or depth network; says so where photos are others.
    """
    before, hashes = ([s.get("sha256") for s in c.get("style", ())] for c in (card, now))
    if before != hashes:
        raise ValueError("the painting is not the one this run began with: give that with --style")
    network, others = (c.get("depth_network", {}).get("id") for c in (card, now))
    if network != others:
        raise ValueError(
            f"the depth network is {others}, but this run began with {network}: give that with"
            " --depth-network"
        )
    if card["photo_order"] != now["photo_order"]:
        print("the photos have changed since this run began: going on with these", file=sys.stderr)


def _depth_of_loss(
    config: StyleTrainConfig,
    depth: ModelDescriptor[nn.Module] | None,
    device: torch.device,
    precision: str,
) -> DepthNetwork | None:
    """What tells depth in the depth loss; None where there is none. Moves ``depth``, which weight
    maps are made with, to the device, too."""
    if depth is None:
        return None
    depth.network.to(device)
    if not config.keeps_depth:
        return None
    height, width = (side / config.loss_downscale for side in config.crop_size)
    return for_loss(
        depth.network,
        training_size(depth.card),
        DTYPES[precision],
        (height * width) ** 0.5,
        config.loss_network,
        full_size=config.depth_full_size,
    )
