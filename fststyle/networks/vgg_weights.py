"""Where VGG-19's weights come from."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

ASSET = Path("weights/vgg19_features.safetensors")


def load_vgg19_state(file: Path | None = None) -> tuple[dict[str, Tensor], str]:
    """(state dict with torchvision's ``vgg19`` keys, where it came from).

    Looks, in this order, at ``file``, at ``$FSTSTYLE_ASSETS/weights/vgg19_features.safetensors``
    and at torchvision's cache, into which it downloads (548 MB) what is not there.

    Raises:
        FileNotFoundError: ``file`` is missing, or nothing was given and nothing can be had.
        ValueError: the file holds no tensors that can be read.
    """
    if file is not None:
        return read_tensors(file), str(file)
    at_hand = local_weights()
    if at_hand is not None:
        return read_tensors(at_hand), str(ASSET)
    # Imported here: it takes a second that no other path needs.
    from torchvision.models import VGG19_Weights

    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        return weights.get_state_dict(progress=True, check_hash=True), f"torchvision {weights}"
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no VGG-19 weights: torchvision could not download them ({error}); fetch"
            f" {weights.url} elsewhere and give it with --vgg-weights FILE"
        ) from error


def local_weights() -> Path | None:
    """The file in ``$FSTSTYLE_ASSETS``, where it is."""
    assets = os.environ.get("FSTSTYLE_ASSETS")
    file = Path(assets) / ASSET if assets else None
    return file if file is not None and file.is_file() else None


def read_tensors(file: Path) -> dict[str, Tensor]:
    """A flat state dict from .safetensors or a PyTorch .pth/.pt; no pickled code is run.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{file}: cannot be read as tensors ({_first_line(error)})") from error
    except Exception as error:  # what the restricted unpickler refuses, in several types
        raise ValueError(
            f"{file}: holds more than tensors, which is not loaded since it could run code;"
            f" save its state_dict() instead ({_first_line(error)})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{file}: expected a state dict (names to tensors)")
    return state


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def weights_id(state: Mapping[str, Tensor]) -> str:
    """A hash of the values of ``state`` at half precision, however they are stored."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
