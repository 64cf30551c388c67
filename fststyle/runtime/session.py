"""Exported networks in ONNX Runtime, on the best execution provider at hand."""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import onnxruntime

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "dml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Name for --provider to ONNX Runtime's, best first."""

_NOT_BY_ITSELF = ("tensorrt",)
"""Chosen only by name: it compiles for minutes at the first start."""


class Session(NamedTuple):
    """``provider``: the one that runs, a key of ``PROVIDERS``. ``card``: what the file says of
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
        provider: "auto", or a key of ``PROVIDERS``.
        threads: of the CPU; None takes all cores.
        output: name of the output that the network must have, ``holds`` in words what it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no ONNX file of ours, or another network; the provider is not to be had.
    """
    if not model.is_file():
        raise FileNotFoundError(f"{model}: no such file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 4  # what goes wrong is said once, below
    wanted = _choose(provider)
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=[PROVIDERS[name] for name in wanted]
        )
    except Exception as error:  # ONNX Runtime's own types share no base but Exception
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{model}: ONNX Runtime cannot load it ({reason})") from error
    running = session.get_providers()[0]
    found = next((k for k, v in PROVIDERS.items() if v == running), running)
    if found != wanted[0]:
        message = f"the {wanted[0]} provider failed to start; is its library installed?"
        if provider != "auto":
            raise ValueError(f"--provider {provider}: {message}")
        print(f"{message} Using {found}.", file=sys.stderr)
    inputs = session.get_inputs()
    if [i.name for i in inputs] != ["content"]:
        raise ValueError(f"{model}: not a network exported by fststyle")
    if [o.name for o in session.get_outputs()] != [output]:
        raise ValueError(f"{model}: an exported network, but not a {holds}")
    metadata = session.get_modelmeta().custom_metadata_map
    card: dict[str, Any] = json.loads(metadata.get("fststyle", "{}"))
    return Session(session, found, card, inputs[0].type == "tensor(uint8)")


def _choose(provider: str) -> list[str]:
    """Providers to ask for, best first, the CPU last."""
    if provider not in ("auto", *PROVIDERS):
        raise ValueError(f"--provider {provider}: unknown; use auto, {', '.join(PROVIDERS)}")
    built_in = onnxruntime.get_available_providers()
    here = [name for name, theirs in PROVIDERS.items() if theirs in built_in]
    if provider != "auto":
        if provider not in here:
            raise ValueError(
                f"--provider {provider}: not in this build of ONNX Runtime, which has"
                f" {', '.join(here)}"
            )
        here = list(dict.fromkeys([provider, "cpu"]))
    else:
        here = [name for name in here if name not in _NOT_BY_ITSELF]
        if not _has_nvidia_gpu():
            here = [name for name in here if name != "cuda"]
    if {"cuda", "tensorrt"} & set(here) and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
    return here


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
