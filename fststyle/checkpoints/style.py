"""A network's file: safetensors with a card in its metadata, from which the network is rebuilt."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fststyle.checkpoints.files import halved, load_card, load_strictly, load_tensors, save_tensors
from fststyle.checkpoints.pytorch_examples import _foreign_state, from_pytorch_examples
from fststyle.config.cards import explained, public
from fststyle.networks.transform import TransformNet


def save_transform(
    path: Path, network: TransformNet, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a style network, ``half`` as ``halved`` has it; ``card`` describes it beside what
    rebuilding needs. Of it the ``public`` part is kept: such files are given away."""
    card = {**public(card), "kind": "transform", "network": {"width": network.width}}
    tensors = network.state_dict()
    save_tensors(path, halved(tensors, path) if half else tensors, card)


def load_transform(path: Path) -> tuple[TransformNet, dict[str, Any]]:
    """(network in evaluation mode, card) from our file, or from a pytorch/examples network.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if path.suffix.lower() in (".pth", ".pt", ".model", ".npz"):
        network = from_pytorch_examples(_foreign_state(path), path)
        return network, {"style": [{"name": path.stem}], "converted_from": path.name}
    tensors, card = load_tensors(path)
    with explained(card):
        if card.get("kind") != "transform":
            raise ValueError(f"{path}: holds a {card.get('kind')!r}, not a style network")
        first, built = tensors.get(FIRST), card.get("network", {})
        # What the file asks for must be what it holds, before memory is taken for it.
        if first is None or first.ndim != 4 or built != {"width": len(first)}:
            found = "none" if first is None else f"one of shape {tuple(first.shape)}"
            raise ValueError(
                f"{path}: its card asks for the network {built}, and its first kernel,"
                f" {FIRST!r}, is {found}"
            )
        network = TransformNet(len(first))
        load_strictly(network, tensors, path)
    return network.eval(), card


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
