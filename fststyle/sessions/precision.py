"""Weights and arithmetic in half precision or in float32: a graph from one to the other."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from fststyle.sessions.model_file import read_model

WIDENED = ("cpu", "webgpu")
"""Providers that get float32. The CPU's computes in that anyway; WebGPU has half precision only on
devices with shader-f16, and a session on others fails."""


def load_for(model: Path, provider: str) -> onnx.ModelProto:
    """The graph in ``model`` as ``provider`` runs it fastest; errors are ``read_model``'s."""
    loaded = read_model(model).model
    return as_float32(loaded) if provider in WIDENED else loaded


def as_float32(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model``, changed in place: float16 weights and arithmetic become float32.

    ONNX Runtime's CPU provider computes in float32 anyway and casts every map to it and back: at
    640×360 and width 32 a frame takes 1.35 times as long so as without the casts.
    """
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            wide = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
            elif attribute.t.data_type == TensorProto.FLOAT16:
                wide = numpy_helper.to_array(attribute.t).astype("float32")
                attribute.t.CopyFrom(numpy_helper.from_array(wide))
    for value in graph.value_info:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


SMALL = 256
"""Elements of an initializer below which it stays as it is."""


def halve_weights(model: onnx.ModelProto) -> None:
    """Store the weights as float16, in place: half the size. They are cast to float32 where a graph
    is read, so that it computes as before, and as fast.

    Raises ValueError where float16 cannot hold them.
    """
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"--half: {tensor.name} holds weights too large for float16")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
