"""Safetensors with a card in their metadata, whole or not at all."""

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

from fststyle.config.cards import KEY, parse_card
from fststyle.utils.files import atomic_write, check_file


def save_tensors(path: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write ``tensors`` and ``card`` (JSON values): the file appears whole or not at all.

    Raises OSError where the disk refuses; what stood at ``path`` is then still there.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # save_file of the library leaves files that only their owner can read.
    data = save(contiguous, {KEY: json.dumps(card, sort_keys=True)})
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, card) as ``save_tensors`` wrote them.

    Raises FileNotFoundError, or ValueError where the file is none of ours or damaged.
    """
    with _opened(path) as file:
        card = _card(file, path)
        return {name: file.get_tensor(name) for name in file.keys()}, card  # noqa: SIM118


def has_card(path: Path) -> bool:
    """Whether a safetensors file has a card; errors as in ``load_tensors``."""
    with _opened(path) as file:
        return KEY in (file.metadata() or {})


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


def load_strictly(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    source: Path,
    aliases: Mapping[str, str] | None = None,
) -> None:
    """Give ``network`` the ``tensors`` out of the file ``source``, which is named in messages.

    ``aliases``: what the file calls tensors of the network, to be named in messages, too.

    Raises ValueError that names the tensor that is missing, left over or misshapen.
    """

    def quoted(name: str) -> str:
        alias = (aliases or {}).get(name)
        return f"{name!r} ({alias!r} in the file)" if alias else repr(name)

    expected = network.state_dict()
    for name in sorted(expected.keys() - tensors.keys()):
        raise ValueError(f"{source}: tensor {quoted(name)} is missing")
    for name in sorted(tensors.keys() - expected.keys()):
        raise ValueError(f"{source}: tensor {name!r} belongs to no network of this kind")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{source}: tensor {quoted(name)} should be {tuple(expected[name].shape)},"
                f" found {tuple(tensor.shape)}"
            )
        if not expected[name].is_floating_point():
            continue
        if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            raise ValueError(f"{source}: tensor {quoted(name)} is of type {tensor.dtype}")
        if not tensor.isfinite().all():
            raise ValueError(f"{source}: tensor {quoted(name)} holds values that are not finite")
    network.load_state_dict(dict(tensors))


def weights_id(state: Mapping[str, Tensor]) -> str:
    """A hash of the values of ``state`` at half precision, however they are stored."""
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
