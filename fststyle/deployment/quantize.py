"""Convolutions in 8 bits, for CPUs: weights per channel, activations by what photos give them."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageOps
from torch import Tensor

from fststyle.images.io import read_image
from fststyle.sessions.model_file import MAP

CALIBRATED, HELD_OUT = 24, 4
"""Photos that the ranges come from, at most, and photos kept for the comparison."""
CALIBRATION_MAPS = [
    np.array(values, np.float32).reshape(1, 1, 1, -1) for values in ((0.0,), (1.0,), (0.0, 1.0))
]
"""Weight maps by which networks that take one are calibrated, in turn."""
SIZE = (256, 256)
"""(height, width) of the crops, where the file is not for one size."""


def to_int8(
    model: onnx.ModelProto,
    photos: Sequence[Path],
    *,
    uint8: bool,
    size: tuple[int, int] | None = None,
) -> tuple[onnx.ModelProto, Tensor]:
    """A style network's float32 graph with convolutions in 8 bits, but for the first and the last,
    which are a tenth of the time and most of the error.

    Args:
        photos: files; those that the ranges of activations come from are spread over all of them.
        uint8, size: as the graph takes pictures, see ``export``.

    Returns (the graph, N×3×H×W photos in [0,1] that it was not made from). Raises ValueError where
    there are too few photos.
    """
    if len(photos) < 2 * HELD_OUT:
        raise ValueError(f"--photos: {len(photos)} found, at least {2 * HELD_OUT} are needed")
    count = min(len(photos), CALIBRATED + HELD_OUT)
    chosen = [photos[i * len(photos) // count] for i in range(count)]
    crops = [_crop(path, size or SIZE) for path in chosen]
    inputs = [{"content": crop if uint8 else _floats(crop)} for crop in crops]
    if any(given.name == MAP for given in model.graph.input):
        # Of the range of activations every part comes from another map, from 0 to 1 and mixed.
        for number, feeds in enumerate(inputs):
            feeds[MAP] = CALIBRATION_MAPS[number % len(CALIBRATION_MAPS)]
    convs = [node.name for node in model.graph.node if node.op_type == "Conv"]
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantized = (Path(folder, f"{i}.onnx") for i in range(3))
        onnx.save(model, plain)
        onnxruntime.set_default_logger_severity(3)  # inputs with defaults are warned of, and meant
        try:
            quant_pre_process(plain, prepared, skip_symbolic_shape=True)
            quantize_static(
                prepared,
                quantized,
                _Reader(inputs[HELD_OUT:]),
                quant_format=QuantFormat.QOperator,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=[convs[0], convs[-1]],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            onnxruntime.set_default_logger_severity(2)
        result = onnx.load(quantized)
    result.ir_version = model.ir_version
    return result, torch.from_numpy(np.concatenate([_floats(f) for f in crops[:HELD_OUT]]))


def _crop(path: Path, size: tuple[int, int]) -> np.ndarray:
    """1×H×W×3 uint8 of the middle."""
    image = read_image(path, at_least=min(size), srgb=True)
    return np.asarray(ImageOps.fit(image, size[::-1], Image.Resampling.BICUBIC))[None]


def _floats(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).astype(np.float32) / 255


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: Sequence[dict[str, np.ndarray]]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._inputs, None)
