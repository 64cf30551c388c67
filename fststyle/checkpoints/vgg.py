"""Loss networks: VGG-19, wherever its weights lie, and the narrower ones of ``loss train``."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from fststyle.checkpoints.foreign_files import read_tensors
from fststyle.networks.vgg import VGG19Features, deepest_layer
from fststyle.utils.files import check_file

ASSET = Path("weights/vgg19_features.safetensors")


def read_vgg19(file: Path | None = None) -> tuple[VGG19Features, str]:
    """(VGG-19 to the last layer for which there are weights, where they came from).

    Looks, in this order, at ``file``, at ``$FSTSTYLE_ASSETS/weights/vgg19_features.safetensors``
    and at torchvision's cache, into which it downloads (548 MB) what is not there. Whatever the
    source, it is read once in a process, however many networks want it.

    Raises:
        FileNotFoundError: ``file`` is missing, or nothing was given and nothing can be had.
        ValueError: the file holds no tensors that can be read, or not VGG-19's.
    """
    path = file or local_weights()
    if path is None:
        state, source = _download()
    else:
        check_file(path)
        stat = path.stat()
        state = _read(path, stat.st_mtime_ns, stat.st_size)
        source = path.name if file else ASSET.as_posix()
    return _features(state, path or source), source


@lru_cache(maxsize=1)
def _read(file: Path, changed: int, size: int) -> dict[str, Tensor]:
    """Of the file as it was at ``changed``; the classifier, most of torchvision's, is left out."""
    return {n: t for n, t in read_tensors(file).items() if n.startswith("features.")}


@lru_cache(maxsize=1)
def _download() -> tuple[dict[str, Tensor], str]:
    # Imported here: it takes a second that no other path needs.
    from torchvision.models import VGG19_Weights

    weights = VGG19_Weights.IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"no VGG-19 weights: torchvision could not download them ({error}); fetch"
            f" {weights.url} elsewhere and give it with --vgg-weights FILE"
        ) from error
    return {n: t for n, t in state.items() if n.startswith("features.")}, f"torchvision {weights}"


def build_vgg19(state: Mapping[str, Tensor], _: Mapping[str, Any], path: Path) -> VGG19Features:
    """VGG-19 of torchvision's names, as deep as there are weights for it."""
    return _features(state, path)


def build_loss_network(
    tensors: Mapping[str, Tensor], _: Mapping[str, Any], path: Path
) -> VGG19Features:
    """The network that ``loss train`` wrote into ``path``.

    Raises ValueError where there are numbers that are not finite.
    """
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() and tensor.float().isfinite().all()):
            raise ValueError(f"{path}: damaged: tensor {name!r} holds no finite numbers")
    return _features(tensors, path)


def _features(state: Mapping[str, Tensor], source: Path | str) -> VGG19Features:
    try:
        return VGG19Features(state, [deepest_layer(state)])
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def local_weights() -> Path | None:
    """The file in ``$FSTSTYLE_ASSETS``, where it is."""
    assets = os.environ.get("FSTSTYLE_ASSETS")
    file = Path(assets) / ASSET if assets else None
    return file if file is not None and file.is_file() else None
