"""Training a style network: what stands between the settings and the loop."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.utils import make_grid

from fststyle import config as settings
from fststyle.checkpoint import save_transform
from fststyle.config import StyleTrainConfig
from fststyle.data.photos import PhotoCrops, fingerprint, validation_images
from fststyle.images import find_images, read_image, resize, to_uint8, write_image
from fststyle.networks.calibration import calibrate
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import VGG19Features, check_layers
from fststyle.networks.vgg_weights import load_vgg19_state
from fststyle.objective import StyleObjective
from fststyle.training.board import Board
from fststyle.training.device import DTYPES, autocast, find_precision
from fststyle.training.distributed import World
from fststyle.training.loop import to_device
from fststyle.training.run import (
    STATE,
    launch,
    prepare_folder,
    read_settings,
    sha256,
    table,
    train_on,
    versions,
)
from fststyle.training.state import TrainingState, save_state

VALIDATION_PHOTOS = 8
SHIFTS = 8
"""Pixels: the size of the deepest pooling window in the loss network, seen from the image."""
MAY_CHANGE = ("content", "style")
"""Settings that a resumed run may be given anew, beside ``run.MAY_CHANGE``."""


def run(options: Mapping[str, Any]) -> None:
    """``fststyle train``: from the options given to the network's file."""
    config, saved = read_settings(StyleTrainConfig, options, MAY_CHANGE)
    check_layers((*config.content_layers, *config.style_layers))
    launch(config, saved, _train, "--image-size")


def _train(config: StyleTrainConfig, saved: Any, world: World) -> None:
    precision = find_precision(config.precision, world.device)
    photos = find_images(config.content)
    val_photos = find_images(config.val) if config.val else photos
    paintings = [read_image(path) for path in config.style]
    prepare_folder(config, world)
    card: dict[str, Any] = {
        "style": [{"name": path.name, "sha256": sha256(path)} for path in config.style],
        "photo_order": fingerprint(photos, config.content),
        "versions": versions(),
    }
    if saved is not None:
        _check_same_inputs(saved[1], card)
    say = print if world.leads else lambda *_: None
    say(f"{len(photos)} photos; {world.device.type}, {precision}, {world.size} process(es)")

    objective, card["loss_network"] = build_objective(config, paintings, world.device, precision)
    network = TransformNet(config.width).to(world.device)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), config.lr, fused=True)
    scaler = torch.amp.GradScaler(world.device.type, enabled=precision == "fp16")
    state = TrainingState(network, optimizer, scaler)
    if saved is not None:
        state.restore(*saved)
        say(f"going on from step {state.step}")
    if state.step >= config.steps:
        say(f"{config.folder} is complete: to go on, give more --steps")
        return

    board = Board(config.folder / "tensorboard" if world.leads else None, state.step)
    size = config.image_size
    val = validation_images(val_photos, size, VALIDATION_PHOTOS) if world.leads else None
    if config.val:
        validation_images(photos, size, 1)  # fails here, in one line, where none can be decoded
    task = StyleTask(config, objective, precision, world.device, board, val, card)
    if saved is None:
        board.text("settings", table(settings.to_json(config)), 0)
        for index, painting in enumerate(paintings):
            board.images(f"style/{index}", [_tensor(painting)], 0)

    crops = PhotoCrops(photos, size, config.seed)
    train_on(crops, task, state, config, precision, world, board, "train")
    losses = ", ".join(f"{name} {value:.3f}" for name, value in task.losses.items())
    say(f"{task.network_file}: {state.step} steps; {losses}")


def build_objective(
    config: StyleTrainConfig,
    paintings: list[Image.Image],
    device: torch.device,
    precision: str,
) -> tuple[StyleObjective, str]:
    """The frozen loss network, calibrated if asked for, with the paintings' targets on it; and
    where its weights came from."""
    state, source = load_vgg19_state(config.vgg_weights)
    extractor = VGG19Features(state, (*config.content_layers, *config.style_layers)).to(device)
    if config.calibrate:
        calibrate(extractor)
    sized = [
        _tensor(resize(painting, size / max(painting.size))).to(device)
        for painting in paintings
        for size in config.style_size
    ]
    weights = {
        "content": config.content_weight,
        "style": config.style_weight,
        "tv": config.tv_weight,
    }
    objective = StyleObjective(
        extractor, sized, config.content_layers, config.style_layers, weights
    )
    # The targets are float32's; from here on its weights need no cast at every step.
    extractor.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    return objective, source


class StyleTask:
    """A style network in training: its loss, its validation and its files."""

    def __init__(
        self,
        config: StyleTrainConfig,
        objective: StyleObjective,
        precision: str,
        device: torch.device,
        board: Board,
        val: Tensor | None,
        card: dict[str, Any],
    ) -> None:
        self.config, self.objective, self.card = config, objective, card
        self.precision, self.device = precision, device
        self.board, self.val = board, val
        self.network_file = config.folder / f"{config.name}.safetensors"
        self.losses: dict[str, float] = {}

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says."""
        output = network(images)
        terms = self.objective(shifted(output, step), shifted(images, step))
        return self.objective.weighted_sum(terms), terms

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Mean terms over the validation photos; their stylizations to TensorBoard and a PNG."""
        assert self.val is not None
        sums: dict[str, float] = {}
        outputs = []
        for images in self.val.split(self.config.batch_size):
            content = to_device(images, self.device)
            with autocast(self.device, self.precision):
                output = state.network(content)
                terms = self.objective(output, content)
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.item() * len(images)
            outputs.append(output.float().clamp(0, 1).cpu())
        self.losses = {name: total / len(self.val) for name, total in sums.items()}
        rows = [self.val.float() / 255, torch.cat(outputs)]
        self.board.scalars({f"val/{name}": v for name, v in self.losses.items()}, state.step)
        self.board.images("val", rows, state.step)
        self.board.flush()
        grid = make_grid(torch.cat(rows), nrow=len(self.val)).permute(1, 2, 0).numpy()
        try:
            write_image(Image.fromarray(to_uint8(grid)), self.config.folder / "validation.png")
        except OSError as error:
            print(f"validation.png: cannot be written ({error})", file=sys.stderr)

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


def shifted(images: Tensor, step: int) -> Tensor:
    """N×3×H×W to N×3×(H−8)×(W−8), cut at another of 64 places every step.

    Otherwise the loss network's pooling windows always fall on the same of the network's output
    pixels, and it learns to fill flat regions with a weave that is fixed to that grid. Measured on
    the sky of a photo after 300 steps at 192 px and a style weight of 10, as the power of the
    pattern of period 2 against that of its neighbours in the spectrum: 161 without and 7 with
    shifts; of period 4: 306 and 190.
    """
    top, left = step % SHIFTS, step // SHIFTS % SHIFTS
    height, width = (side - SHIFTS for side in images.shape[-2:])
    cut = images[..., top : top + height, left : left + width]
    return cut.contiguous(memory_format=torch.channels_last)


def _check_same_inputs(card: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """A run goes on exactly only with the painting and the photos it began with."""
    before = [style["sha256"] for style in card["style"]]
    if before != [style["sha256"] for style in now["style"]]:
        raise ValueError("the painting is not the one this run began with: give that with --style")
    if card["photo_order"] != now["photo_order"]:
        print("the photos have changed since this run began: going on with these", file=sys.stderr)


def _tensor(image: Image.Image) -> Tensor:
    """1×3×H×W in [0,1]."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
