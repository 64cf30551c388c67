"""Pictures as arrays."""

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""H×W×3 RGB, or N×H×W×3."""


def check_frames(frames: object, dimensions: tuple[int, ...]) -> None:
    """Raise TypeError or ValueError where it is no array of uint8 with so many dimensions."""
    if not isinstance(frames, np.ndarray):
        raise TypeError(f"a frame is an array of H×W×3 uint8, not {type(frames).__name__}")
    if frames.dtype != np.uint8:
        raise TypeError(f"an array of uint8 in [0, 255] is needed, not of {frames.dtype}")
    if frames.ndim not in dimensions or frames.shape[-1] != 3:
        wanted = " or ".join({3: "H×W×3", 4: "N×H×W×3"}[count] for count in dimensions)
        raise ValueError(f"an array of {wanted} is needed, RGB, not of {frames.shape}")
