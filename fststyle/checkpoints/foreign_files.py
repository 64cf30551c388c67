"""Tensors out of files that others wrote: PyTorch's, NumPy's and safetensors; no code in them runs,
and no more memory is taken than they are large."""

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from fststyle.utils.files import check_file

_PLAIN = {
    ("collections", "OrderedDict"),
    *(("torch._utils", f"_rebuild_{kind}") for kind in ("tensor", "tensor_v2", "parameter")),
    *(
        (module, f"{kind}Storage")
        for module in ("torch", "torch.cuda")
        for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte")
    ),
}
"""What a pickled state dict names (module, name). PyTorch's own list of what is harmless is longer,
and has what takes memory without end, such as ``bytearray(10**12)``."""
_LEGACY_PICKLES = 5
"""In PyTorch's files before 1.6: magic number, version, machine, state, names of storages."""


def read_tensors(file: Path) -> dict[str, Tensor]:
    """A flat state dict from .safetensors or a PyTorch .pth/.pt; no pickled code is run.

    Raises FileNotFoundError or ValueError with the reason.
    """
    check_file(file)
    try:
        if file.suffix.lower() == ".safetensors":
            return load_file(file)
        names = _names(file)
    except Exception as error:  # of the library, of zip files, of damaged pickles: many types
        raise ValueError(f"{file}: cannot be read as tensors ({_first_line(error)})") from error
    if names - _PLAIN:
        other = ".".join(min(names - _PLAIN))
        raise ValueError(
            f"{file}: holds more than tensors ({other:.80}), which is not loaded since it could run"
            " code; save its state_dict() instead"
        )
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # likewise
        raise ValueError(f"{file}: cannot be read as tensors ({_first_line(error)})") from error
    if not isinstance(state, dict) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items()
    ):
        raise ValueError(f"{file}: expected a state dict (names to tensors)")
    # A tensor can be a view that repeats few numbers without end.
    if sum(tensor.numel() * tensor.element_size() for tensor in state.values()) > _size(file):
        raise ValueError(f"{file}: its tensors are larger than the file")
    return state


def read_arrays(file: Path) -> dict[str, Tensor]:
    """A flat state dict from an .npz file of plain arrays; errors as in ``read_tensors``."""
    check_file(file)
    try:
        _check_archive(file, compressed=LARGEST_ARRAYS)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as error:  # zip, header and type errors come in many types
        reason = _first_line(error)
        raise ValueError(f"{file}: not an .npz file of plain arrays ({reason})") from error


LARGEST_ARRAYS = 1 << 30
"""Bytes of all arrays in a file together, unpacked."""


def _names(file: Path) -> set[tuple[str, str]]:
    """What the pickles in a PyTorch file name (module, name), of which nothing is loaded."""
    if zipfile.is_zipfile(file):
        _check_archive(file)
        with zipfile.ZipFile(file) as archive:
            pickles = [n for n in archive.namelist() if n.endswith(".pkl")]
            return {name for n in pickles for name in _named(io.BytesIO(archive.read(n)))}
    with open(file, "rb") as stream:
        return {name for _ in range(_LEGACY_PICKLES) for name in _named(stream)}


def _named(stream: BinaryIO) -> Iterator[tuple[str, str]]:
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield module, name
        elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
            yield opcode.name, "of a pickle"


def _check_archive(file: Path, *, compressed: int | None = None) -> None:
    """Raise ValueError where a zip file unpacks to more than itself, or than ``compressed``
    bytes where it may be compressed."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        most = _size(file) if compressed is None else compressed
        if sum(part.file_size for part in parts) > most:
            raise ValueError(f"it would unpack to more than {most} bytes")


def _size(file: Path) -> int:
    return file.stat().st_size


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
