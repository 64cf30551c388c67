"""What a network was made with."""

import platform

import torch

import fststyle


def versions() -> dict[str, str]:
    """What the card says a network was made with."""
    return {
        "fststyle": fststyle.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
