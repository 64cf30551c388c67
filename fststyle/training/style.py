"""Training a style network: what stands between the settings and the loop."""

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.utils import make_grid

from fststyle import config as settings
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.style import STATE, save_transform
from fststyle.config import StyleTrainConfig
from fststyle.config.calls import from_keywords
from fststyle.data.loader import Batch
from fststyle.data.photos import PhotoCrops, fingerprint, validation_images
from fststyle.depth.estimator import training_size
from fststyle.depth.maps import colorize_together
from fststyle.images.find import find_images
from fststyle.images.io import read_image, to_uint8, write_image
from fststyle.losses.build import build_objective
from fststyle.losses.depth import for_loss, load_depth_network
from fststyle.losses.functional import stability_loss
from fststyle.losses.perceptual import StyleObjective
from fststyle.losses.weight_maps import content_weights, gradient_weight_map
from fststyle.networks.transform import STRIDE, TransformNet
from fststyle.networks.vgg import check_layers
from fststyle.training.distributed import DistributedContext
from fststyle.training.loop import to_device
from fststyle.training.run import begun_with, launch, read_settings, train_on
from fststyle.training.shifts import phase_crop, translate
from fststyle.training.state import TrainingState, resume, save_state
from fststyle.training.weight_maps import prepare_weight_maps
from fststyle.utils.device import DTYPES, autocast, find_precision
from fststyle.utils.files import sha256
from fststyle.utils.nonfinite import NonFiniteError
from fststyle.utils.tensorboard import TensorBoardLogger, table
from fststyle.utils.tensors import as_tensor
from fststyle.utils.versions import versions

VALIDATION_PHOTOS = 8
STABILITY_PART = 0.5
"""Part of a batch that the network sees twice for the stability loss."""
VALIDATION_MOVE = (1, 2)
"""Pixels (down, right). In training every step has another of the 15 that differ on the network's
grid."""
STABILITY_MARGIN = 16
"""Pixels at the border that it leaves out."""
MAY_CHANGE = ("content", "style", "depth_cache", "init")
"""Settings that a resumed run may be given anew, beside ``run.MAY_CHANGE``."""


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
    ...     loss_network="small", width=4, steps=2, batch_size=2, image_size="32", style_size=32,
    ...     device="cpu", workers=0,
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


def _train(config: StyleTrainConfig, saved: Any, context: DistributedContext) -> TrainedStyle:
    precision = find_precision(config.precision, context.device)
    init = begun_with(config.init, saved)
    photos, val_photos = find_images(config.content), find_images(config.val_folder)
    paintings = [read_image(path, srgb=True) for path in config.style]
    say = print if context.is_main_process else lambda *_: None
    say(f"{len(photos)} photos; {context.device.type}, {precision}, {context.size} process(es)")
    card: dict[str, Any] = {
        "style": [{"name": path.name, "sha256": sha256(path)} for path in config.style],
        "photo_order": fingerprint(photos, config.content),
        "versions": versions(),
    }
    depth = loss_depth = None
    if config.needs_depth:
        depth = load_depth_network(config, config.vgg_weights)
        card["depth_network"] = {name: depth.card[name] for name in ("kind", "id")}
        depth.network.to(context.device)
    if config.keeps_depth and depth is not None:
        height, width = (side / config.loss_downscale for side in config.crop_size)
        loss_depth = for_loss(
            *(depth.network, training_size(depth.card), DTYPES[precision], (height * width) ** 0.5),
            config.loss_network,
            full_size=config.depth_full_size,
        )
    if saved is not None:
        _check_same_inputs(saved[1], card)
    objective, card["loss_network"] = build_objective(
        config, config.vgg_weights, loss_depth, context.device, DTYPES[precision]
    )
    network = TransformNet(config.width)
    if config.init and saved is None:
        network = _begin_with(config.init, config.width)
    if init:
        card["init"] = init
    network.to(context.device)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), config.lr, fused=True)
    scaler = torch.amp.GradScaler(context.device.type, enabled=precision == "fp16")
    state = TrainingState(network, optimizer, scaler)
    if saved is not None:
        resume(state, saved, config.folder / STATE)
        say(f"going on from step {state.step}")
    if state.step >= config.steps:
        say(f"{config.folder} is complete: to go on, give more --steps")
        file = config.folder / f"{config.name}.safetensors"
        return TrainedStyle(file, state.step, saved[1]["losses"])

    ready = prepare_weight_maps(
        *(config, depth, photos, val_photos, state.samples, context, precision, VALIDATION_PHOTOS)
    )
    with ready as (maps, val_maps):
        size = config.crop_size
        val = validation_images(val_photos, size, VALIDATION_PHOTOS, val_maps)
        if config.val:
            validation_images(photos, size, 1, maps)  # fails here where none can be used
        logger = TensorBoardLogger(
            config.folder / "tensorboard" if context.is_main_process else None, state.step
        )
        if saved is None:
            logger.text("settings", table(settings.to_json(config)), 0)
            for index, painting in enumerate(paintings):
                logger.images(f"style/{index}", [as_tensor(painting)], 0)
        task = StyleTask(config, objective, precision, context.device, logger, val, card)
        if context.is_main_process and config.keeps_depth:
            print(task.cost_of_depth())
        crops = PhotoCrops(photos, size, config.seed, maps)
        try:
            train_on(crops, task, state, config, precision, context, logger, "train")
        except NonFiniteError as error:
            if config.init is None or state.step:
                raise
            raise NonFiniteError(f"{error}; or --init {config.init} is damaged") from error
    losses = ", ".join(f"{name} {value:.3g}" for name, value in task.losses.items())
    say(f"{task.network_file}: {state.step} steps; {losses}")
    return TrainedStyle(task.network_file, state.step, task.losses)


class StyleTask:
    """A style network in training: its loss, its validation and its files."""

    def __init__(
        self,
        config: StyleTrainConfig,
        objective: StyleObjective,
        precision: str,
        device: torch.device,
        logger: TensorBoardLogger,
        val: Batch,
        card: dict[str, Any],
    ) -> None:
        self.config, self.objective, self.card = config, objective, card
        self.precision, self.device = precision, device
        self.logger, self.val = logger, val
        self.network_file = config.folder / f"{config.name}.safetensors"
        self.losses: dict[str, float] = {}
        self.gradient: Tensor | None = None
        if config.weights_content and val.targets is None:
            self.gradient = gradient_weight_map(*config.crop_size, config.weight_map).to(device)

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says; ``targets`` are importance maps."""
        count = math.ceil(len(images) * STABILITY_PART)
        move = divmod(step % (STRIDE**2 - 1) + 1, STRIDE)
        output, stability = self.stylized(network, images, count, move)
        weights = self.weights(self.weight_map(images, targets))
        shift = self.config.grid_shift * self.config.loss_downscale
        terms = self.objective(
            phase_crop(output, step, shift),
            phase_crop(images, step, shift),
            None if weights is None else phase_crop(weights, step, shift),
            depth_part=self.config.depth_part,
        )
        loss = self.objective.weighted_sum(terms)
        if stability is not None:
            terms["stability"] = stability
            loss = loss + self.config.stability_weight * stability
        return loss, terms

    def stylized(
        self, network: nn.Module, images: Tensor, count: int, move: tuple[int, int]
    ) -> tuple[Tensor, Tensor | None]:
        """N×3×H×W outputs, and where it has a weight the stability loss of the first ``count``
        images, moved by ``move`` pixels (down, right)."""
        if not self.config.stability_weight:
            return network(images), None
        # One call for both: processes that train together exchange gradients after every call.
        both = network(torch.cat((images, translate(images[:count], move))))
        output, again = both.split((len(images), count))
        return output, stability_loss(output[:count], again, move, STABILITY_MARGIN)

    def cost_of_depth(self) -> str:
        """What the depth loss adds to a step, measured."""
        shift = self.config.grid_shift * self.config.loss_downscale
        size = [side - shift for side in self.config.crop_size]
        depth_part = self.config.depth_part
        # Of its own generator: measuring must leave no trace in the run.
        noise = torch.Generator().manual_seed(0)
        images = torch.rand(self.config.batch_size, 3, *size, generator=noise).to(self.device)
        images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        seconds: dict[float, float] = {}
        for part in (0.0, depth_part) * 2:  # the first of each warms up
            started = time.perf_counter()
            with autocast(self.device, self.precision):
                terms = self.objective(images, images, depth_part=part)
            self.objective.weighted_sum(terms).backward()
            assert images.grad is not None
            images.grad.sum().item()  # waits for the device
            seconds[part] = time.perf_counter() - started
        return f"the depth loss adds {seconds[depth_part] - seconds[0.0]:.3f} s to a step"

    def weight_map(self, images: Tensor, targets: Tensor | None) -> Tensor | None:
        """The maps of ``images``: what comes with them, or the even gradient; None for neither."""
        if targets is None and self.gradient is not None:
            return self.gradient.expand(len(images), -1, -1, -1)
        return targets

    def weights(self, weight_map: Tensor | None) -> Tensor | None:
        """The content loss's weights; None where it has none."""
        if weight_map is None:
            return None
        return content_weights(weight_map, self.config.alpha_min, self.config.alpha_max)

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Mean terms over the validation photos; their stylizations, and what of weight maps and
        depth there is, to TensorBoard and a PNG."""
        sums: dict[str, float] = {}
        rows: list[list[Tensor]] = []
        size = self.config.batch_size
        for start in range(0, len(self.val.images), size):
            part = slice(start, start + size)
            content = to_device(self.val.images[part], self.device)
            targets = self.val.targets
            weight_map = self.weight_map(
                content, None if targets is None else targets[part].to(self.device)
            )
            with autocast(self.device, self.precision):
                output, stability = self.stylized(
                    state.network, content, len(content), VALIDATION_MOVE
                )
                terms = self.objective(output, content, self.weights(weight_map))
                if stability is not None:
                    terms["stability"] = stability
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.item() * len(content)
            rows.append(self._pictures(content, output, weight_map))
        self.losses = {name: total / len(self.val.images) for name, total in sums.items()}
        self.logger.scalars({f"val/{name}": v for name, v in self.losses.items()}, state.step)
        shown = [torch.cat(row) for row in zip(*rows, strict=True)]
        self.logger.images("val", shown, state.step)
        self.logger.flush()
        grid = make_grid(torch.cat(shown), nrow=len(shown[0])).permute(1, 2, 0).numpy()
        try:
            write_image(Image.fromarray(to_uint8(grid)), self.config.folder / "validation.png")
        except OSError as error:
            print(f"validation.png: cannot be written ({error})", file=sys.stderr)

    def _pictures(self, content: Tensor, output: Tensor, weight_map: Tensor | None) -> list[Tensor]:
        """Content and output; where there are weights, their map, white where content counts most;
        where there is a depth loss, the depth of content and output in one scale of colours."""
        rows = [content, output.float().clamp(0, 1)]
        if weight_map is not None:
            rows.append(weight_map.expand_as(content))
        if self.config.keeps_depth:
            with autocast(self.device, self.precision):
                both = torch.stack([self.objective.depth_of(image) for image in (content, output)])
            columns = both.float().cpu()[:, :, 0].unbind(1)
            colored_depth = [
                [as_tensor(part) for part in colorize_together(list(column.numpy()))]
                for column in columns
            ]
            rows += [torch.cat(row) for row in zip(*colored_depth, strict=True)]
        size = content.shape[-2:]
        return [nn.functional.interpolate(row.cpu(), size=size) for row in rows]

    def save(self, state: TrainingState) -> None:
        """The network's file, then the state: killed in between, the run repeats a few steps."""
        card: dict[str, Any] = {
            **self.card,
            "settings": settings.to_json(self.config),
            "step": state.step,
            "losses": self.losses,
        }
        assert isinstance(state.network, TransformNet)
        save_transform(self.network_file, state.network, card)
        save_state(self.config.folder / STATE, state, card)


def _begin_with(file: Path, width: int) -> TransformNet:
    """The trained network in ``file``, to go on with; raises ValueError for another width."""
    network = load(file, STYLE).network
    settings.check(
        network.width == width,
        f"--init {file} is {network.width} wide: begin with one of --width {width}, or add"
        f" --width {network.width}",
    )
    return network.train()


def _check_same_inputs(card: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run goes on exactly only with the painting and the photos it began with."""
    before = [style["sha256"] for style in card["style"]]
    if before != [style["sha256"] for style in now["style"]]:
        raise ValueError("the painting is not the one this run began with: give that with --style")
    network, others = (c.get("depth_network", {}).get("id") for c in (card, now))
    if network != others:
        raise ValueError(
            f"the depth network is {others}, but this run began with {network}: give that with"
            " --depth-network"
        )
    if card["photo_order"] != now["photo_order"]:
        print("the photos have changed since this run began: going on with these", file=sys.stderr)
