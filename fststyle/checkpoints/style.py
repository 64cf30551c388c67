"""A network's file: safetensors with a card in its metadata, from which the network is rebuilt."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from fststyle.checkpoints.foreign_files import read_arrays, read_tensors
from fststyle.config.cards import KEY, explained, parse_card, public
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.utils.files import check_file, replacing


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
    with _opened(path) as file:
        card = _card(file, path)
        return {name: file.get_tensor(name) for name in file.keys()}, card  # noqa: SIM118


def load_card(path: Path) -> dict[str, Any]:
    """The card alone; errors as in ``load_tensors``."""
    with _opened(path) as file:
        return _card(file, path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except ValueError:
        raise
    except Exception as error:  # the library's own, and whatever torch makes of odd types
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{path}: damaged, or no safetensors file ({reason})") from error


def _card(file: Any, path: Path) -> dict[str, Any]:
    metadata = file.metadata() or {}
    if KEY not in metadata:
        raise ValueError(f"{path}: not written by fststyle (its metadata has no {KEY!r} entry)")
    return parse_card(metadata[KEY], path)


def halved(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """``tensors`` with kernels as float16, for half the size; vectors, a hundredth of all, stay.

    Raises ValueError, with ``path`` in it, where a kernel's values are too large for float16.
    """
    half = {n: t.half() if t.ndim > 1 else t for n, t in tensors.items()}
    for name, tensor in half.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path}: tensor {name!r} does not fit float16")
    return half


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


def _foreign_state(path: Path) -> dict[str, Tensor]:
    return read_arrays(path) if path.suffix.lower() == ".npz" else read_tensors(path)


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
    # Its number of channels decides how much memory the network takes: it must be there in numbers.
    if first is None or first.shape[1:] != (3, 9, 9) or not len(first):
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
        if not expected[name].is_floating_point():
            continue
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise ValueError(f"{source}: tensor {_both(name)} is of type {tensor.dtype}")
        if not tensor.isfinite().all():
            raise ValueError(f"{source}: tensor {_both(name)} holds values that are not finite")
    network.load_state_dict(dict(tensors))


def _both(name: str) -> str:
    theirs = _NAMES.get(name)
    return f"{name!r} ({theirs!r} in pytorch/examples)" if theirs else repr(name)
