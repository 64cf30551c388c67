"""A trained network as an ONNX graph that carries its own pre- and post-processing."""

import copy
import warnings

import numpy as np
import onnx
import torch
from onnxscript import ir, optimizer
from torch import Tensor, nn
from torch.export import Dim

from fststyle.networks.color import luma, with_luma
from fststyle.networks.hourglass import MIN_SIZE
from fststyle.networks.transform import InstanceNorm, TransformNet
from fststyle.sessions.model_file import MAP

OPSET = 18
"""The exporter's own; others are converted."""
IR_VERSIONS = {15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
"""ONNX's file format by operator set, as they came out together."""
SCALARS = {"strength": 1.0, "keep_colour": 0.0}
"""Inputs of a style network's graph beside the picture, with their defaults."""
FADE = 0.25
"""Strength below which the picture of a network with a map fades to the original, which the network
itself does not come to; above, strength is learnt."""


class ExportWrapper(nn.Module):
    """The network as exported, with pre- and post-processing inside.

    N×3×H×W float RGB in [0,1] in, or with ``uint8`` N×H×W×3 RGB bytes. A style network gives the
    same out, clamped; a depth network N×1×H×W float relative depth, larger = farther. A style
    network takes two scalars more: ``strength``, 1 for the stylized picture and 0 for the original;
    ``keep_colour``, 1 for the original's chroma (BT.601) and 0 for the stylized picture's. One that
    was trained with maps takes a ``weight_map``, by default one 0, the style everywhere; strength s
    is then learnt, m becomes 1 − s·(1 − m), and only below ``FADE`` a mixture with the original.
    ``fp16``: half-precision arithmetic, but for instance norm.
    """

    def __init__(self, network: nn.Module, uint8: bool, fp16: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval()
        self.uint8 = uint8
        self.stylizes = isinstance(network, TransformNet)
        self.mapped = isinstance(network, TransformNet) and network.mapped
        self.dtype = torch.float16 if fp16 else torch.float32
        for module in self.network.modules():
            # Instance norm computes in float32 and keeps its parameters unrounded.
            if isinstance(module, nn.Conv2d) or not self.stylizes:
                module.to(self.dtype)
            elif isinstance(module, InstanceNorm):
                module.float()

    def forward(
        self,
        image: Tensor,
        strength: Tensor | None = None,
        keep_colour: Tensor | None = None,
        weight_map: Tensor | None = None,
    ) -> Tensor:
        if self.uint8:
            image = image.permute(0, 3, 1, 2).float() / 255
        inputs = [image.to(self.dtype)]
        if weight_map is not None:
            if strength is not None:
                weight_map = 1 - strength * (1 - weight_map)
                strength = (strength / FADE).clamp(0, 1)
            inputs.append(weight_map)
        output = self.network(*inputs).float()
        if self.stylizes:
            output = output.clamp(0, 1)
            if keep_colour is not None:
                original_color = with_luma(image, luma(output))
                output = output * (1 - keep_colour) + original_color * keep_colour
            if strength is not None:
                output = image * (1 - strength) + output * strength
            if self.uint8:
                output = (output * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
        return output


def to_onnx(
    wrapper: ExportWrapper, size: tuple[int, int] | None = None, opset: int = OPSET
) -> onnx.ModelProto:
    """The graph with dynamic batch, height and width, or for one picture of ``size``.

    Input "content", output "output" of a style network and "depth" of a depth network. A style
    network's other inputs have defaults, so that callers need not give them: they are initializers
    that are inputs, too.
    """
    example = torch.rand(1, 3, *size) if size else torch.rand(2, 3, 37, 50)
    side = {} if wrapper.stylizes else {"min": MIN_SIZE}
    dims = (Dim("batch"), Dim("height", **side), Dim("width", **side))
    axes = dict(zip((0, 2, 3), dims, strict=True))
    if wrapper.uint8:
        example = (example * 255).to(torch.uint8).permute(0, 2, 3, 1)
        axes = dict(zip((0, 1, 2), dims, strict=True))
    defaults: dict[str, np.ndarray] = {}
    if wrapper.stylizes:
        defaults = {name: np.array(value, np.float32) for name, value in SCALARS.items()}
    inputs = [example, *map(torch.from_numpy, defaults.values())]
    shapes: list[dict[int, Dim]] = [{} if size else axes, *({} for _ in defaults)]
    if wrapper.mapped:
        defaults[MAP] = np.zeros((1, 1, 1, 1), np.float32)
        inputs.append(torch.rand(len(example), 1, 3, 5))
        sides = {2: Dim("map_height"), 3: Dim("map_width")}
        shapes.append(sides if size else {0: dims[0], **sides})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own use of deprecated parts
        program = torch.onnx.export(
            wrapper,
            tuple(inputs),
            dynamo=True,
            verbose=False,
            input_names=["content", *defaults],
            output_names=["output" if wrapper.stylizes else "depth"],
            dynamic_shapes=tuple(shapes),
            opset_version=OPSET,
        )
    assert program is not None
    # What reshapes kernels is computed now instead of at every start; limits in elements.
    optimizer.optimize(
        program.model,
        input_size_limit=1 << 24,
        output_size_limit=1 << 24,
        onnx_shape_inference=True,
    )
    model = converted(ir.to_proto(program.model), opset)
    for name, default in defaults.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(default, name))
    for given in model.graph.input:
        if given.name == MAP:  # one map will do for all pictures
            given.type.tensor_type.shape.dim[0].dim_param = "maps"
    return model


def converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The graph of ``OPSET`` in the operators of ``opset``, 15 to 23, and without what the exporter
    notes of every node: which lines of which files on this machine it came from.

    Raises ValueError where an operator has no counterpart there.
    """
    _clear_notes(model)
    try:
        if opset > OPSET:
            model = onnx.version_converter.convert_version(model, opset)
        elif opset < OPSET:
            _lower(model, opset)
        model.ir_version = IR_VERSIONS[opset]
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # of the converter and the checker; they share no base
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"--opset {opset}: the network cannot be converted ({reason})") from error
    _clear_notes(model)
    return model


def _lower(model: onnx.ModelProto, opset: int) -> None:
    """In place; ONNX's own converter goes up only: it has no way back for Pad and ReduceMean.

    What 18 brought that our graphs have: Resize's antialias and aspect policy, which stand at what
    it did before, and axes of ReduceMean as an input. Pad's new input is optional, and not given.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        attributes = [a for a in node.attribute if a.name not in _SINCE_18.get(node.op_type, ())]
        if node.op_type == "ReduceMean" and len(node.input) == 2:
            axes = onnx.numpy_helper.to_array(constants[node.input.pop()])
            attributes.append(onnx.helper.make_attribute("axes", axes.tolist()))
        for a in node.attribute:
            if a not in attributes and (a.i or a.s not in (b"", b"stretch")):
                raise ValueError(f"{node.op_type} has {a.name}")
        del node.attribute[:]
        node.attribute.extend(attributes)
    for imported in model.opset_import:
        if imported.domain == "":
            imported.version = opset


_SINCE_18 = {
    "Resize": ("antialias", "axes", "keep_aspect_ratio_policy"),
    "ReduceMean": ("noop_with_empty_axes",),
}
"""Attributes by operator."""


def _clear_notes(model: onnx.ModelProto) -> None:
    graph = model.graph
    ends = (*graph.input, *graph.output, *graph.value_info)
    for part in (model, graph, *graph.node, *graph.initializer, *ends):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
