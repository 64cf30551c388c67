"""Exported networks in ONNX Runtime, on the best execution provider at hand."""

import contextlib
import ctypes
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import platformdirs
from onnx import TensorProto

from fststyle.config.cards import explained
from fststyle.images.io import to_uint8
from fststyle.sessions.model_file import read_model
from fststyle.sessions.plugins import PLUGINS, device_of
from fststyle.sessions.precision import WIDENED, as_float32
from fststyle.utils.failures import NO_MEMORY

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Name for --provider to ONNX Runtime's, best first; ``PLUGINS`` are beside these."""

_ONLY_BY_NAME = ("tensorrt",)
"""Chosen only by name: it compiles for minutes at the first start."""

_LIBRARY = (
    "onnxruntime_providers_{}.dll"
    if sys.platform == "win32"
    else ("libonnxruntime_providers_{}.so")
)


class Session(NamedTuple):
    """``provider``: the one that runs, by its name for --provider. ``card``: what the file says of
    itself. ``uint8``: takes N×H×W×3 bytes instead of N×3×H×W floats in [0,1]."""

    session: onnxruntime.InferenceSession
    provider: str
    card: dict[str, Any]
    uint8: bool


def open_session(
    model: Path, provider: str, threads: int | None, *, output: str, holds: str
) -> Session:
    """A network from an ONNX file written by ``fststyle export``.

    Args:
        model: the file.
        provider: "auto", or a key of ``PROVIDERS`` or ``PLUGINS``. Where a better one fails to
            start, "auto" says why on stderr and goes on to the next.
        threads: of the CPU; None takes all cores.
        output: name of the output that the network must have, ``holds`` in words what it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no ONNX file of ours, or another network; the provider is not to be had.
    """
    names = _providers_to_try(provider)
    model_file = read_model(model)
    card, half = model_file.card, model_file.card.get("precision") == "fp16"
    with explained(card):
        _check_signature(model, model_file.model.graph, output, holds)
    for name in names:
        try:
            widened = half and name in WIDENED
            data = as_float32(model_file.model).SerializeToString() if widened else model_file.data
            session = start(data, name, threads)
            break
        except ValueError as error:
            if name == "cpu":
                raise ValueError(f"{model}: ONNX Runtime cannot load it ({error})") from error
            message = f"the {name} provider failed to start ({error})"
            if provider != "auto":
                raise ValueError(f"--provider {provider}: {message}") from error
            print(f"{message}; trying the next", file=sys.stderr)
    return Session(session, name, card, session.get_inputs()[0].type == "tensor(uint8)")


def _check_signature(model: Path, graph: onnx.GraphProto, output: str, holds: str) -> None:
    """Raise ValueError where what goes in or comes out is not as in an exported network."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    if [i.name for i in inputs] != ["content"] or len(graph.output) != 1:
        raise ValueError(f"{model}: not a network exported by fststyle")
    if graph.output[0].name != output:
        raise ValueError(f"{model}: an exported network, but not a {holds}")
    kind = inputs[0].type.tensor_type
    colors = {TensorProto.FLOAT: 1, TensorProto.UINT8: 3}.get(kind.elem_type)
    dims = kind.shape.dim
    if colors is None or len(dims) != 4 or dims[colors].dim_value != 3:
        raise ValueError(f"{model}: damaged: it takes no pictures of three colours")


def start(
    model: str | bytes,
    provider: str,
    threads: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> onnxruntime.InferenceSession:
    """A session for a file, or the bytes of one, on ``provider``, a key of ``PROVIDERS`` or
    ``PLUGINS``, with other ``settings`` of it where they are given.

    Raises ValueError with ONNX Runtime's reason.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4  # what goes wrong is said once, by the caller
    # Waiting threads that spin take the cores from decoding and encoding, and from other sessions.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    chosen = {**_provider_options(provider), **(settings or {})}
    wanted: list[Any] = []
    if provider in PLUGINS:
        device = device_of(provider)
        name = device.ep_name
        options.add_provider_for_devices([device], chosen)
    else:
        name = PROVIDERS[provider]
        wanted = [(name, chosen), *([PROVIDERS["cpu"]] if provider != "cpu" else [])]
    try:
        session = onnxruntime.InferenceSession(
            model,
            options,
            providers=wanted,
            enable_fallback=0,  # which prints, and hides why
        )
    except Exception as error:  # ONNX Runtime's own types share no base but Exception
        raise ValueError(str(error).partition("\n")[0]) from error
    if session.get_providers()[0] != name:
        raise ValueError(_load_failure(provider))
    return session


@contextlib.contextmanager
def running(model: Path) -> Iterator[None]:
    """What ONNX Runtime raises inside, in types that share no base, as MemoryError where it has too
    little memory, and else as a ValueError about ``model``: a damaged graph fails as late as
    here."""
    try:
        yield
    except Exception as error:
        if not (isinstance(error, RuntimeError) or "onnxruntime" in type(error).__module__):
            raise
        if NO_MEMORY.search(str(error)):
            raise MemoryError(str(error)) from error
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{model}: ONNX Runtime cannot run it ({reason:.300})") from error


def as_fed(frames: np.ndarray, uint8: bool) -> np.ndarray:
    """N×H×W×3 uint8 frames as the graph takes them: so, or N×3×H×W float32 in [0,1]; contiguous,
    since buffers of older ONNX Runtimes (1.24) take the bytes as they lie."""
    if uint8:
        return np.ascontiguousarray(frames)
    return np.ascontiguousarray(frames.transpose(0, 3, 1, 2), np.float32) / 255


def as_frames(output: np.ndarray) -> np.ndarray:
    """N×H×W×3 uint8, of what the graph gives: that, or N×3×H×W float32 in [0,1]."""
    return output if output.dtype == np.uint8 else to_uint8(output.transpose(0, 2, 3, 1))


def _provider_options(provider: str) -> dict[str, str]:
    """Where compiled engines are kept from run to run, and what suits pictures of many sizes."""
    folder = Path(platformdirs.user_cache_dir("fststyle"), provider)
    if provider in ("tensorrt", "coreml", "openvino"):
        folder.mkdir(parents=True, exist_ok=True)
    cache = str(folder)
    return {
        "tensorrt": {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": cache,
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": cache,
        },
        # An exhaustive search takes seconds for every new size.
        "cuda": {"cudnn_conv_algo_search": "HEURISTIC"},
        "coreml": {"ModelFormat": "MLProgram", "ModelCacheDirectory": cache},
        "openvino": {"cache_dir": cache},
    }.get(provider, {})


def _load_failure(provider: str) -> str:
    """ONNX Runtime goes on without a provider that fails and keeps the reason to its log; mostly
    it is a library that the provider's own needs."""
    library = Path(onnxruntime.__file__).parent / "capi" / _LIBRARY.format(provider)
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return "ONNX Runtime does not say why"


def _providers_to_try(provider: str) -> list[str]:
    """Providers to try, best first."""
    known = ("auto", *PROVIDERS, *PLUGINS)
    if provider not in known:
        raise ValueError(f"--provider {provider}: unknown; use {', '.join(known)}")
    if provider in PLUGINS:
        return [provider]
    built_in = onnxruntime.get_available_providers()
    names = [name for name, ort_name in PROVIDERS.items() if ort_name in built_in]
    if provider != "auto":
        if provider not in names:
            raise ValueError(
                f"--provider {provider}: not in this build of ONNX Runtime, which has"
                f" {', '.join(names)}"
            )
        names = [provider]
    else:
        names = [name for name in names if name not in _ONLY_BY_NAME]
        if not _has_nvidia_gpu():
            names = [name for name in names if name != "cuda"]
    if {"cuda", "tensorrt"} & set(names) and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
    return names


def _has_nvidia_gpu() -> bool:
    """Asked of the driver: builds for GPUs name CUDA as available on machines without one."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        return (
            driver.cuInit(0) == 0
            and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 < count.value
        )
    except (OSError, AttributeError):
        return False
