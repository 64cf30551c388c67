"""Where VGG-19's weights come from."""

import os
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from fststyle.checkpoints.foreign_files import read_tensors

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
        return _read_once(file), file.name
    at_hand = local_weights()
    if at_hand is not None:
        return _read_once(at_hand), str(ASSET)
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


def _read_once(file: Path) -> dict[str, Tensor]:
    """As ``read_tensors``; the loss and a depth network may both want the same file."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    stat = file.stat()
    return dict(_read(file, stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=1)
def _read(file: Path, changed: int, size: int) -> dict[str, Tensor]:
    return read_tensors(file)


def local_weights() -> Path | None:
    """The file in ``$FSTSTYLE_ASSETS``, where it is."""
    assets = os.environ.get("FSTSTYLE_ASSETS")
    file = Path(assets) / ASSET if assets else None
    return file if file is not None and file.is_file() else None
