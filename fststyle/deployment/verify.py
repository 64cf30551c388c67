"""A graph in an engine beside the network in torch: how far their pictures are apart."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fststyle.deployment.graph import ExportWrapper
from fststyle.networks.calibration import calibration_images
from fststyle.networks.hourglass import MIN_SIZE
from fststyle.sessions.model_file import MAP

LARGEST_DIFFERENCE = 1e-4
"""Between torch and ONNX Runtime in float32, as part of the range of values."""
COMPARED_SIZES = ((1, 256, 256), (1, 16, 16), (3, 64, 48), (2, 97, 135), (1, 250, 123), (1, 31, 17))
"""(images, height, width)"""


class Parity(NamedTuple):
    """How far an engine's output is from torch's, over all sizes compared."""

    largest_difference: float
    """as part of the range of values, which is 1 for pictures"""
    psnr: float
    """in dB, of the size that agrees least; infinite where all are equal"""


Feeds = Mapping[str, np.ndarray]
Run = Callable[[Feeds], np.ndarray]
"""A graph in some engine: inputs by name, "content" and perhaps a map, to what comes out."""


def run_in_onnxruntime(model: bytes) -> Run:
    """On the CPU; raises what ONNX Runtime does."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # inputs with defaults are warned of, and meant
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)[0]


def compare_in_opencv(
    wrapper: ExportWrapper,
    network: nn.Module,
    model: bytes,
    size: tuple[int, int] | None = None,
    photos: Tensor | None = None,
) -> Parity | str:
    """As ``compare`` in OpenCV's own engine, or its reason not to run the graph; sizes of a picture
    cannot change there once it is read, and inputs with defaults have these."""
    import cv2

    size = size or OPENCV_SIZE

    def run(feeds: Feeds) -> np.ndarray:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        net.setInput(np.ascontiguousarray(feeds["content"]), "content")
        return net.forward()

    try:
        return compare(wrapper, network, run, size, photos, with_maps=False)
    except (cv2.error, ValueError) as error:
        return str(error).strip().partition("\n")[0]


OPENCV_SIZE = (97, 135)
"""(height, width)"""


@torch.no_grad()
def compare(
    wrapper: ExportWrapper,
    network: nn.Module,
    run: Run,
    size: tuple[int, int] | None = None,
    photos: Tensor | None = None,
    *,
    with_maps: bool = True,
) -> Parity:
    """``run`` beside ``network`` in torch: at ``COMPARED_SIZES``, or one picture of ``size``, or
    ``photos``, N×3×H×W in [0,1]; where the network takes a map, by default also with one. Raises
    ValueError where either gives what is not finite, ``run`` also on ``_hard_pictures``
    pictures."""
    sizes = ((1, *size),) if size else COMPARED_SIZES
    if photos is not None:
        pictures, sizes = photos, ((len(photos), *photos.shape[2:]),)
    else:
        pictures = calibration_images(
            max(n for n, _, _ in sizes), max(256, *(side for s in sizes for side in s[1:]))
        )
    differences = []
    maps = (None, _example_map()) if wrapper.mapped and with_maps else (None,)
    for (count, height, width), weight_map in itertools.product(sizes, maps):
        smallest = 0 if wrapper.stylizes else MIN_SIZE
        content = pictures[:count, :, : max(smallest, height), : max(smallest, width)]
        fed, content = _as_input(wrapper, content)
        feeds = {"content": fed.numpy()}
        if weight_map is not None:
            feeds[MAP] = weight_map.numpy()
        given = (content,) if weight_map is None else (content, weight_map)
        expected = network(*given).numpy()
        _check_finite(expected, "the network itself gives", "train it anew, or take another file")
        output = run(feeds)
        _check_finite(output, "the exported network gives", "no file was written")
        peak = 1.0
        if wrapper.stylizes:
            expected = expected.clip(0, 1)
            if wrapper.uint8:
                output = output.transpose(0, 3, 1, 2).astype(np.float32) / 255
                expected = np.floor(expected * 255 + 0.5) / 255
        else:
            # A network that sees no depth in a picture has no range there.
            peak = max(float(np.ptp(expected)), 1e-3 * float(np.abs(expected).max()), 1e-6)
        if output.shape != expected.shape:
            raise ValueError(f"the engine gave {output.shape} where torch gave {expected.shape}")
        differences.append(np.abs(output.astype(np.float64) - expected) / peak)
    for fed in _hard_pictures(wrapper, size):
        _check_finite(
            run({"content": fed.numpy()}), "the exported network gives", "no file was written"
        )
    # NumPy's maximum of numbers with NaN among them is NaN; Python's is whatever came first.
    errors = np.array([np.square(difference).mean() for difference in differences])
    largest = np.array([difference.max() for difference in differences]).max()
    with np.errstate(divide="ignore"):
        return Parity(float(largest), float(-10 * np.log10(errors.max())))


def _example_map() -> Tensor:
    """Of no picture's size, and from one end of the range to the other."""
    return torch.linspace(0, 1, 7 * 11).reshape(1, 1, 7, 11)


def _as_input(wrapper: ExportWrapper, content: Tensor) -> tuple[Tensor, Tensor]:
    """(what the graph is given, the N×3×H×W floats it stands for), of floats in [0,1]."""
    if not wrapper.uint8:
        return content, content
    frames = (content * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return frames, frames.permute(0, 3, 1, 2).float() / 255


def _hard_pictures(wrapper: ExportWrapper, size: tuple[int, int] | None) -> Iterator[Tensor]:
    """Pictures on which networks get out of hand sooner than on photos, as the graph takes them:
    black, white, a chessboard of pixels, noise."""
    height, width = size or (64, 64)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    noise = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))
    board = ((rows + columns) % 2).float().expand(3, -1, -1)
    for picture in (torch.zeros_like(board), torch.ones_like(board), board, noise):
        yield _as_input(wrapper, picture[None])[0]


def _check_finite(values: np.ndarray, what: str, then: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{what} values that are not finite (NaN or infinite); {then}")


def run_in_half(wrapper: ExportWrapper) -> Run:
    """``wrapper`` as a GPU computes it: every map is rounded to float16 where it says so, sums are
    float32. (ONNX Runtime's CPU provider keeps such maps in float32, which hides what float16
    cannot hold.) Raises ValueError where a value is too large for it."""

    def run(feeds: Feeds) -> np.ndarray:
        given = {name: torch.from_numpy(values) for name, values in feeds.items()}
        with _HalfArithmetic():
            return wrapper(given.pop("content"), **given).numpy()

    return run


class _HalfArithmetic(TorchDispatchMode):
    """Sums of products in float32, whatever this processor would do, and a look at every result."""

    SUMS = (
        torch.ops.aten.convolution.default,
        torch.ops.aten.addmm.default,
        torch.ops.aten.mm.default,
    )

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # as torch calls it
        halves = [a for a in args if isinstance(a, Tensor) and a.dtype == torch.float16]
        if func in self.SUMS and halves:
            args = [a.float() if isinstance(a, Tensor) else a for a in args]
        result = func(*args, **(kwargs or {}))
        if func in self.SUMS and halves:
            result = result.half()
        half = isinstance(result, Tensor) and result.dtype == torch.float16
        if half and not result.isfinite().all():
            raise ValueError(
                "half precision is too small for this network: it computes values above"
                f" {torch.finfo(torch.float16).max:.0f}; export it without --fp16 (and give it"
                " away so, where it was to be published); no file was written"
            )
        return result


def check_parity(parity: Parity, *, rounded: bool, lowest_psnr: float | None) -> None:
    """Raise ValueError where ``parity`` is less than a file must have: ``lowest_psnr`` in dB, or
    ``LARGEST_DIFFERENCE``, or for bytes one step of them (``rounded``)."""
    # A value that lies on the edge between two bytes may be rounded to either.
    allowed = 1.001 / 255 if rounded else LARGEST_DIFFERENCE
    good = (
        parity.largest_difference <= allowed if lowest_psnr is None else parity.psnr >= lowest_psnr
    )
    if not good:
        raise ValueError(
            "the exported network does not give torch's output: largest difference"
            f" {parity.largest_difference:.1e}, PSNR {parity.psnr:.1f} dB; expected"
            + (f" at most {allowed:.1e}" if lowest_psnr is None else f" a PSNR of {lowest_psnr} dB")
            + "; no file was written"
        )
