"""An exported style network, ready to run."""

from pathlib import Path

import numpy as np

from fststyle.images import to_uint8
from fststyle.runtime.session import open_session


class Stylizer:
    """A style network from an ONNX file; arguments and errors are ``open_session``'s.

    Attributes:
        provider: the execution provider that runs, a key of ``session.PROVIDERS``.
        card: what the file says of itself.
    """

    def __init__(self, model: Path, provider: str = "auto", threads: int | None = None) -> None:
        opened = open_session(model, provider, threads, output="output", holds="style network")
        self.model = model
        self._session, self.provider, self.card, self._uint8 = opened
        self._scalars = {i.name for i in self._session.get_overridable_initializers()}

    def __call__(
        self, frames: np.ndarray, *, strength: float = 1.0, keep_colour: bool = False
    ) -> np.ndarray:
        """N×H×W×3 uint8 RGB to the same, stylized.

        Args:
            strength: 1 for the stylized picture, 0 for the original, between them a mixture.
            keep_colour: keep the original's chroma.

        Raises ValueError where a side is shorter than 16 pixels, or where the file is older than
        these options.
        """
        _, height, width, _ = frames.shape
        if min(height, width) < 16:
            raise ValueError(f"{width}x{height} pixels; at least 16x16 are needed")
        given: dict[str, np.ndarray] = {}
        if strength != 1:
            given["strength"] = np.array(strength, np.float32)
        if keep_colour:
            given["keep_colour"] = np.array(1, np.float32)
        for name in given.keys() - self._scalars:
            raise ValueError(f"{self.model} has no {name}: export it again with this version")
        if self._uint8:
            return self._session.run(None, {"content": frames, **given})[0]
        content = frames.transpose(0, 3, 1, 2).astype(np.float32) / 255
        (output,) = self._session.run(None, {"content": content, **given})
        return to_uint8(output.transpose(0, 2, 3, 1))
