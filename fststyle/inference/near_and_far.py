"""Two styles in one picture: one where it is near, the other where it is far."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle.config.infer import Grain, StyleControls
from fststyle.inference.stylizer import Stylizer


class NearAndFar(Stylizer):
    """Two styles, mixed by a weight map, which neither of them has to take: that of ``near`` where
    it is 1, that of ``far`` where it is 0."""

    def __init__(self, near: Stylizer, far: Stylizer) -> None:
        self.model, self.provider, self.card = near.model, near.provider, near.card
        self._settings, self._threads = near._settings, near._threads
        self.mapped = True
        self._near, self._far = near, far

    def __repr__(self) -> str:
        return f"NearAndFar({self._near!r}, {self._far!r})"

    def __reduce__(self) -> tuple[type["NearAndFar"], tuple[Stylizer, Stylizer]]:
        """Each is opened again by itself."""
        return NearAndFar, (self._near, self._far)

    def grain(self, controls: StyleControls) -> Grain:
        """As ``Stylizer.grain``: the map mixes styles, and keeps nothing of a picture."""
        return controls.noise._replace(by_map=False)

    def run(
        self,
        frames: np.ndarray,
        weight_map: np.ndarray | None = None,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
    ) -> np.ndarray:
        """As ``Stylizer.run``, of both; without a map the far one's alone."""
        near, far = (
            style.run(frames, strength=strength, keep_color=keep_color)
            for style in (self._near, self._far)
        )
        maps = np.zeros((len(frames), 1, 1), np.float32) if weight_map is None else weight_map
        return np.stack([mixed(*three) for three in zip(near, far, maps, strict=True)])

    def tiled(
        self,
        frame: np.ndarray,
        pixels: int,
        weight_map: np.ndarray | None = None,
        *,
        strength: float = 1.0,
        keep_color: bool = False,
        folder: Path | None = None,
        progress: Callable[[float], None] = lambda part: None,
    ) -> np.ndarray:
        """As ``Stylizer.tiled``, of both."""
        near, far = (
            style.tiled(
                frame,
                pixels,
                strength=strength,
                keep_color=keep_color,
                folder=folder,
                progress=lambda part: progress(part / 2),
            )
            for style in (self._near, self._far)
        )
        return mixed(near, far, np.zeros((1, 1)) if weight_map is None else weight_map)


def mixed(near: np.ndarray, far: np.ndarray, weight_map: np.ndarray) -> np.ndarray:
    """Two frames, H×W×3 uint8, in one, the same: ``weight_map``, h×w in [0,1], says how much of
    ``near`` there is; it is brought to their size."""
    height, width, _ = near.shape
    small = Image.fromarray(np.asarray(weight_map, np.float32))
    part = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))[..., None]
    both = far + part * (near.astype(np.float32) - far)
    rounded: np.ndarray = (both + 0.5).clip(0, 255).astype(np.uint8)
    return rounded
