"""``fststyle depth train``: from the settings to the loop, step by step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fststyle import config as settings
from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import depth_extractor, new_fast
from fststyle.config import DepthTrainConfig, parse_share, parse_size
from fststyle.config.calls import from_keywords
from fststyle.data.depth.crops import DepthCrops, crop
from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import DepthData, DepthPicture
from fststyle.data.photos import evenly_spread
from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.images.find import find_images
from fststyle.networks.depth_head import VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.training.depth_task import DepthTask
from fststyle.training.distributed import DistributedContext
from fststyle.training.run import is_complete, launch, open_logger, train_on
from fststyle.training.settings import begun_with, read_settings
from fststyle.training.state import SavedState, starting_state
from fststyle.utils.device import DTYPES, find_precision
from fststyle.utils.versions import versions

VALIDATION_PICTURES = 24
"""Of each set, spread evenly."""
SCALE_PICTURES = 32
"""Crops from which the scale of the output is taken."""
MAY_CHANGE = ("init",)
"""Settings that a resumed run may be given anew, beside ``training.settings.MAY_CHANGE``."""


@from_keywords(DepthTrainConfig)
def run(options: Mapping[str, Any]) -> None:
    """``fststyle depth train``: from the options given to the network's file."""
    config, saved = read_settings(DepthTrainConfig, options, MAY_CHANGE)
    launch(config, saved, _train, "--size")


def _train(config: DepthTrainConfig, saved: SavedState | None, context: DistributedContext) -> None:
    precision = find_precision(config.precision, context.device)
    init = begun_with(config.init, saved)
    data = [open_depth(spec) for spec in config.data]
    val = [open_depth(spec) for spec in config.val]
    sets = _training_sets(config, data)
    samples = DepthCrops(
        [part.data for part in sets],
        [part.share for part in sets],
        parse_size(config.size),
        config.batch_size,
        config.seed,
        one_shape=config.one_shape,
        augment=config.augment,
    )
    context.say(
        ", ".join(f"{part.pictures} {part.name}" for part in sets)
        + f"; {context.device.type}, {precision}, {context.size} process(es)"
    )

    card = _card(sets, init)
    network = _network(config, fresh=saved is None)
    extractor = None
    if isinstance(network, VGGDepthHead):
        extractor, card["loss_network"] = depth_extractor(config.vgg_weights)
        extractor.to(context.device)
        extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    network.to(context.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True
    )
    state = starting_state(network, optimizer, precision, saved, config.folder, context)
    if is_complete(state, config, context):
        return

    logger = open_logger(config, state, context, fresh=saved is None)
    val_pictures: dict[str, list[DepthPicture]] = {}
    if context.is_main_process:
        val_pictures = {part.name: _read_some(part, VALIDATION_PICTURES) for part in val}
    metric = {part.name: part.metric for part in val}
    task = DepthTask(
        config, extractor, precision, context.device, logger, val_pictures, metric, card
    )
    if context.is_main_process:
        task.scale_images = _scale_images(data, samples, config)
    train_on(samples, task, state, config, precision, context, logger, "depth train")
    accuracy = ", ".join(f"{name} {f['accuracy']:.3f}" for name, f in task.figures.items())
    context.say(
        f"{task.network_file}: {state.step} steps" + (f"; accuracy {accuracy}" if accuracy else "")
    )


class TrainingSet(NamedTuple):
    """Pictures with depth to train on, and how often they are taken beside others."""

    name: str
    data: DepthData | SceneRenderer
    pictures: int
    share: float


def _training_sets(config: DepthTrainConfig, data: Sequence[DepthData]) -> list[TrainingSet]:
    """``data`` and the rendered scenes. Raises ValueError where names or shares are wrong."""
    sets: list[tuple[str, DepthData | SceneRenderer, int]] = [(d.name, d, len(d)) for d in data]
    if config.scenes:
        photos = [photo for folder in config.scenes for photo in find_images(folder)]
        sets.append(("scenes", SceneRenderer(photos), len(photos)))
    names = [name for name, *_ in sets]
    settings.check(len(set(names)) == len(names), f"two sets bear one name: {', '.join(names)}")
    shares = dict(parse_share(share) for share in config.share)
    for name in shares.keys() - set(names):
        raise ValueError(f"--share {name}=…: no set of that name ({', '.join(names)})")
    return [
        TrainingSet(name, part, pictures, shares.get(name, float(pictures)))
        for name, part, pictures in sets
    ]


def _card(sets: Sequence[TrainingSet], init: Mapping[str, str] | None) -> dict[str, Any]:
    """What the network's file will say of what it was made from."""
    total = sum(part.share for part in sets)
    data = {
        part.name: {"pictures": part.pictures, "share": round(part.share / total, 4)}
        for part in sets
    }
    return {"data": data, "versions": versions(), **({"init": init} if init else {})}


NEW: Mapping[str, Callable[[DepthTrainConfig], nn.Module]] = {
    "vgg_head": lambda config: VGGDepthHead(blocks=config.blocks),
    "fast": lambda _: new_fast(),
    "hourglass": lambda _: HourglassDepth(),
}
"""Networks without training, by what ``--network`` calls them."""


def _network(config: DepthTrainConfig, *, fresh: bool) -> nn.Module:
    """The network to train; a run that is resumed has no more need of its ``--init``.

    Raises ValueError where that is of another kind.
    """
    if config.init and fresh:
        model = load(config.init, DEPTH, vgg_weights=config.vgg_weights)
        settings.check(
            model.kind == config.network,
            f"--init {config.init} holds a {model.kind!r}, not a {config.network!r}",
        )
        network = model.network
        if config.network == "vgg_head" and isinstance(network, VGGDepth):
            network = network.head
        network.train().requires_grad_(True)
    else:
        network = NEW[config.network](config)
    for module in network.modules():
        if isinstance(module, VGGDepthHead):
            module.dropout.p = config.dropout
    return network


def _read_some(data: DepthData, count: int) -> list[DepthPicture]:
    """Up to ``count`` pictures that can be read, spread evenly."""
    pictures: list[DepthPicture] = []
    for item in evenly_spread(data.items, count):
        if len(pictures) == count:
            break
        try:
            pictures.append(data.read(item))
        except (ValueError, OSError):
            continue
    settings.check(bool(pictures), f"none of the pictures of {data.name} can be used")
    return pictures


def _scale_images(
    data: Sequence[DepthData], samples: DepthCrops, config: DepthTrainConfig
) -> Tensor:
    """Crops of the training photos, uncoloured; of rendered scenes where there is nothing else."""
    size = parse_size(config.size)
    if not data:
        return samples[list(range(SCALE_PICTURES))].images
    random = np.random.default_rng(config.seed)
    images = [
        crop(picture, size, random)[0]
        for part in data
        for picture in _read_some(part, max(1, SCALE_PICTURES // len(data)))
    ]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
