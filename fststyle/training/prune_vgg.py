"""A small loss network out of VGG-19: narrower layers that see what VGG-19's see in styles."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from scipy.linalg import qr
from torch import Tensor
from tqdm import tqdm

from fststyle import config as settings
from fststyle.checkpoints import LOSS, load
from fststyle.checkpoints.files import save_tensors
from fststyle.config import LossTrainConfig
from fststyle.config.calls import from_settings
from fststyle.config.cards import public
from fststyle.data.photos import PhotoCrops, validation_images
from fststyle.images.find import find_images
from fststyle.losses.functional import content_loss, gram_matrix
from fststyle.networks.calibration import calibrate
from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX, VGG19Features
from fststyle.utils.files import check_free, check_suffix
from fststyle.utils.versions import versions

DEEPEST = "4_4"
"""The last convolution of a small network."""
LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""Layers whose losses are compared."""
VALIDATION_PHOTOS = 16


@from_settings(LossTrainConfig)
def run(config: LossTrainConfig) -> None:
    """``fststyle loss train``."""
    check_suffix(config.output, ".safetensors")
    check_free([config.output], config.overwrite)
    folders = [find_images(folder) for folder in config.data]
    # Every folder is seen equally often, however few pictures it holds.
    most = max(map(len, folders))
    files = [path for photos in folders for path in photos * round(most / len(photos))]
    size = (config.image_size, config.image_size)
    val = validation_images(find_images(config.val), size, VALIDATION_PHOTOS).images.float() / 255
    vgg19 = load("vgg19", LOSS, vgg_weights=config.vgg_weights)
    teacher = vgg19.network.cut([f"relu{DEEPEST}"])
    most_wide = tuple(channels for channels, _ in BLOCKS[:4])
    settings.check(
        all(width <= most for width, most in zip(config.widths, most_wide, strict=True)),
        f"--widths {config.widths}: VGG-19 itself has {most_wide}",
    )
    images = PhotoCrops(files, size, config.seed)[range(config.pictures)].images.float() / 255
    student = narrowed(teacher, config.widths, images, config.samples)
    for network in (teacher, student):
        calibrate(network)
    figures = parity(teacher, student, val)
    for name, value in figures.items():
        print(f"{name} {value:.2f}")
    tensors = {name: tensor.half() for name, tensor in student.torchvision_state().items()}
    card = {
        "kind": "loss_network",
        "data": [
            {"name": folder.name, "pictures": len(found)}
            for folder, found in zip(config.data, folders, strict=True)
        ],
        "teacher": vgg19.source,
        "figures": figures,
        "settings": settings.to_json(config),
        "versions": versions(),
    }
    save_tensors(config.output, tensors, public(card))
    print(f"{config.output}: {config.output.stat().st_size / 1e6:.1f} MB")


@torch.no_grad()
def narrowed(
    teacher: VGG19Features, widths: Sequence[int], images: Tensor, samples: int
) -> VGG19Features:
    """A network with the layers of ``teacher`` to ``DEEPEST``, ``widths`` channels in each of its
    four blocks.

    Layer by layer those channels of the teacher's are taken from which its others follow best (QR
    with column pivoting on their activations), and weights that give them from what the narrow
    layers before really say, by least squares before the ReLU: channel pruning by reconstruction
    (He, Zhang and Sun 2017), from the first layer to the last. As wide as the teacher, it is the
    teacher.

    Args:
        images: N×3×H×W in [0,1]; a few hundred.
        samples: places in them at which each layer is looked at.
    """
    random = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    theirs = ours = (images - teacher.mean) / teacher.std
    previous = "1"
    names = CONVS[: CONVS.index(DEEPEST) + 1]
    for name in tqdm(names, unit="layer"):
        if name[0] != previous:
            theirs, ours, previous = F.max_pool2d(theirs, 2), F.max_pool2d(ours, 2), name[0]
        conv = teacher.convs[name]
        wanted = _in_parts(conv, theirs)
        height, width = wanted.shape[2:]
        rows = min(height * width, -(-samples // len(images)))
        place = torch.randperm(height * width, generator=random)[:rows]
        at_places = wanted.flatten(2)[..., place].transpose(1, 2).flatten(0, 1)
        _, order = qr(at_places.relu().numpy(), mode="r", pivoting=True)
        chosen = torch.from_numpy(order[: widths[int(name[0]) - 1]].copy()).long().sort().values
        patches = torch.cat(
            [F.unfold(part, 3, padding=1)[..., place].transpose(1, 2) for part in ours.split(8)]
        ).flatten(0, 1)
        fitted = least_squares(patches, at_places[:, chosen])
        weight = fitted[:-1].T.reshape(len(chosen), -1, 3, 3).contiguous()
        bias = fitted[-1].clone()
        state[f"features.{TORCHVISION_INDEX[name]}.weight"] = weight
        state[f"features.{TORCHVISION_INDEX[name]}.bias"] = bias
        theirs = wanted.relu_()
        ours = _in_parts(partial(F.conv2d, weight=weight, bias=bias, padding=1), ours).relu_()
    return VGG19Features(state, [f"relu{DEEPEST}"])


def _in_parts(run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([run(part) for part in images.split(8)])


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """The (A+1)×B matrix that takes P×A, and a column of ones, to P×B."""
    x = torch.cat([x, torch.ones(len(x), 1)], 1)
    square = (x.T @ x).double()
    square.diagonal().add_(1e-6 * square.diagonal().mean())
    return torch.linalg.solve(square, (x.T @ y).double()).float()


def parity(teacher: VGG19Features, student: VGG19Features, images: Tensor) -> dict[str, float]:
    """By layer, the cosine between the gradients that the two networks' style and content losses
    have at pictures on the way from one of ``images`` to another's style: which way descents go."""
    mixed = mixture(images, torch.Generator().manual_seed(0)).requires_grad_()
    figures: dict[str, float] = {}
    maps = {}
    for network in (teacher, student):
        with torch.no_grad():
            of = network(images, LAYERS)
        maps[network] = network(mixed, LAYERS), of
    for layer in LAYERS:
        for kind in ("style", "content"):
            gradients = [
                torch.autograd.grad(criterion(at, of, layer, kind), mixed, retain_graph=True)[0]
                for at, of in maps.values()
            ]
            first, second = (gradient.flatten(1) for gradient in gradients)
            cosine = F.cosine_similarity(first, second).mean().item()
            figures[f"{kind} {layer}, cosine of the gradients"] = round(cosine, 4)
    return figures


def criterion(at: Mapping[str, Tensor], of: Mapping[str, Tensor], layer: str, kind: str) -> Tensor:
    """The sum over pictures of a layer's content loss against the same picture's maps in ``of``, or
    its style loss against those of the picture before it."""
    if kind == "content":
        return len(at[layer]) * content_loss(at[layer], of[layer])
    return (gram_matrix(at[layer]) - gram_matrix(of[layer]).roll(1, 0)).square().sum()


def mixture(images: Tensor, random: torch.Generator) -> Tensor:
    """Each picture mixed with the one before it, from not at all to half, under noise of two
    scales."""
    n, _, height, width = images.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=random) * (high - low) + low

    part = uniform(-0.3, 0.5).clamp(min=0)
    fine, coarse = (
        torch.randn(n, 3, height // scale, width // scale, generator=random) for scale in (1, 8)
    )
    coarse = F.interpolate(coarse, (height, width), mode="bilinear")
    noise = fine * uniform(0, 0.08) + coarse * uniform(0, 0.12)
    return (images + (images.roll(1, 0) - images) * part + noise).clamp(0, 1)
