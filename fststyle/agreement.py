"""A graph in an engine beside the network in torch: how far their pictures are apart."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from fststyle.networks.calibration import calibration_images
from fststyle.networks.hourglass import MIN_SIZE
from fststyle.onnx_graph import Deployed

LARGEST_DIFFERENCE = 1e-4
"""Between torch and ONNX Runtime in float32, as part of the range of values."""
COMPARED_SIZES = ((1, 256, 256), (1, 16, 16), (3, 64, 48), (2, 97, 135), (1, 250, 123), (1, 31, 17))
"""(images, height, width)"""


class Agreement(NamedTuple):
    """How far an engine's output is from torch's, over all sizes compared."""

    largest_difference: float
    """as part of the range of values, which is 1 for pictures"""
    psnr: float
    """in dB, of the size that agrees least; infinite where all are equal"""


Run = Callable[[np.ndarray], np.ndarray]
"""A graph in some engine: what goes in to what comes out."""


def run_in_onnxruntime(model: bytes) -> Run:
    """On the CPU; raises what ONNX Runtime does."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # inputs with defaults are warned of, and meant
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda fed: session.run(None, {"content": fed})[0]


def compare_in_opencv(
    deployed: Deployed,
    network: nn.Module,
    model: bytes,
    size: tuple[int, int] | None = None,
    photos: Tensor | None = None,
) -> Agreement | str:
    """As ``compare`` in OpenCV's own engine, or its reason not to run the graph; sizes of a picture
    cannot change there once it is read."""
    import cv2

    size = size or OPENCV_SIZE

    def run(fed: np.ndarray) -> np.ndarray:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        net.setInput(np.ascontiguousarray(fed), "content")
        return net.forward()

    try:
        return compare(deployed, network, run, size, photos)
    except (cv2.error, ValueError) as error:
        return str(error).strip().partition("\n")[0]


OPENCV_SIZE = (97, 135)
"""(height, width)"""


@torch.no_grad()
def compare(
    deployed: Deployed,
    network: nn.Module,
    run: Run,
    size: tuple[int, int] | None = None,
    photos: Tensor | None = None,
) -> Agreement:
    """``run`` beside ``network`` in torch: at ``COMPARED_SIZES``, or one picture of ``size``, or
    ``photos``, N×3×H×W in [0,1]."""
    smallest = 0 if deployed.stylizes else MIN_SIZE
    sizes = ((1, *size),) if size else COMPARED_SIZES
    if photos is not None:
        pictures, sizes = photos, ((len(photos), *photos.shape[2:]),)
    else:
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


def judge(agreement: Agreement, *, rounded: bool, lowest_psnr: float | None) -> None:
    """Raise ValueError where ``agreement`` is less than a file must have: ``lowest_psnr`` in dB, or
    ``LARGEST_DIFFERENCE``, or for bytes one step of them (``rounded``)."""
    # A value that lies on the edge between two bytes may be rounded to either.
    allowed = 1.001 / 255 if rounded else LARGEST_DIFFERENCE
    good = (
        agreement.largest_difference <= allowed
        if lowest_psnr is None
        else agreement.psnr >= lowest_psnr
    )
    if not good:
        raise ValueError(
            "the exported network does not give torch's output: largest difference"
            f" {agreement.largest_difference:.1e}, PSNR {agreement.psnr:.1f} dB; expected"
            + (f" at most {allowed:.1e}" if lowest_psnr is None else f" a PSNR of {lowest_psnr} dB")
            + "; no file was written"
        )
