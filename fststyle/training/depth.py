"""Training a depth network: what stands between the settings and the loop."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fststyle import config as settings
from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import TRAINED, depth_extractor, fold_output, save_depth
from fststyle.checkpoints.style import STATE
from fststyle.config import DepthEvalConfig, DepthTrainConfig, parse_share, parse_size
from fststyle.config.calls import from_keywords
from fststyle.data.depth.crops import DepthCrops, crop
from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import DepthData, DepthPicture
from fststyle.data.depth.pairs import Pairs, differences, sample_pairs
from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.depth.maps import shaded
from fststyle.evaluation.depth_metrics import evaluate, fitted
from fststyle.images.find import find_images
from fststyle.losses.functional import ranking_loss
from fststyle.networks.depth_head import LAYERS, VGGDepth, VGGDepthHead
from fststyle.networks.vgg import VGG19Features
from fststyle.training.distributed import DistributedContext
from fststyle.training.loop import to_device
from fststyle.training.run import begun_with, launch, read_settings, train_on
from fststyle.training.state import TrainingState, resume, save_state
from fststyle.utils.device import DTYPES, autocast, find_precision
from fststyle.utils.tensorboard import TensorBoardLogger, table
from fststyle.utils.versions import versions

VALIDATION_PICTURES = 24
"""Of each set, spread evenly."""
SCALE_PICTURES = 32
"""Crops from which the scale of the output is taken."""
MAY_CHANGE = ("init",)


@from_keywords(DepthTrainConfig)
def run(options: Mapping[str, Any]) -> None:
    """``fststyle depth train``: from the options given to the network's file."""
    config, saved = read_settings(DepthTrainConfig, options, MAY_CHANGE)
    launch(config, saved, _train, "--size")


def _train(config: DepthTrainConfig, saved: Any, context: DistributedContext) -> None:
    precision = find_precision(config.precision, context.device)
    init = begun_with(config.init, saved)
    say = print if context.is_main_process else lambda *_: None
    data = [open_depth(spec) for spec in config.data]
    val = [open_depth(spec) for spec in config.val]
    sets: list[DepthData | SceneRenderer] = [*data]
    names = [d.name for d in data]
    if config.scenes:
        photos = [photo for folder in config.scenes for photo in find_images(folder)]
        sets.append(SceneRenderer(photos))
        names.append("scenes")
    settings.check(len(set(names)) == len(names), f"two sets bear one name: {', '.join(names)}")
    given = dict(parse_share(share) for share in config.share)
    for name in given.keys() - set(names):
        raise ValueError(f"--share {name}=…: no set of that name ({', '.join(names)})")
    sizes = [len(s) if isinstance(s, DepthData) else len(photos) for s in sets]
    shares = [given.get(name, float(size)) for name, size in zip(names, sizes, strict=True)]
    samples = DepthCrops(
        *(sets, shares, parse_size(config.size), config.batch_size, config.seed),
        one_shape=config.one_shape,
        augment=config.augment,
    )
    say(
        ", ".join(f"{size} {name}" for name, size in zip(names, sizes, strict=True))
        + f"; {context.device.type}, {precision}, {context.size} process(es)"
    )

    card: dict[str, Any] = {
        "data": {
            name: {"pictures": size, "share": round(share / sum(shares), 4)}
            for name, size, share in zip(names, sizes, shares, strict=True)
        },
        "versions": versions(),
    }
    network = _build(config, fresh=saved is None)
    extractor = None
    if isinstance(network, VGGDepthHead):
        extractor, card["loss_network"] = depth_extractor(config.vgg_weights)
        extractor.to(context.device)
        extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    if init:
        card["init"] = init
    network.to(context.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True
    )
    scaler = torch.amp.GradScaler(context.device.type, enabled=precision == "fp16")
    state = TrainingState(network, optimizer, scaler)
    if saved is not None:
        resume(state, saved, config.folder / STATE)
        say(f"going on from step {state.step}")
    if state.step >= config.steps:
        say(f"{config.folder} is complete: to go on, give more --steps")
        return

    logger = TensorBoardLogger(
        config.folder / "tensorboard" if context.is_main_process else None, state.step
    )
    if saved is None:
        logger.text("settings", table(settings.to_json(config)), 0)
    some = {d.name: _some(d, VALIDATION_PICTURES) for d in val} if context.is_main_process else {}
    metric = {d.name: d.metric for d in val}
    task = DepthTask(config, extractor, precision, context.device, logger, some, metric, card)
    if context.is_main_process:
        task.scale_images = _scale_images(data, samples, config)
    train_on(samples, task, state, config, precision, context, logger, "depth train")
    accuracy = ", ".join(f"{name} {f['accuracy']:.3f}" for name, f in task.figures.items())
    say(f"{task.network_file}: {state.step} steps" + (f"; accuracy {accuracy}" if accuracy else ""))


def _build(config: DepthTrainConfig, *, fresh: bool) -> nn.Module:
    """The network to train; a run that is resumed has no more need of its ``--init``."""
    if config.init and fresh:
        model = load(config.init, DEPTH, vgg_weights=config.vgg_weights)
        settings.check(
            model.kind == config.network,
            f"--init {config.init} holds a {model.kind!r}, not a {config.network!r}",
        )
        network = model.network.head if isinstance(model.network, VGGDepth) else model.network
        network.train().requires_grad_(True)
    else:
        network = TRAINED[config.network]()
    if isinstance(network, VGGDepthHead):
        network.dropout.p = config.dropout
    return network


def _some(data: Any, count: int) -> list[DepthPicture]:
    """Up to ``count`` pictures that can be read, spread evenly."""
    found = []
    for item in data.items[:: max(1, len(data) // count)]:
        try:
            found.append(data.read(item))
        except (ValueError, OSError):
            continue
    settings.check(bool(found), f"none of the pictures of {data.name} can be used")
    return found[:count]


def _scale_images(data: list[Any], samples: DepthCrops, config: DepthTrainConfig) -> Tensor:
    """Crops of the training photos, uncoloured; of rendered scenes where there is nothing else."""
    size = parse_size(config.size)
    if not data:
        return samples[list(range(SCALE_PICTURES))].images
    random = np.random.default_rng(config.seed)
    images = [
        crop(picture, size, random)[0]
        for d in data
        for picture in _some(d, max(1, SCALE_PICTURES // len(data)))
    ]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


class DepthTask:
    """A depth network in training: its loss, its validation and its files."""

    scale_images: Tensor

    def __init__(
        self,
        config: DepthTrainConfig,
        extractor: VGG19Features | None,
        precision: str,
        device: torch.device,
        logger: TensorBoardLogger,
        val: Mapping[str, list[DepthPicture]],
        metric: Mapping[str, bool],
        card: dict[str, Any],
    ) -> None:
        self.config, self.extractor, self.card = config, extractor, card
        self.precision, self.device, self.logger = precision, device, logger
        self.val, self.metric = val, metric
        self.network_file: Path = config.folder / f"{config.name}.safetensors"
        self.figures: dict[str, dict[str, float]] = {}

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """N×3×H×W in [0,1] to N×1×H×W."""
        if self.extractor is None:
            return network(images)
        with torch.no_grad():
            features = self.extractor(images, LAYERS)
        return network(features)

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says."""
        assert targets is not None
        pred = self.predict(network, images)
        pairs = self.pairs(targets)
        d = differences(pred, pairs)
        loss = ranking_loss(d, pairs.order, pairs.valid)
        with torch.no_grad():
            ordered = pairs.valid & (pairs.order != 0)
            right = ((d * pairs.order > 0) & ordered).sum() / ordered.sum().clamp(min=1)
        return loss, {"ranking": loss, "accuracy": right}

    def pairs(self, depth: Tensor) -> Pairs:
        """Pairs anywhere and pairs close together, in the parts that the settings ask for."""
        config = self.config
        near = round(config.pairs * config.near_pairs)
        kinds = [
            sample_pairs(
                depth,
                count,
                max_distance=distance,
                min_gap=config.min_gap,
                equal_gap=config.equal_gap,
            )
            for count, distance in ((config.pairs - near, None), (near, config.distance))
            if count
        ]
        return Pairs(*(torch.cat(parts, 1) for parts in zip(*kinds, strict=True)))

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Figures over the validation pictures, and pictures of depth, to TensorBoard."""
        state.network.eval()
        judged = DepthEvalConfig(
            checkpoints=(), data=(), size=self.config.size, min_gap=self.config.min_gap
        )
        for name, pictures in self.val.items():
            self.figures[name] = evaluate(
                lambda image: self.predict(state.network, image),
                pictures,
                judged,
                self.device,
                self.precision,
                metric=self.metric[name],
            )
            self.logger.scalars(
                {f"val_{name}/{k}": v for k, v in self.figures[name].items()}, state.step
            )
            self.logger.images(f"val/{name}", self._pictures(state.network, pictures), state.step)
        self.logger.flush()
        state.network.train()

    def _pictures(self, network: nn.Module, pictures: list[DepthPicture]) -> list[Tensor]:
        """Rows of photos, true and predicted depth."""
        size = parse_size(self.config.size)
        columns = []
        for picture in pictures[:8]:
            image, depth = fitted(picture, size)
            with autocast(self.device, self.precision):
                pred = self.predict(network, _tensor(image).to(self.device))
            shown = shaded(pred.float().cpu().numpy()[0, 0])
            column = [image, np.asarray(shaded(depth)), np.asarray(shown)]
            columns.append([_tensor(c) for c in column])
        small = [
            [nn.functional.interpolate(part, size=size) for part in column] for column in columns
        ]
        return [torch.cat(row) for row in zip(*small, strict=True)]

    def save(self, state: TrainingState) -> None:
        """The network's file, its output scaled, then the state."""
        card: dict[str, Any] = {
            **self.card,
            "settings": settings.to_json(self.config),
            "step": state.step,
            "figures": self.figures,
        }
        # A copy: building another would draw random numbers, and saving must leave no trace.
        network = copy.deepcopy(state.network).eval()
        if self.config.scale_output:
            mean, std = self._output_scale(network)
            fold_output(network, 1 / std, -mean / std)
        save_depth(self.network_file, network, card)
        save_state(self.config.folder / STATE, state, card)

    @torch.no_grad()
    def _output_scale(self, network: nn.Module) -> tuple[float, float]:
        """Mean and standard deviation of the output over the training photos."""
        outputs = []
        for images in self.scale_images.split(4):
            with autocast(self.device, self.precision):
                outputs.append(self.predict(network, to_device(images, self.device)).float())
        output = torch.cat(outputs)
        return output.mean().item(), max(output.std().item(), 1e-6)


def _tensor(image: np.ndarray) -> Tensor:
    """uint8 H×W×3 to 1×3×H×W in [0,1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
