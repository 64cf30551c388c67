"""A trained network to one ONNX file, compared with torch before it is kept."""

import copy
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from onnxscript import ir, optimizer
from torch import Tensor, nn
from torch.export import Dim

import fststyle
from fststyle.checkpoint import KEY, load_transform
from fststyle.colour import luma, with_luma
from fststyle.config import ExportConfig, parse_size
from fststyle.depth_network import holds_depth, load_depth
from fststyle.images import replacing
from fststyle.networks.calibration import calibration_images
from fststyle.networks.hourglass import MIN_SIZE
from fststyle.networks.transform import InstanceNorm, TransformNet

OPSET = 18
"""The exporter's own; from 15 on the graph's operators are the same."""
IR_VERSIONS = {15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}
"""ONNX's file format by operator set, as they came out together."""
LARGEST_DIFFERENCE = 1e-4
"""Between torch and ONNX Runtime in float32, as part of the range of values."""
LOWEST_PSNR = 45.0
"""Of a half-precision file, in dB."""
SCALARS = {"strength": 1.0, "keep_colour": 0.0}
"""Inputs of a style network's graph beside the picture, with their defaults."""
COMPARED_SIZES = ((1, 256, 256), (1, 16, 16), (3, 64, 48), (2, 97, 135), (1, 250, 123), (1, 31, 17))
"""(images, height, width)"""


class Deployed(nn.Module):
    """The network as it is deployed, with pre- and post-processing inside.

    N×3×H×W float RGB in [0,1] in, or with ``uint8`` N×H×W×3 RGB bytes. A style network gives the
    same out, clamped; a depth network N×1×H×W float relative depth, larger = farther. A style
    network takes two scalars more: ``strength``, 1 for the stylized picture and 0 for the original;
    ``keep_colour``, 1 for the original's chroma (BT.601) and 0 for the stylized picture's.
    ``fp16``: half-precision arithmetic, but for instance norm.
    """

    def __init__(self, network: nn.Module, uint8: bool, fp16: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval()
        self.uint8 = uint8
        self.stylizes = isinstance(network, TransformNet)
        self.dtype = torch.float16 if fp16 else torch.float32
        for module in self.network.modules():
            # Instance norm computes in float32 and keeps its parameters unrounded.
            if isinstance(module, nn.Conv2d) or not self.stylizes:
                module.to(self.dtype)
            elif isinstance(module, InstanceNorm):
                module.float()

    def forward(
        self, image: Tensor, strength: Tensor | None = None, keep_colour: Tensor | None = None
    ) -> Tensor:
        if self.uint8:
            image = image.permute(0, 3, 1, 2).float() / 255
        output = self.network(image.to(self.dtype)).float()
        if self.stylizes:
            output = output.clamp(0, 1)
            if keep_colour is not None:
                own = with_luma(image, luma(output))
                output = output * (1 - keep_colour) + own * keep_colour
            if strength is not None:
                output = image * (1 - strength) + output * strength
            if self.uint8:
                output = (output * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
        return output


class Agreement(NamedTuple):
    """How far an engine's output is from torch's, over all sizes compared."""

    largest_difference: float
    """as part of the range of values, which is 1 for pictures"""
    psnr: float
    """in dB, of the size that agrees least; infinite where all are equal"""


def run(config: ExportConfig) -> None:
    """``fststyle export``."""
    network: nn.Module
    if holds_depth(config.checkpoint):
        network, card = load_depth(config.checkpoint, config.vgg_weights)
    else:
        network, card = load_transform(config.checkpoint)
    output = config.output or config.checkpoint.with_suffix(".onnx")
    size = parse_size(config.static)[::-1] if config.static else None
    found = export(
        *(network, card, output),
        uint8=config.uint8,
        fp16=config.fp16,
        size=size,
        opset=config.opset,
    )
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB; beside torch:")
    for engine, agreement in found.items():
        if isinstance(agreement, str):
            print(f"{engine} does not run it: {agreement}")
        else:
            print(
                f"{engine}: largest difference {agreement.largest_difference:.1e}, PSNR"
                f" {agreement.psnr:.1f} dB"
            )


def export(
    network: nn.Module,
    card: Mapping[str, Any],
    output: Path,
    *,
    uint8: bool = False,
    fp16: bool = False,
    size: tuple[int, int] | None = None,
    opset: int = OPSET,
) -> dict[str, Agreement | str]:
    """Write ``network`` to the ONNX file ``output`` with ``card`` in its metadata.

    Args:
        size: (height, width) of the only pictures it is to take; any by default.

    Returns, by engine, how far its pictures are from torch's, or why it cannot run the file.
    Raises ValueError, and leaves no file, where ONNX Runtime's are not torch's.
    """
    deployed = Deployed(network, uint8, fp16)
    model = to_onnx(deployed, size, opset)
    data = model.SerializeToString()
    agreement = compare(deployed, network, run_in_onnxruntime(data), size)
    _judge(agreement, rounded=uint8 and deployed.stylizes, fp16=fp16)
    found: dict[str, Agreement | str] = {"ONNX Runtime": agreement}
    if deployed.stylizes:
        found["OpenCV"] = _in_opencv(deployed, network, data, size)
    described = {
        **card,
        "input": "uint8 NHWC" if uint8 else "float32 NCHW in [0,1]",
        "precision": "fp16" if fp16 else "fp32",
        # JSON has no infinity.
        "agreement": {k: v if np.isfinite(v) else None for k, v in agreement._asdict().items()},
        "exported_with": {"fststyle": fststyle.__version__, "torch": torch.__version__},
    }
    onnx.helper.set_model_props(model, {KEY: json.dumps(described, sort_keys=True)})
    onnx.checker.check_model(model, full_check=True)
    with replacing(output) as beside:
        onnx.save_model(model, beside)
    return found


def to_onnx(
    deployed: Deployed, size: tuple[int, int] | None = None, opset: int = OPSET
) -> onnx.ModelProto:
    """The graph with dynamic batch, height and width, or for one picture of ``size``.

    Input "content", output "output" of a style network and "depth" of a depth network. A style
    network's scalars have defaults, so that callers need not give them: they are initializers that
    are inputs, too.
    """
    example = torch.rand(1, 3, *size) if size else torch.rand(2, 3, 37, 50)
    side = {} if deployed.stylizes else {"min": MIN_SIZE}
    dims = (Dim("batch"), Dim("height", **side), Dim("width", **side))
    axes = dict(zip((0, 2, 3), dims, strict=True))
    if deployed.uint8:
        example = (example * 255).to(torch.uint8).permute(0, 2, 3, 1)
        axes = dict(zip((0, 1, 2), dims, strict=True))
    scalars = SCALARS if deployed.stylizes else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own use of deprecated parts
        program = torch.onnx.export(
            deployed,
            (example, *map(torch.tensor, scalars.values())),
            dynamo=True,
            verbose=False,
            input_names=["content", *scalars],
            output_names=["output" if deployed.stylizes else "depth"],
            dynamic_shapes=None if size else (axes, *({} for _ in scalars)),
            opset_version=max(opset, OPSET),
        )
    assert program is not None
    # What reshapes kernels is computed now instead of at every start; limits in elements.
    optimizer.optimize(
        program.model,
        input_size_limit=1 << 24,
        output_size_limit=1 << 24,
        onnx_shape_inference=True,
    )
    model = ir.to_proto(program.model)
    for imported in model.opset_import:
        if imported.domain == "":
            imported.version = opset
    model.ir_version = IR_VERSIONS[opset]
    for name, default in scalars.items():
        model.graph.initializer.append(
            onnx.numpy_helper.from_array(np.array(default, np.float32), name)
        )
    return model


Run = Callable[[np.ndarray], np.ndarray]
"""A graph in some engine: what goes in to what comes out."""


def run_in_onnxruntime(model: bytes) -> Run:
    """On the CPU; raises what ONNX Runtime does."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # inputs with defaults are warned of, and meant
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda fed: session.run(None, {"content": fed})[0]


def _in_opencv(
    deployed: Deployed, network: nn.Module, model: bytes, size: tuple[int, int] | None
) -> Agreement | str:
    """OpenCV's own engine; sizes of a picture cannot change there once it is read."""
    import cv2

    size = size or OPENCV_SIZE

    def run(fed: np.ndarray) -> np.ndarray:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        net.setInput(np.ascontiguousarray(fed), "content")
        return net.forward()

    try:
        return compare(deployed, network, run, size)
    except (cv2.error, ValueError) as error:
        return str(error).strip().partition("\n")[0]


OPENCV_SIZE = (97, 135)
"""(height, width)"""


@torch.no_grad()
def compare(
    deployed: Deployed, network: nn.Module, run: Run, size: tuple[int, int] | None = None
) -> Agreement:
    """``run`` beside ``network`` in torch, at ``COMPARED_SIZES``, or one picture of ``size``."""
    smallest = 0 if deployed.stylizes else MIN_SIZE
    sizes = ((1, *size),) if size else COMPARED_SIZES
    pictures = calibration_images(
        max(n for n, _, _ in sizes), max(256, *(side for s in sizes for side in s[1:]))
    )
    largest, lowest_psnr = 0.0, float("inf")
    for count, height, width in sizes:
        content = pictures[:count, :, : max(smallest, height), : max(smallest, width)]
        fed = content
        if deployed.uint8:
            fed = (content * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
            content = fed.permute(0, 3, 1, 2).float() / 255
        expected = network(content).numpy()
        found = run(fed.numpy())
        if deployed.stylizes:
            peak = 1.0
            expected = expected.clip(0, 1)
            if deployed.uint8:
                found = found.transpose(0, 3, 1, 2).astype(np.float32) / 255
                expected = np.floor(expected * 255 + 0.5) / 255
        else:
            peak = float(expected.max() - expected.min())
        if found.shape != expected.shape:
            raise ValueError(f"the engine gave {found.shape} where torch gave {expected.shape}")
        difference = np.abs(found.astype(np.float64) - expected) / peak
        largest = max(largest, float(difference.max()))
        error = float(np.square(difference).mean())
        lowest_psnr = min(lowest_psnr, -10 * np.log10(error) if error else float("inf"))
    return Agreement(largest, float(lowest_psnr))


def _judge(agreement: Agreement, *, rounded: bool, fp16: bool) -> None:
    # A value that lies on the edge between two bytes may be rounded to either.
    allowed = 1.001 / 255 if rounded else LARGEST_DIFFERENCE
    good = agreement.psnr >= LOWEST_PSNR if fp16 else agreement.largest_difference <= allowed
    if not good:
        raise ValueError(
            "the exported network does not give torch's output: largest difference"
            f" {agreement.largest_difference:.1e}, PSNR {agreement.psnr:.1f} dB; expected"
            + (f" a PSNR of {LOWEST_PSNR} dB" if fp16 else f" at most {allowed:.1e}")
            + "; no file was written"
        )
