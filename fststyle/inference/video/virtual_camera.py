"""A virtual camera, which programs for calls and broadcasts take for a real one."""

import numpy as np
from PIL import Image

NAME = "virtualcam"


def is_virtual_camera(output: str) -> bool:
    """Whether ``--output`` names one: ``virtualcam``, or ``virtualcam:DEVICE`` of several."""
    return output.partition(":")[0] == NAME


class VirtualCamera:
    """A window as ``live.show`` has them, through which other programs look, by pyvirtualcam.

    Args:
        output: as ``is_virtual_camera`` knows it.
        width, height: of all frames.
        rate: how many come in a second, about.

    Raises ValueError where pyvirtualcam or a device is missing.
    """

    def __init__(self, output: str, width: int, height: int, rate: float) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise ValueError(
                f"--output {output}: pyvirtualcam is not installed: pip install '.[virtualcam]' in"
                " a clone"
            ) from error
        device = output.partition(":")[2] or None
        try:
            self._camera = pyvirtualcam.Camera(width, height, rate, device=device)
        except RuntimeError as error:
            reason = "; ".join(str(error).splitlines())
            raise ValueError(f"--output {output}: no virtual camera ({reason})") from error
        self.device: str = self._camera.device

    def show(self, frame: np.ndarray, title: str) -> bool:
        """See ``live.Window``; a frame of another size, as of a stream that came back with one, is
        scaled to the camera's."""
        size = self._camera.width, self._camera.height
        if frame.shape[1::-1] != size:
            frame = np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))
        self._camera.send(frame)
        return True

    def wait(self) -> bool:
        """See ``live.Window``."""
        return True

    def close(self) -> None:
        """See ``live.Window``."""
        self._camera.close()
