"""A style network's ONNX graph, cut into segments that end at its instance norms."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fststyle.sessions.model_file import MAP

STRIDE = 4
"""Segments begin at maps of a quarter of the picture's height and width: the smallest there are."""

KERNELS = {"Conv": 1, "QLinearConv": 3}
"""Convolutions, and which of their inputs is the kernel."""


@dataclass
class Segment:
    """What is computed in one way over the picture.

    Attributes:
        outputs: maps that come out, first the one that it is for: the input of a norm, or the
            picture.
        cached: those of them that later segments begin with.
        sources: maps cached by earlier ones.
        halo: how many rows of ``STRIDE`` pixels beyond a strip the strip's outputs depend on.
    """

    outputs: list[str]
    cached: list[str]
    sources: list[str]
    halo: int


class Graph:
    """A style network's graph whose instance norms are fixed scales and shifts, given as inputs.

    Attributes:
        segments: one for each norm, in order, and one for the picture.
        map: name of the weight map at the size of the smallest maps, a source of the segments that
            it acts in; None where the network takes none.

    Raises ValueError where the graph is for pictures of one size.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.shape_inference.infer_shapes(model)
        graph = self._model.graph
        (self.input,) = (i.name for i in graph.input if i.name == "content")
        (self.output,) = (o.name for o in graph.output)
        self._types = {v.name: v for v in (*graph.value_info, *graph.input, *graph.output)}
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        if all(d.HasField("dim_value") for d in self._types[self.input].type.tensor_type.shape.dim):
            raise ValueError("it takes pictures of one size: tiles need a file for any size")
        self.uint8 = self._element(self.input) == onnx.TensorProto.UINT8
        # All before it, and what it is resized by, lies outside the segments.
        resized = [node.output[0] for node in graph.node if node.op_type == "Resize"]
        self.map = resized[0] if MAP in self._types and resized else None
        self._norms: list[onnx.NodeProto] = []
        self._nodes = [replaced for node in graph.node for replaced in self._with_fixed_norm(node)]
        self._producers = {name: node for node in self._nodes for name in node.output}
        self._strides = self._find_strides()
        self.segments = self._plan()

    def _with_fixed_norm(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        if node.op_type != "InstanceNormalization":
            return [node]
        number, (output,) = len(self._norms), node.output
        self._norms.append(node)
        scaled = f"{output}_scaled"
        return [
            helper.make_node("Mul", [node.input[0], f"scale{number}"], [scaled]),
            helper.make_node("Add", [scaled, f"shift{number}"], [output]),
        ]

    def norm(self, number: int, mean: np.ndarray, variance: np.ndarray) -> dict[str, np.ndarray]:
        """The inputs that stand for a norm, from its map's statistics."""
        node = self._norms[number]
        weight, bias = (
            numpy_helper.to_array(self._weights[name]).astype(np.float64) for name in node.input[1:]
        )
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        scale = weight / np.sqrt(variance + epsilon)
        shape = (1, -1, 1, 1)
        return {
            f"scale{number}": scale.astype(np.float32).reshape(shape),
            f"shift{number}": (bias - mean * scale).astype(np.float32).reshape(shape),
        }

    def stride(self, name: str) -> int:
        """Of a map, in pixels of the picture."""
        return self._strides[name]

    def _find_strides(self) -> dict[str, int]:
        strides = {self.input: 1}
        if self.map is not None:
            strides[self.map] = STRIDE
        for node in self._nodes:
            known = [strides[name] for name in node.input if name in strides]
            if not known or node.op_type == "Shape":
                continue
            (output,), stride = node.output, max(known)
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type in KERNELS:
                stride *= attributes.get("strides", [1])[0]
            elif node.op_type == "DepthToSpace":
                stride //= attributes["blocksize"]
            strides[output] = stride
        return strides

    def _plan(self) -> list[Segment]:
        # Of the residual blocks; what a map adds to goes through a ReLU and is needed no more.
        rectified = {node.input[0] for node in self._nodes if node.op_type == "Relu"}
        sums = [
            output
            for node in self._nodes
            for output in node.output
            if node.op_type == "Add" and all(self._strides.get(i) == STRIDE for i in node.input)
            if output not in rectified
        ]
        available = set[str]() if self.map is None else {self.map}
        segments = []
        for target in (*(node.input[0] for node in self._norms), self.output):
            inside, sources = self._walk(target, available)
            others = [name for name in sums if name in inside]
            cached = [*others, target] if self._strides[target] == STRIDE else others
            halo = -(-self._reach(target, available) // STRIDE)
            segments.append(Segment([target, *others], cached, sources, halo))
            available.update(cached)
        return segments

    def _walk(self, target: str, available: Collection[str]) -> tuple[set[str], list[str]]:
        """(what is computed on the way to ``target``, those ``available`` where it begins)."""
        inside: set[str] = set()
        sources: list[str] = []
        waiting = [target]
        while waiting:
            name = waiting.pop()
            if name in available:
                if name not in sources:
                    sources.append(name)
            elif name in self._producers and name not in inside:
                inside.add(name)
                waiting += self._producers[name].input
        return inside, sources

    def _reach(self, name: str, available: Collection[str]) -> int:
        """In pixels."""
        reaches = dict.fromkeys(available, 0)
        for node in self._nodes:
            for output in node.output:
                if output in self._strides and output not in reaches:
                    reach = max(reaches.get(i, 0) for i in node.input)
                    if node.op_type in KERNELS:
                        kernel = self._weights[node.input[KERNELS[node.op_type]]].dims[2]
                        reach += kernel // 2 * self._strides[node.input[0]]
                    reaches[output] = reach
        return reaches[name]

    def _element(self, name: str) -> int:
        return self._types[name].type.tensor_type.elem_type

    def _map_info(self, name: str) -> onnx.ValueInfoProto:
        """A map with its channels, of any height and width."""
        channels = self._types[name].type.tensor_type.shape.dim[1].dim_value
        return helper.make_tensor_value_info(name, self._element(name), [1, channels, None, None])

    def model(self, segment: Segment) -> bytes:
        """``segment`` as a file of its own; scalars that callers need not give stay such."""
        inside = {name for out in segment.outputs for name in self._walk(out, segment.sources)[0]}
        nodes = [node for node in self._nodes if inside.intersection(node.output)]
        used = {name for node in nodes for name in node.input}
        norms = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, None, 1, 1])
            for number in range(len(self._norms))
            for name in (f"scale{number}", f"shift{number}")
            if name in used
        ]
        graph = helper.make_graph(
            nodes,
            "segment",
            [
                *(i for i in self._model.graph.input if i.name in used),
                *map(self._map_info, segment.sources),
                *norms,
            ],
            [
                self._types[name] if name == self.output else self._map_info(name)
                for name in segment.outputs
            ],
            [tensor for name, tensor in self._weights.items() if name in used],
        )
        model = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        return model.SerializeToString()
