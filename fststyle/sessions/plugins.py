"""Execution providers that are packages of their own, made known to ONNX Runtime when asked for."""

import functools
import importlib
from typing import Any

import onnxruntime

PLUGINS = {
    "webgpu": "onnxruntime_ep_webgpu",
    "tensorrt-rtx": "onnxruntime_ep_nv_tensorrt_rtx",
}
"""Name for --provider to the module of its package, which knows its library and ONNX Runtime's name
for it. They are chosen only by name: they need a GPU, or compile at the first start."""


@functools.cache
def device_of(provider: str) -> Any:
    """The device that ``provider``, a key of ``PLUGINS``, computes on: an ``OrtEpDevice``, the
    first that it finds.

    Raises ValueError where its package is not installed or fits no ONNX Runtime of this version,
    where its library cannot be loaded, and where it finds no device.
    """
    module = _module(provider)
    if not hasattr(onnxruntime, "register_execution_provider_library"):
        raise ValueError(f"ONNX Runtime {onnxruntime.__version__} takes no plugins: 1.24 does")
    try:
        onnxruntime.register_execution_provider_library(provider, module.get_library_path())
    except Exception as error:  # ONNX Runtime's own types share no base but Exception
        raise ValueError(str(error).partition("\n")[0]) from error
    for device in onnxruntime.get_ep_devices():
        if device.ep_name == module.get_ep_name():
            return device
    onnxruntime.unregister_execution_provider_library(provider)
    raise ValueError("it finds no device that it can compute on: is there a GPU, and its driver?")


def _module(provider: str) -> Any:
    name = PLUGINS[provider]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.replace("_", "-")
        raise ValueError(f"it is not installed: pip install {package}") from error
