"""What networks and figures were made with."""

import platform

import torch

from fststyle.utils.version import __version__


def versions() -> dict[str, str]:
    """Of this package, torch and Python, as cards and benchmarks have them."""
    return {
        "fststyle": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
