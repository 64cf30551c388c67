"""Training a small loss network to do what VGG-19 does in style transfer."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from scipy.linalg import qr
from torch import Tensor, nn

from fststyle import config as settings
from fststyle.checkpoint import save_tensors
from fststyle.config import LossTrainConfig
from fststyle.data.photos import Batch, PhotoCrops, validation_images
from fststyle.images import find_images
from fststyle.losses import content_loss, gram_matrix
from fststyle.networks.calibration import calibrate
from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX, VGG19Features
from fststyle.networks.vgg_weights import load_vgg19_state
from fststyle.training.board import Board
from fststyle.training.device import DTYPES, autocast, find_precision
from fststyle.training.distributed import World
from fststyle.training.loop import to_device
from fststyle.training.run import (
    STATE,
    launch,
    prepare_folder,
    read_settings,
    table,
    train_on,
    versions,
)
from fststyle.training.state import TrainingState, save_state

DEEPEST = "4_4"
"""The last convolution of the small network."""
MATCHED = ("1_1", "1_2", "2_1", "2_2", "3_1", "3_3", "4_1", "4_3")
"""Convolutions whose ReLUs are to tell what VGG-19's tell."""
STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
CONTENT = ("relu2_2", "relu3_3")
"""Layers of the losses whose gradients are to be VGG-19's."""
VALIDATION_PHOTOS = 16
FIRST_PICTURES, SAMPLES = 96, 30_000
"""What ``begin`` sees: pictures, and places in them, of each layer."""


def run(options: Mapping[str, Any]) -> None:
    """``fststyle loss train``: from the options given to the network's file."""
    config, saved = read_settings(LossTrainConfig, options, ("data",))
    launch(config, saved, _train, "--image-size")


def _train(config: LossTrainConfig, saved: Any, world: World) -> None:
    folders = [find_images(folder) for folder in config.data]
    # Every folder is seen equally often, however few pictures it holds.
    most = max(map(len, folders))
    files = [path for found in folders for path in found * round(most / len(found))]
    val_files = find_images(config.val)
    prepare_folder(config, world)
    say = print if world.leads else lambda *_: None
    teacher_state, source = load_vgg19_state(config.vgg_weights)
    precision = find_precision("auto", world.device)
    say(
        f"{', '.join(str(len(found)) for found in folders)} pictures; {world.device.type},"
        f" teacher in {precision}"
    )
    teacher = VGG19Features(teacher_state, [f"relu{DEEPEST}"])
    calibrate(teacher)
    student = Student(config.widths)
    crops = PhotoCrops(files, (config.image_size, config.image_size), config.seed)
    if saved is None:
        first = crops[range(FIRST_PICTURES)].images
        begin(student, teacher, to_device(first, torch.device("cpu")))
    teacher.to(world.device)
    teacher.convs.to(DTYPES[precision]).to(memory_format=torch.channels_last)
    student.to(world.device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(student.parameters(), config.lr, fused=True)
    state = TrainingState(
        student, optimizer, torch.amp.GradScaler(world.device.type, enabled=False)
    )
    if saved is not None:
        state.restore(*saved)
        say(f"going on from step {state.step}")
    if state.step >= config.steps:
        say(f"{config.folder} is complete: to go on, give more --steps")
        return
    card: dict[str, Any] = {
        "data": [
            {"name": folder.name, "pictures": len(found)}
            for folder, found in zip(config.data, folders, strict=True)
        ],
        "teacher": source,
        "versions": versions(),
    }
    size = (config.image_size, config.image_size)
    board = Board(config.folder / "tensorboard" if world.leads else None, state.step)
    if saved is None:
        board.text("settings", table(settings.to_json(config)), 0)
    val = validation_images(val_files, size, VALIDATION_PHOTOS)
    task = DistillTask(config, teacher, precision, world.device, board, val, card)
    train_on(crops, task, state, config, "fp32", world, board, "loss train")
    figures = ", ".join(f"{name} {value:.3f}" for name, value in task.figures.items())
    say(f"{task.network_file}: {state.step} steps; {figures}")


class Student(nn.Module):
    """The small network, and linear maps from its layers to VGG-19's that training alone needs.

    ``widths``: channels of the four blocks.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.features = VGG19Features(_empty(widths), [f"relu{DEEPEST}"])
        self.features.requires_grad_(True)
        self.adapters = nn.ModuleDict(
            {
                name: nn.Conv2d(widths[block], BLOCKS[block][0], 1)
                for name in MATCHED
                for block in [int(name[0]) - 1]
            }
        )
        self.means: Tensor
        self.levels: Tensor
        self.register_buffer("means", torch.ones(len(MATCHED)))
        self.register_buffer("levels", torch.ones(len(MATCHED)))

    def forward(self, image: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """N×3×H×W in [0,1] to the maps of ``MATCHED``, by layer, each as active on average as
        VGG-19's, which calibration will bring about; and what the adapters make of them."""
        layers = [f"relu{name}" for name in MATCHED]
        maps = self.features(image, layers)
        if self.training:
            with torch.no_grad():
                now = torch.stack([maps[layer].mean() for layer in layers])
                self.means.lerp_(now, 0.02)
        factors = self.levels / self.means
        scaled = {layer: maps[layer] * factors[i] for i, layer in enumerate(layers)}
        told = {f"relu{name}": adapter(scaled[f"relu{name}"])
                for name, adapter in self.adapters.items()}  # fmt: skip
        return scaled, told


def _empty(widths: tuple[int, ...]) -> dict[str, Tensor]:
    """Zeros under torchvision's names."""
    state, channels = {}, 3
    for name in CONVS[: CONVS.index(DEEPEST) + 1]:
        width = widths[int(name[0]) - 1]
        state[f"features.{TORCHVISION_INDEX[name]}.weight"] = torch.zeros(width, channels, 3, 3)
        state[f"features.{TORCHVISION_INDEX[name]}.bias"] = torch.zeros(width)
        channels = width
    return state


@torch.no_grad()
def begin(student: Student, teacher: VGG19Features, images: Tensor) -> None:
    """Weights to begin with: layer by layer, VGG-19's own channels as far as there is room.

    Of each layer those channels are chosen from which the others follow best (QR with column
    pivoting on their activations), and the small layer's weights, from what the small layers before
    it really give, by least squares to what VGG-19's channels are before the ReLU; so are the
    adapters. It takes seconds, and stands where training from random weights stands after half an
    hour.

    Args:
        teacher: in float32, to ``DEEPEST`` or deeper.
        images: N×3×H×W in [0,1]; a hundred are plenty.
    """
    random = torch.Generator().manual_seed(0)
    theirs = ours = (images - teacher.mean) / teacher.std
    previous = "1"
    for name, conv in student.features.convs.items():
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        if name[0] != previous:
            theirs, ours, previous = F.max_pool2d(theirs, 2), F.max_pool2d(ours, 2), name[0]
        wanted = torch.cat([teacher.convs[name](part) for part in theirs.split(8)])
        count, _, height, width = wanted.shape
        rows = min(height * width, SAMPLES // count)
        place = torch.randperm(height * width, generator=random)[:rows]
        at_places = wanted.flatten(2)[..., place].transpose(1, 2).flatten(0, 1)
        _, _, order = qr(at_places.relu().numpy(), mode="economic", pivoting=True)
        chosen = torch.from_numpy(order[: len(conv.bias)].copy()).sort().values
        patches = torch.cat(
            [F.unfold(part, 3, padding=1)[..., place].transpose(1, 2) for part in ours.split(8)]
        ).flatten(0, 1)
        fitted = least_squares(patches, at_places[:, chosen])
        conv.weight.copy_(fitted[:-1].T.reshape(conv.weight.shape))
        conv.bias.copy_(fitted[-1])
        theirs = wanted.relu_()
        ours = torch.cat([conv(part).relu_() for part in ours.split(8)])
        if name in MATCHED:
            number = MATCHED.index(name)
            student.means[number], student.levels[number] = ours.mean(), theirs.mean()
            scaled = (
                (ours * (theirs.mean() / ours.mean()))
                .flatten(2)[..., place]
                .transpose(1, 2)
                .flatten(0, 1)
            )
            fitted = least_squares(scaled, at_places.relu())
            adapter = student.adapters[name]
            assert isinstance(adapter, nn.Conv2d) and adapter.bias is not None
            adapter.weight.copy_(fitted[:-1].T[..., None, None])
            adapter.bias.copy_(fitted[-1])


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """The (A+1)×B matrix that takes P×A, and a column of ones, to P×B."""
    x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
    square = x.T @ x
    square.diagonal().add_(1e-4 * square.diagonal().mean())
    return torch.linalg.solve(square, x.T @ y.double()).float()


class DistillTask:
    """Features that tell what VGG-19's tell, and losses whose gradients point where VGG-19's do.

    The second is what training a style, or optimizing a picture, sees of a loss network (Czarnecki
    et al. 2017 call it Sobolev training). Gradients are asked for at mixtures of pictures with
    noise on them, on the way from a picture to another's style: where descents go.
    """

    def __init__(
        self,
        config: LossTrainConfig,
        teacher: VGG19Features,
        precision: str,
        device: torch.device,
        board: Board,
        val: Batch,
        card: dict[str, Any],
    ) -> None:
        self.config, self.teacher, self.card = config, teacher, card
        self.precision, self.device, self.board, self.val = precision, device, board, val
        self.network_file = config.folder / f"{config.name}.safetensors"
        self.figures: dict[str, float] = {}

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says."""
        random = torch.Generator().manual_seed(step)
        terms = self._terms(network, images, random, "style" if step % 2 else "content")
        loss = (
            terms["features"]
            + self.config.gradient_weight * (1 - terms["cosine"])
            + 0.1 * terms["size"]
        )
        return loss, {name: term.detach() for name, term in terms.items()}

    def _terms(
        self, network: nn.Module, images: Tensor, random: torch.Generator, kind: str
    ) -> dict[str, Tensor]:
        """How far the features are apart, the cosine between the gradients of the content or the
        style loss, and the squared logarithm of how much larger one is than the other."""
        mixed = mixture(images, random).requires_grad_()
        with autocast(self.device, self.precision):
            with torch.no_grad():
                theirs = self.teacher(images, [f"relu{name}" for name in MATCHED])
            theirs_mixed = self.teacher(mixed, [f"relu{name}" for name in MATCHED])
            loss = judge(theirs_mixed, theirs, kind)
        (wanted,) = torch.autograd.grad(loss, mixed)
        both, told = network(torch.cat([images, mixed]))
        count = len(images)
        ours, ours_mixed = ({k: v[part] for k, v in both.items()}
                            for part in (slice(count), slice(count, None)))  # fmt: skip
        errors = []
        for name in MATCHED:
            layer = f"relu{name}"
            target = torch.cat([theirs[layer], theirs_mixed[layer].detach()]).float()
            errors.append(F.mse_loss(told[layer], target) / target.square().mean())
        detached = {k: v.detach() for k, v in ours.items()}
        (found,) = torch.autograd.grad(
            judge(ours_mixed, detached, kind), mixed, create_graph=torch.is_grad_enabled()
        )
        found, wanted = found.flatten(1), wanted.float().flatten(1)
        ratio = found.norm(dim=1) / wanted.norm(dim=1).clamp(min=1e-12)
        return {
            "features": torch.stack(errors).mean(),
            "cosine": F.cosine_similarity(found, wanted).mean(),
            "size": ratio.clamp(min=1e-6).log().square().mean(),
        }

    def validate(self, state: TrainingState) -> None:
        """Cosines and feature errors on photos not trained on."""
        state.network.eval()
        sums: dict[str, list[float]] = {}
        images = to_device(self.val.images, self.device)
        for number, part in enumerate(images.split(self.config.batch_size)):
            for kind in ("content", "style"):
                random = torch.Generator().manual_seed(number)
                for name, term in self._terms(state.network, part, random, kind).items():
                    key = name if name == "features" else f"{kind} {name}"
                    sums.setdefault(key, []).append(term.item())
        state.network.train()
        state.optimizer.zero_grad(set_to_none=True)
        self.figures = {name: sum(values) / len(values) for name, values in sums.items()}
        self.board.scalars({f"val/{name}": v for name, v in self.figures.items()}, state.step)
        self.board.flush()

    def save(self, state: TrainingState) -> None:
        """The network's file in half precision, calibrated, then the state."""
        card: dict[str, Any] = {
            **self.card,
            "settings": settings.to_json(self.config),
            "step": state.step,
            "figures": self.figures,
        }
        assert isinstance(state.network, Student)
        convs = state.network.features.convs
        tensors = {
            f"features.{TORCHVISION_INDEX[name]}.{part}": getattr(convs[name], part).detach().half()
            for name in convs
            for part in ("weight", "bias")
        }
        save_tensors(self.network_file, tensors, {**card, "kind": "loss_network"})
        save_state(self.config.folder / STATE, state, card)


def judge(maps: Mapping[str, Tensor], of: Mapping[str, Tensor], kind: str) -> Tensor:
    """The sum over pictures of the content loss against the same picture's maps in ``of``, or the
    style loss against those of the picture before it."""
    count = len(next(iter(maps.values())))
    if kind == "content":
        return count * torch.stack([content_loss(maps[k], of[k]) for k in CONTENT]).sum()
    differences = [gram_matrix(maps[k]) - gram_matrix(of[k]).roll(1, 0) for k in STYLE]
    return torch.stack([d.square().sum() for d in differences]).sum()


def mixture(images: Tensor, random: torch.Generator) -> Tensor:
    """Each picture mixed with the one before it, from not at all to half, under noise of two
    scales."""
    n, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        drawn = torch.rand(n, 1, 1, 1, generator=random) * (high - low) + low
        return drawn.to(images.device)

    part = uniform(-0.3, 0.5).clamp(min=0)
    fine, coarse = (
        torch.randn(n, 3, height // scale, width // scale, generator=random).to(images.device)
        for scale in (1, 8)
    )
    coarse = F.interpolate(coarse, (height, width), mode="bilinear")
    noise = fine * uniform(0, 0.08) + coarse * uniform(0, 0.12)
    return (images + (images.roll(1, 0) - images) * part + noise).clamp(0, 1)
