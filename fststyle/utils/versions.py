"""What networks and figures were made with."""

import platform

import torch

import fststyle


def versions() -> dict[str, str]:
    """Of this package, torch and Python, as cards and benchmarks have them."""
    return {
        "fststyle": fststyle.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
