"""Reading ONNX files, which may be anybody's: only graphs as ``fststyle export`` writes them go on
to ONNX Runtime.

ONNX Runtime trusts what it is given: a stride of 0 ends the process by a signal, a padding of
2**40 pixels asks for that much memory.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from fststyle.config.cards import KEY, parse_card
from fststyle.utils.files import check_file

MAP = "weight_map"
"""Input of a style network's graph that takes a map, N×1×h×w in [0,1] of any resolution."""
_OPERATORS = frozenset(
    (
        *("Add", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv"),
        *("DepthToSpace", "DequantizeLinear", "Div", "Expand", "Gather", "Gemm", "Identity"),
        *("InstanceNormalization", "MaxPool", "Mul", "Pad", "QLinearConv", "QuantizeLinear"),
        *("Range", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize", "Shape", "Slice"),
        *("Squeeze", "Sub", "Transpose", "Unsqueeze"),
    )
)
"""Operators that exported networks consist of."""
_STEPS = ("blocksize", "dilations", "group", "kernel_shape", "strides")
"""Attributes that are divided by, or multiply sizes."""
_LARGEST_STEP = 16
_LARGEST_ATTRIBUTE = 64
_LARGEST_PADDING = 64
_LARGEST_SIDE = 1 << 16
"""Of what a graph for pictures of one size says of sizes."""
_SIZING = ("Concat", "Expand", "Mul", "Range", "Reshape", "Resize")
"""Operators whose constants of whole numbers are sizes, or become such."""
_LARGEST_MAP = 1 << 28
"""Values in a map whose shape a graph says."""
_ITEM_SIZES: dict[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.FLOAT16: 2,
    TensorProto.INT64: 8,
    TensorProto.INT32: 4,
    TensorProto.UINT8: 1,
    TensorProto.INT8: 1,
    TensorProto.BOOL: 1,
}
"""Bytes of a value, for the types of tensors that exported networks have."""


class ModelFile(NamedTuple):
    """``model``: the graph. ``card``: what the file says of itself. ``data``: its bytes."""

    model: onnx.ModelProto
    card: dict[str, Any]
    data: bytes


def read_model(path: Path) -> ModelFile:
    """An ONNX file written by ``fststyle export``.

    Raises FileNotFoundError, or ValueError where it is damaged or none of those.
    """
    check_file(path)
    data = path.read_bytes()
    try:
        model = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's own types
        raise ValueError(f"{path}: damaged, or no ONNX file ({error})") from error
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if KEY not in entries:
        raise ValueError(f"{path}: not a network exported by fststyle")
    card = parse_card(entries[KEY], path)
    for defect in _find_defects(model):
        raise ValueError(f"{path}: damaged, or not exported by fststyle: {defect}")
    try:
        onnx.checker.check_model(data, full_check=True)
    except Exception as error:  # its own types share no base
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path}: damaged ({reason:.300})") from error
    for defect in _find_empty_maps(model):
        raise ValueError(f"{path}: damaged: {defect}")
    return ModelFile(model, card, data)


def _find_empty_maps(model: onnx.ModelProto) -> Iterator[str]:
    """Maps of a style network without a pixel, which ONNX Runtime pads by a signal."""
    if [output.name for output in model.graph.output] != ["output"]:
        return  # shapes in depth networks are computed: nothing is found, in a long time
    infos = [onnx.ValueInfoProto.FromString(i.SerializeToString()) for i in model.graph.input]
    for dim in (dim for info in infos for dim in info.type.tensor_type.shape.dim):
        dim.dim_value = dim.dim_value or 64
    known = {info.name for info in infos}
    shapes = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.INT64]
    infos += [  # of weights only the shape counts, and they are large
        helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        for tensor in model.graph.initializer
        if tensor.data_type != TensorProto.INT64 and tensor.name not in known
    ]
    output = helper.make_empty_tensor_value_info("output")
    graph = helper.make_graph(model.graph.node, "tried", infos, [output], shapes)
    shape_model = helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)
    try:
        inferred = onnx.shape_inference.infer_shapes(shape_model, strict_mode=True, data_prop=True)
    except Exception as error:  # its own types share no base
        yield str(error).strip().partition("\n")[0][:300]
        return
    for value in inferred.graph.value_info:
        dims = value.type.tensor_type.shape.dim
        if any(dim.HasField("dim_value") and dim.dim_value < 1 for dim in dims):
            yield f"the map {value.name!r:.60} is empty"


def _find_defects(model: onnx.ModelProto) -> Iterator[str]:
    """What no exported network has, in words."""
    graph = model.graph
    if model.functions or graph.sparse_initializer or model.training_info:
        yield "it holds more than a graph"
    constants: dict[str, TensorProto] = {}
    for tensor in graph.initializer:
        yield from _find_tensor_defects(tensor)
        constants[tensor.name] = tensor
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in _OPERATORS:
            yield f"it has a node of kind {node.op_type!r:.60}"
        for attribute in node.attribute:
            yield from _find_attribute_defects(attribute)
            if node.op_type == "Constant" and attribute.name == "value" and len(node.output) == 1:
                constants[node.output[0]] = attribute.t
        for name in node.input:
            if name in constants and constants[name].data_type != TensorProto.FLOAT16:
                yield from _find_shape_defects(node, name, constants[name])


def _find_tensor_defects(tensor: TensorProto) -> Iterator[str]:
    size = _ITEM_SIZES.get(tensor.data_type)
    if size is None or tensor.data_location == TensorProto.EXTERNAL:
        yield f"tensor {tensor.name!r:.60} is of a type, or in a place, that none has"
    elif any(dim < 0 for dim in tensor.dims):
        yield f"tensor {tensor.name!r:.60} has a negative size"
    else:
        count = math.prod(tensor.dims)
        values = (tensor.float_data, tensor.int32_data, tensor.int64_data)
        held = len(tensor.raw_data) // size or max(map(len, values))
        if held != count or len(tensor.raw_data) % size:
            yield f"tensor {tensor.name!r:.60} holds {held} values of {count}"


def _find_attribute_defects(attribute: AttributeProto) -> Iterator[str]:
    kind = attribute.type
    if kind in (AttributeProto.INT, AttributeProto.INTS):
        values = attribute.ints if kind == AttributeProto.INTS else (attribute.i,)
        low, high = -4, _LARGEST_ATTRIBUTE
        if attribute.name in _STEPS:
            low, high = 1, _LARGEST_STEP
        elif attribute.name == "pads":
            low = 0
        if len(values) > 8 or not all(low <= value <= high for value in values):
            yield f"{attribute.name!r:.60} is {list(values)!r:.60}"
    elif kind == AttributeProto.TENSOR:
        yield from _find_tensor_defects(attribute.t)
    elif kind not in (AttributeProto.FLOAT, AttributeProto.FLOATS, AttributeProto.STRING):
        yield f"{attribute.name!r:.60} is of a type that none has"


def _find_shape_defects(node: onnx.NodeProto, name: str, tensor: TensorProto) -> Iterator[str]:
    """Constants that say how large a map becomes."""
    place = list(node.input).index(name)
    if node.op_type == "Pad" and place == 1:
        low, high, most = 0, _LARGEST_PADDING, math.inf
    elif node.op_type == "Resize" and place == 2:
        low, high, most = 0, _LARGEST_STEP, math.inf
    elif tensor.data_type == TensorProto.INT64 and node.op_type in _SIZING:
        # Shapes are also put together from single numbers.
        low, high, most = -_LARGEST_SIDE, _LARGEST_SIDE, _LARGEST_MAP
    else:
        return
    values = numpy_helper.to_array(tensor).ravel()
    within = bool(np.all((values >= low) & (values <= high)))
    if len(values) > 8 or not within or math.prod(abs(float(v)) for v in values) > most:
        yield f"{node.op_type} is given {values[:8].tolist()!r:.60}"
