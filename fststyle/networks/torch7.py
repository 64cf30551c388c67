"""Reads Torch7's binary files (``torch.save`` in Lua, ``.t7``); nothing in them is run.

PyPI's ``torchfile`` does so, too, but its last release is of 2017. The format, little-endian: an
object is an int32 type, then a double, a string (int32 length, bytes), an int32 boolean, or for
what can be shared an int32 index under which it is known from then on and, the first time, its
contents. A table's are an int32 count and so many pairs of objects. A torch object's are a version
("V 1"; not in the oldest files), its class and what that class writes: a storage an int64 count and
the numbers, a tensor an int32 number of dimensions, int64 sizes, strides and offset (from 1) and
its storage, anything else one object.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

NUMBER, STRING, TABLE, TORCH, BOOLEAN = 1, 2, 3, 4, 5
FUNCTIONS = (6, 7, 8)

DTYPES = {
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
}

PARTS = ("weight", "bias", "running_mean", "running_var")
"""A module's tensors in the order in which ``state_dict`` has them."""


@dataclass(eq=False)
class TorchObject:
    """An object of a class that this reader gives no meaning, such as a module."""

    name: str
    """its class, such as "cudnn.SpatialConvolution" """
    contents: Any = field(default=None, repr=False)
    """a dict for a module"""


def load_torch7(file: Path) -> Any:
    """What the file holds: None, bool, float, str, dict, Tensor or TorchObject, nested.

    Storages are one-dimensional tensors; tensors that shared a storage share it still. CUDA tensors
    are read like those of the CPU.

    Raises FileNotFoundError, or ValueError where the file is damaged, is none of Torch7's or holds
    Lua functions.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        return _Reader(file.read_bytes()).object()
    except (_FormatError, struct.error, RecursionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{file}: damaged, or no Torch7 binary file ({reason})") from error


def module_tensors(root: Any) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of all that the modules in ``root`` have learnt, in the order of modules.

    Names are as in Lua, counted from 1: "4.1.2.weight". A module that stands in several places
    comes once. Raises ValueError where ``root`` is no module.
    """
    if not isinstance(root, TorchObject) or not isinstance(root.contents, dict):
        found = root.name if isinstance(root, TorchObject) else type(root).__name__
        raise ValueError(f"expected an nn module, found a {found}")
    yield from _walk(root, "", set())


def _walk(module: TorchObject, prefix: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    contents = module.contents
    if id(module) in seen or not isinstance(contents, dict):
        return
    seen.add(id(module))
    if "running_std" in contents:  # until the end of 2015: one over the standard deviation
        variance = contents["running_std"] ** -2 - contents.get("eps", 1e-5)
        contents = {**contents, "running_var": variance}
    for part in PARTS:
        tensor = contents.get(part)
        if isinstance(tensor, Tensor) and tensor.numel():
            if part == "weight" and tensor.ndim == 2 and "kH" in contents:  # SpatialConvolutionMM
                sizes = [int(contents[key]) for key in ("nOutputPlane", "nInputPlane", "kH", "kW")]
                tensor = tensor.reshape(sizes)
            yield prefix + part, tensor
    children = contents.get("modules")
    if isinstance(children, dict):
        for number in range(1, len(children) + 1):
            child = children.get(float(number))
            if isinstance(child, TorchObject):
                yield from _walk(child, f"{prefix}{number}.", seen)


class _FormatError(Exception):
    """The file is not as the format has it."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.known: dict[int, Any] = {}

    def bytes(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.position:
            raise _FormatError(f"it ends within {count} bytes at {self.position}")
        self.position += count
        return self.data[self.position - count : self.position]

    def numbers(self, format_: str, count: int = 1) -> tuple[Any, ...]:
        return struct.unpack(f"<{count}{format_}", self.bytes(count * struct.calcsize(format_)))

    def int(self) -> int:
        return self.numbers("i")[0]

    def string(self) -> str:
        return self.bytes(self.int()).decode("utf-8", "replace")

    def object(self) -> Any:
        kind = self.int()
        if kind == 0:
            return None
        if kind == NUMBER:
            return self.numbers("d")[0]
        if kind == STRING:
            return self.string()
        if kind == BOOLEAN:
            return self.int() != 0
        if kind in FUNCTIONS:
            raise _FormatError("it holds a Lua function, which is not read since it is code")
        if kind not in (TABLE, TORCH):
            raise _FormatError(f"an object of unknown type {kind} at {self.position - 4}")
        index = self.int()
        if index not in self.known:
            self.known[index] = self.table(index) if kind == TABLE else self.torch(index)
        return self.known[index]

    def table(self, index: int) -> dict[Any, Any]:
        self.known[index] = table = {}
        for _ in range(self.int()):
            key = self.object()
            value = self.object()
            if isinstance(key, (str, float, bool)):  # other keys hold nothing we want
                table[key] = value
        return table

    def torch(self, index: int) -> Any:
        name = self.string()
        if name.startswith("V "):
            name = self.string()
        element = name.removeprefix("torch.").removeprefix("Cuda")
        if name.startswith("torch.") and element.endswith("Storage"):
            return self.storage(DTYPES.get(element.removesuffix("Storage") or "Float"))
        if name.startswith("torch.") and element.endswith("Tensor"):
            return self.tensor()
        self.known[index] = object_ = TorchObject(name)
        object_.contents = self.object()
        return object_

    def storage(self, dtype: torch.dtype | None) -> Tensor:
        if dtype is None:
            raise _FormatError("a storage of unknown numbers")
        (count,) = self.numbers("q")
        data = bytearray(self.bytes(count * dtype.itemsize))
        return torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)

    def tensor(self) -> Tensor:
        dimensions = self.int()
        size = self.numbers("q", dimensions)
        stride = self.numbers("q", dimensions)
        (offset,) = self.numbers("q")
        storage = self.object()
        if not isinstance(storage, Tensor) or not size:
            return torch.empty(0)
        if min(size) < 0 or min(stride) < 0 or math.prod(size) > max(1, len(storage)):
            raise _FormatError(f"a tensor of sizes {size} in {len(storage)} numbers")
        return storage.as_strided(size, stride, offset - 1)
