"""A network's file: safetensors with a card in its metadata, from which the network is rebuilt."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fststyle.files import replacing
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.networks.vgg_weights import read_tensors

PLACES = (
    *("content", "style", "data", "scenes", "val", "init", "output", "run_dir", "resume"),
    *("vgg_weights", "depth_network", "depth_cache", "device", "workers"),
)
"""Settings of a training that say only where things lay: no part of what a network's file says to
others."""

KEY = "fststyle"
"""The metadata entry that holds the card, as JSON."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write ``tensors`` and ``card`` (JSON values): the file appears whole or not at all.

    Raises OSError where the disk refuses; what stood at ``path`` is then still there.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Its own way to files leaves them unreadable to others.
    data = save(contiguous, {KEY: json.dumps(card, sort_keys=True)})
    with replacing(path) as beside:
        beside.write_bytes(data)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, card) as ``save_tensors`` wrote them.

    Raises FileNotFoundError, or ValueError where the file is none of ours or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged, or no safetensors file ({error})") from error
    if KEY not in metadata:
        raise ValueError(f"{path}: not written by fststyle (its metadata has no {KEY!r} entry)")
    return tensors, json.loads(metadata[KEY])


def public(card: Mapping[str, Any]) -> dict[str, Any]:
    """``card`` without ``PLACES``, which may say more of a person's machine than they meant to."""
    if "settings" not in card:
        return dict(card)
    kept = {name: value for name, value in card["settings"].items() if name not in PLACES}
    return {**card, "settings": kept}


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def halved(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """``tensors`` with kernels as float16, for half the size; vectors, a hundredth of all, stay.

    Raises ValueError, with ``path`` in it, where a kernel's values are too large for float16.
    """
    half = {n: t.half() if t.ndim > 1 else t for n, t in tensors.items()}
    for name, tensor in half.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: tensor {name!r} does not fit float16")
    return half


def load_card(path: Path) -> dict[str, Any]:
    """The card alone; errors as in ``load_tensors``."""
    return load_tensors(path)[1]


def save_transform(
    path: Path, network: TransformNet, card: Mapping[str, Any], *, half: bool = False
) -> None:
    """Write a style network, ``half`` as ``halved`` has it; ``card`` describes it beside what
    rebuilding needs."""
    card = {**card, "kind": "transform", "network": {"width": network.width}}
    tensors = network.state_dict()
    save_tensors(path, halved(tensors, path) if half else tensors, card)


def load_transform(path: Path) -> tuple[TransformNet, dict[str, Any]]:
    """(network in evaluation mode, card) from our file, or from a pytorch/examples network.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if path.suffix in (".pth", ".pt", ".model", ".npz"):
        network = from_pytorch_examples(_foreign_state(path), path)
        return network, {"style": [{"name": path.stem}], "converted_from": path.name}
    tensors, card = load_tensors(path)
    if card.get("kind") != "transform":
        raise ValueError(f"{path}: holds a {card.get('kind')!r}, not a style network")
    network = TransformNet(**card["network"])
    load_strictly(network, tensors, path)
    return network.eval(), card


def _foreign_state(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".npz":
        return read_tensors(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as error:  # zip, header and type errors come in many types
        raise ValueError(f"{path}: not an .npz file of plain arrays ({error})") from error


def from_pytorch_examples(state: Mapping[str, Tensor], source: Path) -> TransformNet:
    """The network of a pytorch/examples ``fast_neural_style`` state dict, of any width.

    That network works on 0..255: the factor goes into the first convolution's weights and the last
    one's weights and bias. The running statistics that its oldest files carry are left out, as
    its own loader does.

    Raises ValueError that names the tensor that is missing, left over or misshapen.
    """
    kept = {
        n: t.float() for n, t in state.items() if ".running_" not in n and "num_batches" not in n
    }
    first = kept.get("conv1.conv2d.weight")
    if first is None or first.ndim != 4:
        raise ValueError(f"{source}: no pytorch/examples fast_neural_style network")
    network = TransformNet(first.shape[0])
    renamed = {ours: kept.pop(theirs) for ours, theirs in _NAMES.items() if theirs in kept}
    load_strictly(network, {**renamed, **kept}, source)
    with torch.no_grad():
        network.down1.conv.weight.mul_(255)
        network.out.conv.weight.div_(255 * OUTPUT_SCALE)
        assert network.out.conv.bias is not None
        network.out.conv.bias.div_(255).sub_(OUTPUT_CENTRE).div_(OUTPUT_SCALE)
    return network.eval()


def _pytorch_examples_names() -> dict[str, str]:
    """Our parameter names to those of pytorch/examples' TransformerNet."""
    blocks = {
        "down1.conv": "conv1.conv2d",
        "down1.norm": "in1",
        "down2.conv": "conv2.conv2d",
        "down2.norm": "in2",
        "down3.conv": "conv3.conv2d",
        "down3.norm": "in3",
        "up1.conv": "deconv1.conv2d",
        "up1.norm": "in4",
        "up2.conv": "deconv2.conv2d",
        "up2.norm": "in5",
        "out.conv": "deconv3.conv2d",
    }
    for i in range(5):
        for j in (1, 2):
            blocks[f"residuals.{i}.conv{j}.conv"] = f"res{i + 1}.conv{j}.conv2d"
            blocks[f"residuals.{i}.conv{j}.norm"] = f"res{i + 1}.in{j}"
    return {f"{a}.{p}": f"{b}.{p}" for a, b in blocks.items() for p in ("weight", "bias")}


_NAMES = _pytorch_examples_names()


def load_strictly(network: nn.Module, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Give ``network`` the ``tensors`` out of the file ``source``, which is named in messages.

    Raises ValueError that names the tensor that is missing, left over or misshapen.
    """
    expected = network.state_dict()
    for name in sorted(expected.keys() - tensors.keys()):
        raise ValueError(f"{source}: tensor {_both(name)} is missing")
    for name in sorted(tensors.keys() - expected.keys()):
        raise ValueError(f"{source}: tensor {name!r} belongs to no network of this kind")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{source}: tensor {_both(name)} should be {tuple(expected[name].shape)},"
                f" found {tuple(tensor.shape)}"
            )
    network.load_state_dict(dict(tensors))


def _both(name: str) -> str:
    theirs = _NAMES.get(name)
    return f"{name!r} ({theirs!r} in pytorch/examples)" if theirs else repr(name)
