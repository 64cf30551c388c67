"""Style networks read back from the ONNX files that ``fststyle export`` and ``publish`` write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import GraphProto, TensorProto, numpy_helper
from torch import Tensor, nn

from fststyle.checkpoints.files import load_strictly
from fststyle.networks.transform import (
    MODULATION_UNIT,
    InstanceNorm,
    Modulation,
    OutputConv,
    TransformNet,
    UpsampleConvNorm,
    kernel_of_phases,
)
from fststyle.sessions.model_file import MAP, read_model

OF_THE_FILE = ("agreement", "exported_with", "input", "precision")
"""What a card says of the exported file alone."""


def read_exported(path: Path) -> tuple[TransformNet, dict[str, Any]]:
    """The network of an exported style, and its card without what concerns the export alone.

    It has exactly the values that the file stores. Of the upsampling layers' kernels a graph has
    sums alone, see ``UpsampleConvNorm``: what they were sums of is exact where they are, as in
    files with weights of 16 bits, and else right to float32's rounding.

    Raises FileNotFoundError, or ValueError where the file is damaged, or holds no style network or
    one in 8 bits.
    """
    model, card, _ = read_model(path)
    graph = model.graph
    if [output.name for output in graph.output] != ["output"]:
        raise ValueError(f"{path}: an exported network, but of no style")
    if any(node.op_type == "QLinearConv" for node in graph.node):
        raise ValueError(
            f"{path}: its convolutions are in 8 bits, which cannot be undone: give the file that it"
            " was exported from"
        )
    layers = _layers(graph)
    # Memory is taken for as wide a network as the file holds.
    width = min((len(bias) for _, bias in layers[nn.Conv2d][:-1]), default=0)
    network = TransformNet(max(width, 1), mapped=any(i.name == MAP for i in graph.input))
    load_strictly(network, dict(_tensors(network, layers)), path)
    return network.eval(), {key: value for key, value in card.items() if key not in OF_THE_FILE}


Layers = dict[type[nn.Module], list[tuple[Tensor, ...]]]
"""The constants of a graph's layers, by kind and in order."""


def _layers(graph: GraphProto) -> Layers:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:  # weights that are stored as float16 are widened first
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    found: Layers = {nn.Conv2d: [], InstanceNorm: [], Modulation: []}
    per_channel: list[Tensor] = []
    for node in graph.node:
        values = [_values(constants[name]) for name in node.input if name in constants]
        if node.op_type in _KINDS and len(values) == 2:
            found[_KINDS[node.op_type]].append(tuple(values))
        elif node.op_type in ("Mul", "Add"):
            per_channel += [value for value in values if value.ndim == 3]
    found[Modulation] = list(zip(per_channel[::2], per_channel[1::2], strict=False))
    return found


_KINDS: dict[str, type[nn.Module]] = {"Conv": nn.Conv2d, "InstanceNormalization": InstanceNorm}


def _values(tensor: TensorProto) -> Tensor:
    return torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))


def _tensors(network: TransformNet, layers: Layers) -> Iterator[tuple[str, Tensor]]:
    """The tensors of ``network`` by name, each layer's out of the graph's next of its kind; there
    may be too few."""
    remaining = {kind: iter(found) for kind, found in layers.items()}
    for name, module in network.named_modules():
        if type(module) not in remaining:
            continue
        first, second = next(remaining[type(module)], (None, None))
        if first is None or second is None:
            return
        parent = network.get_submodule(name.rpartition(".")[0])
        if isinstance(module, Modulation):
            yield f"{name}.scale", first / MODULATION_UNIT
            yield f"{name}.shift", second / MODULATION_UNIT
            continue
        if isinstance(parent, UpsampleConvNorm) and isinstance(module, nn.Conv2d):
            first, second = kernel_of_phases(first), second[::4]
        elif isinstance(parent, OutputConv):
            first, second = first[::4, :, :-1, :-1], second[::4]
        yield f"{name}.weight", first
        yield f"{name}.bias", second
