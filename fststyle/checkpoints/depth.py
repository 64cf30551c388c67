"""Depth networks as the rest of the product sees them, and their files."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
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
from fststyle.checkpoints.vgg import load_vgg19_state, local_weights
from fststyle.config.cards import explained, public
from fststyle.networks.calibration import calibrate
from fststyle.networks.depth_head import LAYERS, VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transformers_depth import load_transformers_depth
from fststyle.networks.vgg import VGG19Features
from fststyle.utils.files import sha256
from fststyle.utils.pretrained import CHECKPOINTS

KINDS: dict[str, type[nn.Module]] = {"vgg_head": VGGDepthHead, "hourglass": HourglassDepth}
"""Networks we train, by the kind that stands in their cards."""

TRANSFORMERS = "transformers:"

SHIPPED = CHECKPOINTS / "depth"
"""The folder of the networks that come with the project."""


class OtherWeightsError(ValueError):
    """A head reads features of other VGG-19 weights than those at hand."""


def load_depth(
    source: str | Path | None, vgg_weights: Path | None = None, loss_network: str = "vgg19"
) -> tuple[nn.Module, dict[str, Any]]:
    """(frozen depth network, card).

    A depth network is any module that takes N×3×H×W RGB in [0,1] to N×1×H×W relative depth, larger
    = farther, scale arbitrary, differentiable with respect to the image.

    Args:
        source: a file of ours; the kind of one that ships, "vgg_head" or "hourglass"; or
            "transformers:NAME" with a Hugging Face model or its folder. None takes the better of
            those that ship: the head, or the hourglass where the VGG-19 that the head reads is not
            at hand, or not ``loss_network``.
        vgg_weights: for heads on VGG-19, as in ``load_vgg19_state``.

    The card has an "id", a plain file name that no other network has. Raises FileNotFoundError or
    ValueError with the reason.
    """
    if source is None:
        at_hand = vgg_weights is not None or local_weights() is not None
        if at_hand and loss_network == "vgg19":
            with suppress(OtherWeightsError):
                return load_depth(SHIPPED / "vgg_head.safetensors", vgg_weights)
        return load_depth(SHIPPED / "hourglass.safetensors")
    if str(source).startswith(TRANSFORMERS):
        name = str(source).removeprefix(TRANSFORMERS)
        model = load_transformers_depth(name)
        known = {"kind": "transformers", "name": name, "id": _transformers_id(name)}
        return model, {**known, "shorter_side": model.size}
    path = Path(source)
    if str(source) in KINDS and not path.exists():
        path = SHIPPED / f"{source}.safetensors"
    network, card = load_own(path)
    if isinstance(network, VGGDepthHead):
        extractor, here = depth_extractor(vgg_weights)
        if here["id"] != card["loss_network"]["id"]:
            raise OtherWeightsError(
                f"{path} reads the features of other VGG-19 weights"
                f" ({card['loss_network']['source']}, {card['loss_network']['id']}) than those at"
                f" hand ({here['source']}, {here['id']}): give them with"
                " --vgg-weights, or use the hourglass"
            )
        network = VGGDepth(extractor, network)
    id_ = f"{path.stem}-{sha256(path)[:12]}"
    return network.eval().requires_grad_(False), {**card, "id": id_}


def _transformers_id(name: str) -> str:
    """A plain file name for a model of the Hub, or for one in a folder, which may change, and whose
    path is nobody else's business: the folder's own name and a hash of what it holds."""
    if not Path(name).is_dir():
        return re.sub(r"[^\w.-]+", "--", name)
    folder = Path(name).resolve()
    files = sorted(f for f in folder.iterdir() if f.suffix in (".json", ".safetensors"))
    digest = hashlib.sha256("".join(f"{f.name} {sha256(f)}\n" for f in files).encode())
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', folder.name).strip('-.')}-{digest.hexdigest()[:12]}"


def load_own(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """(network of ``KINDS`` in evaluation mode, card); a head comes without its VGG-19.

    Raises FileNotFoundError or ValueError with the reason.
    """
    tensors, card = load_tensors(path)
    kind, built = card.get("kind"), card.get("network", {})
    with explained(card):
        if kind not in KINDS:
            raise ValueError(f"{path}: holds a {kind!r}, not a depth network")
        if built not in _BUILT[kind]:
            raise ValueError(f"{path}: its card asks for a {kind} with {built}, which is not known")
        if kind == "vgg_head" and not _knows_extractor(card):
            raise ValueError(f"{path}: its card does not say which VGG-19 it reads")
        network = KINDS[kind](**built)
        load_strictly(network, tensors, path)
    return network.eval(), card


_BUILT: dict[str, list[dict[str, Any]]] = {
    "vgg_head": [{}],
    "hourglass": [{}, *({"upsampling": kind} for kind in ("nearest", "bilinear"))],
}
"""What cards may say of how a network is built, by its kind."""


def _knows_extractor(card: Mapping[str, Any]) -> bool:
    of = card.get("loss_network")
    return isinstance(of, dict) and all(isinstance(of.get(key), str) for key in ("id", "source"))


def holds_depth(path: Path) -> bool:
    """Whether the file is a depth network of ours; False also for what cannot be read."""
    try:
        return load_card(path).get("kind") in KINDS
    except (ValueError, OSError):
        return False


def depth_extractor(vgg_weights: Path | None) -> tuple[VGG19Features, dict[str, str]]:
    """(calibrated VGG-19 to relu4_3 for ``VGGDepthHead``, what its card says of it)."""
    state, source = load_vgg19_state(vgg_weights)
    extractor = VGG19Features(state, LAYERS)
    identity = weights_id(extractor.state_dict())
    calibrate(extractor)
    return extractor, {"source": Path(source).name, "id": identity}


def save_depth(
    path: Path, network: nn.Module, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a network of ``KINDS``.

    ``half`` as ``halved`` has it, and raises; of the settings in ``card`` the ``public`` are kept.
    """
    kind = next(name for name, type_ in KINDS.items() if isinstance(network, type_))
    tensors: dict[str, Tensor] = network.state_dict()
    if half:
        tensors = halved(tensors, path)
    built = {"upsampling": network.upsampling} if isinstance(network, HourglassDepth) else {}
    save_tensors(path, tensors, {**public(card), "kind": kind, "network": built})


@torch.no_grad()
def fold_output(network: nn.Module, factor: float, shift: float) -> None:
    """Multiply the output of a network of ``KINDS`` by ``factor`` and add ``shift``, in its last
    convolution."""
    last = network.out
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    last.weight.mul_(factor)
    last.bias.mul_(factor).add_(shift)
