"""Files that others wrote, damaged and hostile: one line, and no memory that they only ask for."""

import collections
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fststyle.checkpoints import foreign_files
from fststyle.checkpoints.foreign_files import read_arrays, read_tensors


class Calls:
    """Pickled, a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def refused(path: Path, message: str) -> None:
    read = read_arrays if path.suffix == ".npz" else read_tensors
    with pytest.raises(ValueError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
def test_state_dicts_are_read(tmp_path: Path, legacy: bool, kind: Any) -> None:
    state = kind(a=torch.rand(3, 2), b=torch.nn.Parameter(torch.rand(2).half()), c=torch.arange(3))
    torch.save(state, tmp_path / "x.PTH", _use_new_zipfile_serialization=not legacy)
    found = read_tensors(tmp_path / "x.PTH")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_pickles_could_do_is_refused_unread(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "x.pth"
    ran = tmp_path / "ran"
    for call in (Calls(os.mkdir, str(ran)), Calls(bytearray, 10**12), Calls(getattr, "", "x")):
        torch.save({"a": call}, path, _use_new_zipfile_serialization=not legacy)
        refused(path, "holds more than tensors")
    assert not ran.exists()
    path.write_bytes(pickle.dumps(Calls(os.mkdir, str(ran)), 4))
    refused(path, "x.pth: ")
    assert not ran.exists()


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1).expand(10**6, 10**6)}, path)
    refused(path, "larger than the file")
    for state in ([torch.zeros(1)], {"a": 1}, {1: torch.zeros(1)}, torch.zeros(1)):
        torch.save(state, path)
        refused(path, "expected a state dict")


def test_archives_that_unpack_to_more_than_they_say_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for part in plain.infolist():
            bomb.writestr(part.filename, plain.read(part))
    refused(tmp_path / "bomb.pth", "would unpack to more")
    monkeypatch.setattr(foreign_files, "LARGEST_ARRAYS", 1 << 20)
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(1 << 18, np.float32))
    refused(tmp_path / "x.npz", "would unpack to more")


def test_arrays_that_claim_what_is_not_there_are_refused(tmp_path: Path) -> None:
    header = str({"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}).encode()
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    refused(tmp_path / "x.npz", "not an .npz file of plain arrays")
    np.save(tmp_path / "y.npy", np.zeros(3))
    os.replace(tmp_path / "y.npy", tmp_path / "y.npz")
    refused(tmp_path / "y.npz", "not an .npz file of plain arrays")


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".safetensors"])
def test_every_damage_is_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".pth":
        torch.save({"a": torch.rand(9, 9), "b": torch.rand(3)}, path)
    elif suffix == ".npz":
        np.savez(path, a=np.ones((9, 9)), b=np.ones(3))
    else:
        path.write_bytes(struct.pack("<Q", 100 << 30) + b'{"a": {}}')
        refused(path, "cannot be read as tensors")
        from safetensors.torch import save_file

        save_file({"a": torch.rand(9, 9), "b": torch.rand(3)}, path)
    data = path.read_bytes()
    random = np.random.default_rng(0)
    for number in range(60):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 1 + number % 4):
            damaged[place] = random.integers(256)
        path.write_bytes(damaged[: random.integers(len(data))] if number % 3 == 0 else damaged)
        try:
            (read_arrays if suffix == ".npz" else read_tensors)(path)
        except ValueError as error:
            assert "\n" not in str(error)


def test_what_is_no_file(tmp_path: Path) -> None:
    for read in (read_tensors, read_arrays):
        with pytest.raises(FileNotFoundError, match="no such file"):
            read(tmp_path / "none.pth")
        with pytest.raises(ValueError, match="is a folder"):
            read(tmp_path)
        (tmp_path / "empty.pth").touch()
        with pytest.raises(ValueError, match="empty.pth"):
            read(tmp_path / "empty.pth")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pth")
        refused(tmp_path / "pipe.pth", "is a pipe")
