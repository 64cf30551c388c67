"""Files of depth networks, and which of those that ship is the best that can run."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fststyle.checkpoints.files import (
    halved,
    load_card,
    load_strictly,
    load_tensors,
    save_tensors,
    weights_id,
)
from fststyle.checkpoints.vgg import build_loss_network, local_weights, read_vgg19
from fststyle.config.cards import public
from fststyle.networks.calibration import calibrate
from fststyle.networks.depth_head import LAYERS, FastDepth, VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.vgg import TORCHVISION_INDEX, VGG19Features
from fststyle.utils.files import sha256
from fststyle.utils.pretrained import CHECKPOINTS

TRAINED: dict[str, type[nn.Module]] = {
    "vgg_head": VGGDepthHead,
    "fast": FastDepth,
    "hourglass": HourglassDepth,
}
"""Networks that ``depth train`` trains, by the kind that stands in their cards."""

SHIPPED = CHECKPOINTS / "depth"
"""The folder of the networks that come with the project."""


def best_depth(vgg_weights: Path | None = None, loss_network: str = "vgg19") -> Path:
    """The file of the best of those that ship: the head, or the fast one where the VGG-19 that the
    head reads is not at hand, or not ``loss_network``."""
    head = SHIPPED / "vgg_head.safetensors"
    at_hand = vgg_weights is not None or local_weights() is not None
    if at_hand and loss_network == "vgg19":
        _, identity = _plain_extractor(vgg_weights)
        if identity["id"] == load_card(head)["loss_network"]["id"]:
            return head
    return SHIPPED / "fast.safetensors"


def file_id(path: Path) -> str:
    """A plain file name that no other file of a network has."""
    return f"{path.stem}-{sha256(path)[:12]}"


def transformers_id(name: str) -> str:
    """A plain file name for a model of the Hub, or for one in a folder, which may change, and whose
    path is nobody else's business: the folder's own name and a hash of what it holds."""
    if not Path(name).is_dir():
        return re.sub(r"[^\w.-]+", "--", name)
    folder = Path(name).resolve()
    files = sorted(f for f in folder.iterdir() if f.suffix in (".json", ".safetensors"))
    digest = hashlib.sha256("".join(f"{f.name} {sha256(f)}\n" for f in files).encode())
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', folder.name).strip('-.')}-{digest.hexdigest()[:12]}"


def build_head(tensors: Mapping[str, Tensor], card: Mapping[str, Any], path: Path) -> VGGDepthHead:
    """The head of a file of ours, ``path``, without its VGG-19; raises ValueError where tensors and
    card differ."""
    known = [{}, *({"width": 256, "blocks": blocks} for blocks in range(1, 9))]
    _check_built(card, known, path)
    reads = card.get("loss_network")
    if not isinstance(reads, dict) or not all(isinstance(reads.get(k), str) for k in _IDENTITY):
        raise ValueError(f"{path}: its card does not say which VGG-19 it reads")
    network = VGGDepthHead(**card.get("network", {}))
    load_strictly(network, tensors, path)
    return network.eval()


def build_fast(tensors: Mapping[str, Tensor], card: Mapping[str, Any], path: Path) -> FastDepth:
    """The network of a file of ours, ``path``; raises ValueError where tensors and card differ."""
    _check_built(card, [{}], path)
    prefix = "extractor.convs."
    state = {
        f"features.{TORCHVISION_INDEX[conv]}.{part}": tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
        for conv, _, part in [name.removeprefix(prefix).partition(".")]
        if conv in TORCHVISION_INDEX
    }
    try:
        network = FastDepth(VGG19Features(state, LAYERS))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    load_strictly(network, tensors, path)
    return network.requires_grad_(False).eval()


def new_fast() -> FastDepth:
    """One to be trained: the loss network that ships, and a head without training."""
    file = CHECKPOINTS / "loss" / "small.safetensors"
    extractor = build_loss_network(*load_tensors(file), file).cut(LAYERS)
    calibrate(extractor)
    return FastDepth(extractor)


_IDENTITY = ("id", "source")
"""What the card of a head says of its VGG-19."""


def build_hourglass(
    tensors: Mapping[str, Tensor], card: Mapping[str, Any], path: Path
) -> HourglassDepth:
    """The network of a file of ours, ``path``; raises ValueError where tensors and card differ."""
    known = [{}, *({"upsampling": mode} for mode in ("nearest", "bilinear"))]
    _check_built(card, known, path)
    network = HourglassDepth(**card.get("network", {}))
    load_strictly(network, tensors, path)
    return network.eval()


def _check_built(card: Mapping[str, Any], known: Sequence[Mapping[str, Any]], path: Path) -> None:
    built = card.get("network", {})
    if built not in known:
        kind = card.get("kind")
        raise ValueError(f"{path}: its card asks for a {kind} with {built}, which is not known")


def attach_extractor(
    head: VGGDepthHead, card: Mapping[str, Any], vgg_weights: Path | None, path: Path
) -> VGGDepth:
    """``head`` with the VGG-19 that it was trained on; raises ValueError where another is at
    hand."""
    extractor, known = _plain_extractor(vgg_weights)
    reads = card["loss_network"]
    if known["id"] != reads["id"]:
        raise ValueError(
            f"{path} reads the features of other VGG-19 weights ({reads['source']},"
            f" {reads['id']}) than those at hand ({known['source']}, {known['id']}): give them with"
            " --vgg-weights, or use the hourglass"
        )
    calibrate(extractor)
    return VGGDepth(extractor, head)


def depth_extractor(vgg_weights: Path | None) -> tuple[VGG19Features, dict[str, str]]:
    """(calibrated VGG-19 to relu4_3 for ``VGGDepthHead``, what its card says of it)."""
    extractor, identity = _plain_extractor(vgg_weights)
    calibrate(extractor)
    return extractor, identity


def _plain_extractor(vgg_weights: Path | None) -> tuple[VGG19Features, dict[str, str]]:
    """As ``depth_extractor``, before its calibration."""
    network, source = read_vgg19(vgg_weights)
    extractor = network.cut(LAYERS)
    return extractor, {"source": Path(source).name, "id": weights_id(extractor.state_dict())}


def save_depth(
    path: Path, network: nn.Module, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a network of ``TRAINED``.

    ``half``: kernels as float16, see ``halved``; of ``card`` the ``public`` part is kept.
    """
    kind = next(name for name, type_ in TRAINED.items() if isinstance(network, type_))
    tensors: dict[str, Tensor] = network.state_dict()
    if half:
        tensors = halved(tensors, path)
    built: dict[str, Any] = {}
    if isinstance(network, HourglassDepth):
        built = {"upsampling": network.upsampling}
    elif isinstance(network, VGGDepthHead):
        built = network.built
    save_tensors(path, tensors, {**public(card), "kind": kind, "network": built})


@torch.no_grad()
def fold_output(network: nn.Module, factor: float, shift: float) -> None:
    """Multiply the output of a network of ``TRAINED`` by ``factor`` and add ``shift``, in its last
    convolution."""
    last = network.out
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    last.weight.mul_(factor)
    last.bias.mul_(factor).add_(shift)
