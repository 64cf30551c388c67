"""Which network judges pictures: VGG-19, or a small one with its layers."""

from pathlib import Path

from torch import Tensor

from fststyle.checkpoints.files import load_tensors
from fststyle.checkpoints.vgg import load_vgg19_state
from fststyle.config.cards import explained
from fststyle.utils.pretrained import CHECKPOINTS

SMALL = CHECKPOINTS / "loss" / "small.safetensors"
"""The file of the one that comes with the project."""


def load_loss_network(name: str, vgg_weights: Path | None) -> tuple[dict[str, Tensor], str]:
    """(weights as ``VGG19Features`` takes them, where they came from).

    Args:
        name: "vgg19"; "small" for the one that ships; or a file that ``loss train`` wrote.
        vgg_weights: for VGG-19, as ``load_vgg19_state`` has it.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if name == "vgg19":
        try:
            return load_vgg19_state(vgg_weights)
        except FileNotFoundError as error:
            if vgg_weights is not None:
                raise
            raise FileNotFoundError(f"{error}; or train with --loss-network small") from error
    path = SMALL if name == "small" else Path(name)
    if path.suffix != ".safetensors":
        raise ValueError(f"--loss-network {name}: use vgg19, small or NAME.safetensors")
    tensors, card = load_tensors(path)
    with explained(card):
        if card.get("kind") != "loss_network":
            raise ValueError(f"{path}: holds a {card.get('kind')!r}, not a loss network")
        for key, tensor in tensors.items():
            if not (tensor.is_floating_point() and tensor.float().isfinite().all()):
                raise ValueError(f"{path}: damaged: tensor {key!r} holds no finite numbers")
    return {key: tensor.float() for key, tensor in tensors.items()}, path.name
