from pathlib import Path
from typing import Any

import pytest
import torch

from fststyle.checkpoints.torch7 import TorchObject, module_tensors, read_torch7
from tests.checkpoints.torch7_writer import Function, Module, write_torch7


@pytest.mark.parametrize("cuda", [False, True])
@pytest.mark.parametrize("versions", [False, True])
def test_values_come_back(tmp_path: Path, cuda: bool, versions: bool) -> None:
    path = tmp_path / "x.t7"
    matrix = torch.arange(12.0).view(3, 4)
    value = {
        "number": 2.5,
        "text": "Øl",
        "yes": True,
        "no": False,
        "nothing": None,
        "list": [1, 2],
        "float": matrix,
        "transposed": matrix.t(),
        "part": matrix[1:, 2],
        "double": torch.tensor([0.1], dtype=torch.float64),
        "long": torch.tensor([1 << 40, -1]),
        "empty": torch.empty(0),
    }
    write_torch7(path, value, cuda=cuda, versions=versions)
    found = read_torch7(path)
    assert list(found) == list(value)
    for key, expected in value.items():
        if isinstance(expected, torch.Tensor):
            assert found[key].dtype == expected.dtype
            assert torch.equal(found[key], expected), key
        elif key != "list":
            assert found[key] == expected
    assert found["list"] == {1: 1, 2: 2}
    found["float"][1, 2] = -1  # tensors of one storage
    assert found["transposed"][2, 1] == found["part"][0] == -1


def test_what_is_shared_is_read_once(tmp_path: Path) -> None:
    table: dict[object, object] = {"weight": torch.ones(2)}
    table["itself"] = table
    module = Module("nn.Linear", table)
    write_torch7(tmp_path / "x.t7", [module, module])
    found = read_torch7(tmp_path / "x.t7")
    assert isinstance(found[1], TorchObject) and found[1].name == "nn.Linear"
    assert found[1] is found[2]
    assert found[1].contents["itself"] is found[1].contents


def test_modules_give_their_tensors_in_order(tmp_path: Path) -> None:
    conv = Module(
        "cudnn.SpatialConvolution",
        {"bias": torch.ones(2), "gradWeight": torch.ones(9), "weight": torch.ones(2, 3, 1, 1)},
    )
    norm = Module(
        "nn.SpatialBatchNormalization",
        {"running_var": torch.full((2,), 4.0), "affine": False, "running_mean": torch.ones(2)},
    )
    old = Module(
        "nn.SpatialBatchNormalization",
        {"running_std": torch.tensor([0.5]), "eps": 0.5, "running_mean": torch.ones(1)},
    )
    pair = Module("nn.ConcatTable", {"modules": [norm, conv, old]})
    root = Module("nn.Sequential", {"modules": [conv, Module("nn.ReLU", {}), pair], "train": True})
    write_torch7(tmp_path / "x.t7", root)
    found = dict(module_tensors(read_torch7(tmp_path / "x.t7")))
    assert list(found) == [
        *("1.weight", "1.bias", "3.1.running_mean", "3.1.running_var"),
        *("3.3.running_mean", "3.3.running_var"),
    ]
    assert found["1.weight"].shape == (2, 3, 1, 1)
    assert found["3.3.running_var"].item() == 3.5  # 1/0.5² − eps


@pytest.mark.parametrize("eps", [None, "x", [1]])
def test_a_damaged_eps_is_the_usual_one(eps: object) -> None:
    norm = {"running_std": torch.tensor([2]), "eps": eps}
    found = dict(module_tensors(TorchObject("nn.SpatialBatchNormalization", norm)))
    assert found["running_var"].item() == pytest.approx(0.25 - 1e-5)


def test_what_is_no_module_is_refused(tmp_path: Path) -> None:
    nothing: Any = None
    others = (([1], "dict"), (torch.ones(1), "Tensor"), (Module("tds.X", nothing), "tds.X"))
    for value, name in others:
        write_torch7(tmp_path / "x.t7", value)
        with pytest.raises(ValueError, match=f"expected a Torch7 module, found a {name}"):
            module_tensors(read_torch7(tmp_path / "x.t7"))


def test_bad_files_get_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.t7"
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_torch7(path)

    def refused(reason: str) -> None:
        with pytest.raises(ValueError, match=f"cannot be read as Torch7's .*{reason}") as error:
            read_torch7(path)
        assert "\n" not in str(error.value) and str(path) in str(error.value)

    write_torch7(path, {"f": Function()})
    refused("holds a Lua function")
    write_torch7(path, {"x": torch.arange(10.0)})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused("ends within")
    path.write_bytes(b"4\n1\n3\nV 1\n")  # Torch7's text format
    refused("unknown type")
    storage = whole.index(b"torch.FloatStorage") + 6
    path.write_bytes(whole[:storage] + b"Float8" + whole[storage + 5 :])
    refused("")
    sizes = whole.index(b"torch.FloatTensor") + 17 + 4
    for at, number, reason in (
        (0, 11, "sizes"),
        (0, 1 << 62, "sizes"),
        (0, -1, "sizes"),
        (8, 2, "out of bounds"),
        (8, -1, ""),
        (16, -5, ""),
    ):
        changed = number.to_bytes(8, "little", signed=True)
        path.write_bytes(whole[: sizes + at] + changed + whole[sizes + at + 8 :])
        refused(reason)
    path.write_bytes(b"".join(i.to_bytes(4, "little") * 1 for n in range(3000) for i in (3, n, 1)))
    refused("recursion")


def test_random_damage_raises_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.t7"
    conv = Module("nn.X", {"weight": torch.ones(2, 2), "modules": [Module("nn.Y", {"a": True})]})
    write_torch7(path, conv)
    whole = path.read_bytes()
    random = torch.Generator().manual_seed(0)
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(2):
            at = int(torch.randint(len(whole), (), generator=random))
            damaged[at] = int(torch.randint(256, (), generator=random))
        path.write_bytes(damaged)
        try:
            list(module_tensors(read_torch7(path)))
        except ValueError as error:
            assert "\n" not in str(error)
