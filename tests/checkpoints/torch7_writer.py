"""Writes Torch7's binary files, as ``torch.save`` in Lua does."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

KINDS = {torch.float32: "Float", torch.float64: "Double", torch.int64: "Long"}


@dataclass(eq=False)
class Function:
    """A Lua function."""

    code: bytes = b"\x1bLJ"


@dataclass(eq=False)
class Module:
    """A torch object: its class and its table."""

    name: str
    table: dict[Any, Any]


def write_torch7(path: Path, value: object, *, cuda: bool = False, versions: bool = True) -> None:
    """A list becomes a table; with ``cuda`` tensors are CUDA's; the oldest files lack versions."""
    writer = _Writer(cuda, versions)
    writer.write(value)
    path.write_bytes(b"".join(writer.parts))


class _Writer:
    def __init__(self, cuda: bool, versions: bool) -> None:
        self.cuda, self.versions = cuda, versions
        self.parts: list[bytes] = []
        self.indices: dict[object, int] = {}
        self.alive: list[object] = []

    def pack(self, letters: str, *values: float) -> None:
        self.parts.append(struct.pack(f"<{letters}", *values))

    def string(self, text: str) -> None:
        self.pack("i", len(text.encode()))
        self.parts.append(text.encode())

    def is_new(self, kind: int, key: object) -> bool:
        new = key not in self.indices
        self.pack("ii", kind, self.indices.setdefault(key, len(self.indices) + 1))
        return new

    def head(self, name: str) -> None:
        if self.versions:
            self.string("V 1")
        self.string(name)

    def write(self, value: Any) -> None:
        self.alive.append(value)  # or else another object may get its id
        if value is None:
            self.pack("i", 0)
        elif isinstance(value, bool):
            self.pack("ii", 5, value)
        elif isinstance(value, (int, float)):
            self.pack("id", 1, value)
        elif isinstance(value, str):
            self.pack("i", 2)
            self.string(value)
        elif isinstance(value, Function):
            if self.is_new(8, id(value)):
                self.string(value.code.decode("latin-1"))
                self.write({})
        elif isinstance(value, list):
            self.write(dict(enumerate(value, 1)))
        elif isinstance(value, dict):
            if self.is_new(3, id(value)):
                self.pack("i", len(value))
                for pair in value.items():
                    for item in pair:
                        self.write(item)
        elif isinstance(value, Tensor):
            self.tensor(value)
        elif self.is_new(4, id(value)):
            self.head(value.name)
            self.write(value.table)

    def tensor(self, value: Tensor) -> None:
        kind = KINDS[value.dtype]
        if self.cuda:
            kind = "Cuda" + kind.replace("Float", "")
        if not self.is_new(4, id(value)):
            return
        self.head(f"torch.{kind}Tensor")
        self.pack("i", value.ndim)
        self.pack(f"{2 * value.ndim}q", *value.shape, *value.stride())
        self.pack("q", int(value.storage_offset()) + 1)
        storage = value.untyped_storage()
        if self.is_new(4, ("storage", storage.data_ptr())):
            self.head(f"torch.{kind}Storage")
            numbers = torch.empty(0, dtype=value.dtype).set_(storage)
            self.pack("q", len(numbers))
            self.parts.append(numbers.numpy().tobytes())
