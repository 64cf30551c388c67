"""Damage to what checkpoints and exported networks say, in files that can be parsed."""

import io
import json
import random
import struct
from typing import Any

import numpy as np
import onnx
from onnx import helper

from fststyle.config.cards import KEY

Random = random.Random

DEEP = "@deep@"
"""Stands for lists in lists, deeper than any parser of JSON goes."""
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 3.5, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf")),
    *("", "x", "x" * 100_000, "../../x", "\0", "\ud800", [], {}, [None], [[]], {"": None}, DEEP),
    [{"name": None}] * 3,
)
"""What values in JSON become."""


def mutate_json(value: Any, random: Random) -> str:
    """The text of ``value`` with one to three of its parts removed, doubled or made another; now
    and then of something that is no JSON, or of another value altogether."""
    if random.random() < 0.1:
        text = json.dumps(value)
        return random.choice((text[: random.randrange(len(text))], "", "null", "[]", "nonsense"))
    for _change in range(random.choice((1, 1, 2, 3))):
        value = _changed(value, random)
    return json.dumps(value).replace(json.dumps(DEEP), "[" * 100_000 + "]" * 100_000)


def _changed(value: Any, random: Random) -> Any:
    """``value`` with one part of it changed, as deep in it as chance has it."""
    if not isinstance(value, dict | list) or not value or random.random() < 0.05:
        return random.choice(VALUES)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    key = random.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    way = random.random()
    if way < 0.2:
        del copy[key]
    elif way < 0.3 and isinstance(copy, dict):
        copy[random.choice(("x", "", "width", "kind", "__class__"))] = random.choice(VALUES)
    else:
        copy[key] = _changed(copy[key], random)
    return copy


def mutate_safetensors(data: bytes, random: Random, *, card: bool = False) -> bytes:
    """The file with another head: of types, shapes and places of tensors, or with another
    ``card``."""
    (length,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + length])
    if card:
        metadata = head["__metadata__"]
        metadata[KEY] = mutate_json(json.loads(metadata[KEY]), random)
        text = json.dumps(head)
    elif random.random() < 0.5:
        name = random.choice([name for name in head if name != "__metadata__"])
        entry = head[name]
        field = random.choice(("dtype", "shape", "data_offsets"))
        if field == "dtype":
            entry[field] = random.choice(("F64", "F16", "I64", "BOOL", "F8_E4M3", "U8", "nonsense"))
        else:
            numbers = entry[field] or [1]
            place = random.randrange(len(numbers))
            numbers[place] = random.choice((0, 1, -1, 2**31, 2**62, 2**64, numbers[place] * 2))
        text = json.dumps(head)
    else:
        text = mutate_json(head, random)
    encoded = text.encode(errors="surrogatepass")
    return struct.pack("<Q", len(encoded)) + encoded + data[8 + length :]


def mutate_npz(data: bytes, random: Random) -> bytes:
    """The file with an array left out, of another type or shape, or under another name."""
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    name = random.choice(sorted(arrays))
    array = arrays.pop(name)
    others = (
        array.astype(np.float64),
        array.astype(np.complex64),
        array.astype("U8"),
        array.reshape(-1),
        array[..., :0],
        np.full_like(array, np.nan),
        array.astype(object),
        np.broadcast_to(array[..., :1], (*array.shape[:-1], 999)),
    )
    if random.random() < 0.85:
        arrays[random.choice((name, name, name, "x", "a/../b"))] = random.choice(others)
    made = io.BytesIO()
    np.savez(made, **arrays)  # type: ignore[arg-type]
    return made.getvalue()


def mutate_onnx(data: bytes, random: Random, *, card: bool = False) -> bytes:
    """The file with another graph, or with another ``card``."""
    model = onnx.load_model_from_string(data)
    if card:
        entry = next(entry for entry in model.metadata_props if entry.key == KEY)
        text = mutate_json(json.loads(entry.value), random)
        entry.value = text.encode(errors="replace").decode()
        return model.SerializeToString()
    for _change in range(random.choice((1, 1, 2))):
        random.choice(_GRAPH)(model, random)
    return model.SerializeToString()


def _drop_node(model: onnx.ModelProto, random: Random) -> None:
    del model.graph.node[random.randrange(len(model.graph.node))]


def _change_node(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice(model.graph.node)
    node.op_type = random.choice(("Identity", "Shape", "Exp", "Nonsense", "Loop", "Cast", "Conv"))


def _change_attribute(model: onnx.ModelProto, random: Random) -> None:
    node = random.choice([node for node in model.graph.node if node.attribute])
    attribute = random.choice(node.attribute)
    if attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = random.choice((-1, 0, 10**6, 2**62))
    else:
        attribute.i = random.choice((-1, 0, 7, 10**6, 2**62))


def _change_tensor(model: onnx.ModelProto, random: Random) -> None:
    tensor = random.choice(model.graph.initializer)
    way = random.randrange(4)
    if way == 0:
        tensor.raw_data = tensor.raw_data[: len(tensor.raw_data) // 2]
    elif way == 1:
        tensor.data_type = random.choice((0, 1, 6, 7, 8, 10, 99))
    elif way == 2 and tensor.dims:
        tensor.dims[random.randrange(len(tensor.dims))] = random.choice((0, -1, 10**6, 2**40))
    else:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", random.choice(("../x", "/etc/hostname", "missing"))


def _ask_for_memory(model: onnx.ModelProto, random: Random) -> None:
    """A node that makes a tensor of 100 GB, and one that adds it to the input."""
    sides = [1, 3, 100_000, random.choice((100_000, 300_000))]
    graph = model.graph
    graph.initializer.append(helper.make_tensor("huge_shape", onnx.TensorProto.INT64, [4], sides))
    output = graph.output[0].name
    for node in graph.node:
        for place, name in enumerate(node.output):
            if name == output:
                node.output[place] = "small"
    value = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.5])
    nodes = [
        helper.make_node("ConstantOfShape", ["huge_shape"], ["huge"], value=value),
        helper.make_node("ReduceMax", ["huge"], ["top"], keepdims=0),
        helper.make_node("CastLike", ["top", "small"], ["cast"]),
        helper.make_node("Max" if random.random() < 0.5 else "Add", ["small", "cast"], [output]),
    ]
    graph.node.extend(nodes)


def _change_interface(model: onnx.ModelProto, random: Random) -> None:
    value = random.choice((*model.graph.input, *model.graph.output))
    way = random.randrange(3)
    if way == 0:
        value.name = "other"
    elif way == 1:
        value.type.tensor_type.elem_type = random.choice((1, 2, 7, 9, 10))
    elif value.type.tensor_type.shape.dim:
        random.choice(value.type.tensor_type.shape.dim).dim_value = random.choice((0, -1, 2**40))


def _change_version(model: onnx.ModelProto, random: Random) -> None:
    model.ir_version = random.choice((0, 3, 99, model.ir_version))
    model.opset_import[0].version = random.choice((0, 1, 7, 99))


_GRAPH = (
    *(_drop_node, _change_node, _change_attribute, _change_tensor, _ask_for_memory),
    *(_change_interface, _change_version),
)
