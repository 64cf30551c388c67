"""ONNX files from anywhere: refused, in one line, before ONNX Runtime has them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from fststyle.inference.stylizer import Stylizer
from fststyle.sessions.model_file import read_model
from fststyle.sessions.session import open_session
from fststyle.utils.pretrained import shipped_styles
from tests.conftest import ROOT

STYLE = ROOT / "checkpoints/styles/great_wave_live.onnx"
Change = Callable[[onnx.ModelProto], object]


def first(model: onnx.ModelProto, kind: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == kind)


def attribute(model: onnx.ModelProto, kind: str, name: str) -> onnx.AttributeProto:
    return next(a for a in first(model, kind).attribute if a.name == name)


def constant(model: onnx.ModelProto, kind: str, place: int, values: list[int]) -> None:
    """Give the first node of ``kind`` other ``values``, at its input number ``place``."""
    name = first(model, kind).input[place]
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.array(values, np.int64), name))


def bomb(model: onnx.ModelProto) -> None:
    shape = onnx.helper.make_tensor("s", TensorProto.INT64, [2], [1 << 20, 1 << 20])
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("ConstantOfShape", ["s"], ["bomb"]))


def expand(model: onnx.ModelProto) -> None:
    shape = onnx.helper.make_tensor("s", TensorProto.INT64, [4], [1, 1 << 15, 1 << 15, 3])
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("Expand", ["strength", "s"], ["bomb"]))


def claim(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.dims[:] = [1 << 20, 1 << 20]


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def card(model: onnx.ModelProto, text: str) -> None:
    onnx.helper.set_model_props(model, {"fststyle": text})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.metadata_props.pop(), "not a network exported by fststyle"),
        (lambda m: card(m, '{"network": '), "its card is no JSON"),
        (lambda m: card(m, '{"settings": 3}'), "its card has 3 for settings"),
        (bomb, "a node of kind 'ConstantOfShape'"),
        (expand, "Expand is given"),
        (claim, "holds .* values of 1099511627776"),
        (outside, "in a place, that none has"),
        (lambda m: attribute(m, "Conv", "group").__setattr__("i", 0), "'group' is"),
        (lambda m: attribute(m, "Conv", "strides").ints.__setitem__(0, 0), "'strides' is"),
        (lambda m: attribute(m, "Conv", "pads").ints.__setitem__(0, 1 << 40), "'pads' is"),
        (lambda m: attribute(m, "DepthToSpace", "blocksize").__setattr__("i", 0), "'blocksize' is"),
        (lambda m: constant(m, "Pad", 1, [0, 0, 1 << 40, 0] * 2), "Pad is given"),
        (lambda m: constant(m, "Pad", 1, [0, 0, -9, 0] * 2), "Pad is given"),
        (lambda m: constant(m, "Slice", 2, [1]), "is empty"),
        (lambda m: first(m, "Conv").__setattr__("domain", "elsewhere"), "a node of kind"),
        (lambda m: m.graph.output[0].__setattr__("name", "depth"), "damaged"),
    ],
)
def test_what_no_export_writes_is_refused(change: Change, message: str, tmp_path: Path) -> None:
    model, path = onnx.load(STYLE), tmp_path / "x.onnx"
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=message) as caught:
        read_model(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_files_of_newer_versions_say_so(tmp_path: Path) -> None:
    model, path = onnx.load(STYLE), tmp_path / "x.onnx"
    card(model, json.dumps({"exported_with": {"fststyle": "99.0"}, "painting": "a field"}))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"for painting.*written by fststyle 99\.0"):
        open_session(path, "cpu", 1, output="output", holds="style network")


def test_what_is_no_file_or_half_of_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_model(tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="is a folder"):
        read_model(tmp_path)
    data = STYLE.read_bytes()
    for length in (0, 1, 1000, len(data) // 2, len(data) - 1):
        (tmp_path / "x.onnx").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"x\.onnx: (damaged|not a network)"):
            read_model(tmp_path / "x.onnx")


def test_a_graph_that_fails_in_the_middle_is_one_line(tmp_path: Path) -> None:
    """What only running shows: a reflection of more pixels than there are."""
    model, path = onnx.load(STYLE), tmp_path / "x.onnx"
    constant(model, "Pad", 1, [0, 0, 60, 60] * 2)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="x.onnx: (ONNX Runtime cannot run it|damaged)") as caught:
        Stylizer(path, "cpu").run(np.zeros((1, 20, 20, 3), np.uint8))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", shipped_styles())
def test_all_that_ship_are_read(name: str) -> None:
    assert read_model(shipped_styles()[name]).card["kind"] == "transform"
