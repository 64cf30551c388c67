"""Pictures as arrays."""

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""H×W×3 RGB, or N×H×W×3."""
HIDDEN = 16
"""Alpha below which colours turn white: nobody is to see them, and codecs leave anything there."""


def check_frames(frames: object, dimensions: tuple[int, ...]) -> None:
    """Raise TypeError or ValueError where it is no array of uint8 with so many dimensions."""
    if not isinstance(frames, np.ndarray):
        raise TypeError(f"a frame is an array of H×W×3 uint8, not {type(frames).__name__}")
    if frames.dtype != np.uint8:
        raise TypeError(f"an array of uint8 in [0, 255] is needed, not of {frames.dtype}")
    if frames.ndim not in dimensions or frames.shape[-1] != 3:
        wanted = " or ".join({3: "H×W×3", 4: "N×H×W×3"}[count] for count in dimensions)
        raise ValueError(f"an array of {wanted} is needed, RGB, not of {frames.shape}")


def white_where_hidden(pixels: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """H×W×3 ``pixels``, in place, white where H×W ``alpha`` is 0, and as they are from ``HIDDEN``
    on."""
    hidden = alpha < HIDDEN
    part = alpha[hidden][:, None].astype(np.float32) / HIDDEN
    pixels[hidden] = (255.5 - (255 - pixels[hidden].astype(np.float32)) * part).astype(np.uint8)
    return pixels
