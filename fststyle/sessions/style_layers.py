"""The layers of a style network, out of its exported graph."""

from typing import NamedTuple

import numpy as np
from onnx import GraphProto, TensorProto, numpy_helper


class StyleLayers(NamedTuple):
    """What a graph's layers hold, in float32 and in order.

    Attributes:
        convolutions: kernels C'×C×k×k and biases C'; of layers that make four pixels at once those
            of all four, see ``UpsampleConvNorm`` and ``OutputConv``.
        norms: scales and shifts, C each.
        modulations: scales and shifts, C×1×1 each, of what follows a weight map.
    """

    convolutions: list[tuple[np.ndarray, ...]]
    norms: list[tuple[np.ndarray, ...]]
    modulations: list[tuple[np.ndarray, ...]]


def style_layers(graph: GraphProto) -> StyleLayers:
    """Of any graph; what holds no such layers gives none."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:  # weights that are stored as float16 are widened first
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    found = StyleLayers([], [], [])
    kinds = {"Conv": found.convolutions, "InstanceNormalization": found.norms}
    per_channel: list[np.ndarray] = []
    for node in graph.node:
        values = tuple(_values(constants[name]) for name in node.input if name in constants)
        if node.op_type in kinds and len(values) == 2:
            kinds[node.op_type].append(values)
        elif node.op_type in ("Mul", "Add"):
            per_channel += [value for value in values if value.ndim == 3]
    found.modulations.extend(zip(per_channel[::2], per_channel[1::2], strict=False))
    return found


def _values(tensor: TensorProto) -> np.ndarray:
    return numpy_helper.to_array(tensor).astype(np.float32)
