"""Reads Torch7's binary files (``torch.save`` in Lua, ``.t7``); nothing in them is run.

PyPI's ``torchfile`` reads them, too, but its last release is of February 2017.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fststyle.utils.files import check_file

NIL, NUMBER, STRING, TABLE, TORCH, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)

DTYPES = {
    "Byte": torch.uint8,
    "Int": torch.int32,
    "Long": torch.int64,
    "Float": torch.float32,
    "": torch.float32,  # torch.CudaStorage
    "Double": torch.float64,
}

PARTS = ("weight", "bias", "running_mean", "running_var")
"""A module's tensors, in the order in which PyTorch's ``state_dict`` has them."""


@dataclass(eq=False)
class TorchObject:
    """An object of a class that has no meaning here, such as a module: its class and contents."""

    name: str
    contents: Any = None


def read_torch7(file: Path) -> Any:
    """What the file holds: None, float, str, bool, dict, Tensor or TorchObject, nested.

    Storages become one-dimensional tensors, CUDA's tensors the CPU's; what was shared is shared.

    Raises FileNotFoundError, or ValueError where the file is none of Torch7's, is damaged or holds
    Lua functions.
    """
    check_file(file)
    try:
        return _Reader(file.read_bytes()).read()
    # RuntimeError is torch's, and RecursionError; the rest is numbers that are not what they were.
    except (
        _FormatError,
        struct.error,
        RuntimeError,
        ValueError,
        TypeError,
        ArithmeticError,
    ) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file}: cannot be read as Torch7's binary format ({reason})") from error


def read_module(file: Path) -> dict[str, Tensor]:
    """``module_tensors`` of the module in a file; errors as in ``read_torch7``."""
    root = read_torch7(file)
    try:
        return dict(module_tensors(root))
    except (ValueError, TypeError, RuntimeError) as error:  # torch's, and RecursionError
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file}: {reason}") from error


def module_tensors(root: Any) -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of what the modules in ``root`` have learnt, in the order of modules.

    Names count modules from 1, as Lua does: "4.1.2.weight". A module that stands in several places
    comes once. Raises ValueError where ``root`` is no module.
    """
    if not isinstance(root, TorchObject) or not isinstance(root.contents, dict):
        name = root.name if isinstance(root, TorchObject) else type(root).__name__
        raise ValueError(f"expected a Torch7 module, found a {name}")
    return _walk(root, "", set())


def _walk(module: Any, prefix: str, seen: set[TorchObject]) -> Iterator[tuple[str, Tensor]]:
    if not isinstance(module, TorchObject) or module in seen:
        return
    seen.add(module)
    contents = module.contents if isinstance(module.contents, dict) else {}
    if isinstance(deviation := contents.get("running_std"), Tensor):
        # Batch norms of 2015 have 1/sqrt(variance + eps) (nn/BatchNormalization.lua converts, too).
        eps = contents.get("eps")
        eps = eps if isinstance(eps, float) else 1e-5
        contents = {**contents, "running_var": deviation.float() ** -2 - eps}
    for part in PARTS:
        if isinstance(tensor := contents.get(part), Tensor):
            yield prefix + part, tensor
    if isinstance(children := contents.get("modules"), dict):
        for number in range(1, len(children) + 1):
            yield from _walk(children.get(number), f"{prefix}{number}.", seen)


class _FormatError(Exception):
    """The file is not as the format has it."""


class _Reader:
    """Little-endian, longs of 8 bytes. Every object begins with its type as an int32."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.known: dict[int, Any] = {}

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.position:
            raise _FormatError(f"it ends within {count} bytes at byte {self.position}")
        self.position += count
        return self.data[self.position - count : self.position]

    def numbers(self, letter: str, count: int) -> tuple[Any, ...]:
        return struct.unpack(f"<{count}{letter}", self.take(count * struct.calcsize(f"<{letter}")))

    def int32(self) -> int:
        return self.numbers("i", 1)[0]

    def string(self) -> str:
        return self.take(self.int32()).decode("utf-8", "replace")

    def read(self) -> Any:
        kind = self.int32()
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self.numbers("d", 1)[0]
        if kind == STRING:
            return self.string()
        if kind == BOOLEAN:
            return self.int32() != 0
        if kind in FUNCTIONS:
            raise _FormatError("it holds a Lua function, and code is not read")
        if kind not in (TABLE, TORCH):
            raise _FormatError(f"unknown type {kind} at byte {self.position - 4}")
        index = self.int32()  # under which what can be shared is known from its first place on
        if index not in self.known:
            self.known[index] = self.table(index) if kind == TABLE else self.torch(index)
        return self.known[index]

    def table(self, index: int) -> dict[Any, Any]:
        self.known[index] = table = {}  # before its contents, which may refer to it
        for _ in range(self.int32()):
            key, value = self.read(), self.read()
            if isinstance(key, (str, float, bool)):  # no other key is of use here
                table[key] = value
        return table

    def torch(self, index: int) -> Any:
        name = self.string()
        if name.startswith("V "):  # the version of the class; the oldest files have none
            name = self.string()
        kind = name.removeprefix("torch.").removeprefix("Cuda")
        if name.startswith("torch.") and kind.endswith("Storage"):
            return self.storage(kind.removesuffix("Storage"))
        if name.startswith("torch.") and kind.endswith("Tensor"):
            return self.tensor()
        self.known[index] = module = TorchObject(name)
        module.contents = self.read()
        return module

    def storage(self, kind: str) -> Tensor:
        if kind not in DTYPES:
            raise _FormatError(f"a storage of {kind}, which is not known")
        dtype = DTYPES[kind]
        data = bytearray(self.take(self.numbers("q", 1)[0] * dtype.itemsize))
        return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)

    def tensor(self) -> Tensor:
        dimensions = self.int32()
        size, stride = self.numbers("q", dimensions), self.numbers("q", dimensions)
        offset = self.numbers("q", 1)[0] - 1
        storage = self.read()
        if not isinstance(storage, Tensor) or not size:
            return torch.empty(0)
        if min(size) < 0 or math.prod(size) > len(storage) or storage.ndim != 1:
            raise _FormatError(f"a tensor of sizes {size} in {len(storage)} numbers")
        return storage.as_strided(size, stride, offset)
