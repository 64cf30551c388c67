"""Style networks read back from the ONNX files that ``fststyle export`` and ``publish`` write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
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
from fststyle.sessions.style_layers import style_layers

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
    layers = style_layers(graph)
    # Memory is taken for as wide a network as the file holds.
    width = min((len(bias) for _, bias in layers.convolutions[:-1]), default=0)
    network = TransformNet(max(width, 1), mapped=any(i.name == MAP for i in graph.input))
    remaining: Layers = {
        nn.Conv2d: iter(layers.convolutions),
        InstanceNorm: iter(layers.norms),
        Modulation: iter(layers.modulations),
    }
    load_strictly(network, dict(_tensors(network, remaining)), path)
    return network.eval(), {key: value for key, value in card.items() if key not in OF_THE_FILE}


Layers = dict[type[nn.Module], Iterator[tuple[np.ndarray, ...]]]
"""What a graph's layers hold, by kind and in order."""


def _tensors(network: TransformNet, layers: Layers) -> Iterator[tuple[str, Tensor]]:
    """The tensors of ``network`` by name, each layer's out of the graph's next of its kind; there
    may be too few."""
    for name, module in network.named_modules():
        if type(module) not in layers:
            continue
        found = next(layers[type(module)], None)
        if found is None:
            return
        first, second = map(torch.from_numpy, found)
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
