"""Files of style networks, and what their cards say of the training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from fststyle.checkpoints.files import halved, load_card, load_strictly, save_tensors
from fststyle.config.cards import public
from fststyle.networks.transform import TransformNet


def save_transform(
    path: Path, network: TransformNet, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a style network, ``half`` as ``halved`` has it; ``card`` describes it beside what
    rebuilding needs. Of it the ``public`` part is kept: such files are given away."""
    built: dict[str, Any] = {"width": network.width}
    if network.mapped:
        built["mapped"] = True
    card = {**public(card), "kind": "transform", "network": built}
    tensors = network.state_dict()
    save_tensors(path, halved(tensors, path) if half else tensors, card)


def build_transform(
    tensors: Mapping[str, Tensor], card: Mapping[str, Any], path: Path
) -> TransformNet:
    """The network of a file of ours, ``path``; raises ValueError where tensors and card differ."""
    first, built = tensors.get(FIRST), card.get("network", {})
    # What the file asks for must be what it holds, before memory is taken for it.
    width = 0 if first is None or first.ndim != 4 else len(first)
    if not width or built not in ({"width": width}, {"width": width, "mapped": True}):
        shape = "none" if first is None else f"one of shape {tuple(first.shape)}"
        raise ValueError(
            f"{path}: its card asks for the network {built}, and its first kernel,"
            f" {FIRST!r}, is {shape}"
        )
    network = TransformNet(width, mapped="mapped" in built)
    load_strictly(network, tensors, path)
    return network.eval()


FIRST = "down1.conv.weight"
"""The tensor that tells how wide a style network is."""


def training_settings(path: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the network of ``path`` was trained with: those of its ``card``, and where
    the state of its training lies beside it, also those that are nobody else's business."""
    settings = dict(card.get("settings", {}))
    try:
        state = load_card(path.with_name(STATE)).get("settings", {})
    except (ValueError, OSError):
        return settings
    return {**state, **settings} if state.get("name") == settings.get("name") else settings


STATE = "state.safetensors"
"""Name of the file in a run folder that holds the state of training."""
