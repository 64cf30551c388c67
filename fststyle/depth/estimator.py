"""Depth networks of every kind as functions of arrays; torch is imported only for those it runs."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fststyle.depth.predict import Estimator, estimate_depth, onnx_estimator


class DepthEstimator(NamedTuple):
    """A depth network ready to run; ``name`` is short, for tables."""

    name: str
    estimate: Estimator
    card: dict[str, Any]

    def __call__(self, image: Image.Image) -> np.ndarray:
        """H×W float32 depth of the picture, which the network sees at its training size.

        Raises ValueError where it is not finite.
        """
        depth = estimate_depth(self.estimate, image, self.card)
        if not np.isfinite(depth).all():
            raise ValueError(f"the depth that {self.name} tells is not finite")
        return depth


def open_estimator(
    source: str | None, vgg_weights: Path | None = None, device: str = "auto"
) -> DepthEstimator:
    """A depth network from NAME.onnx (run without torch), NAME.safetensors or transformers:NAME;
    None is the best that ships.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if source is not None and source.endswith(".onnx"):
        return DepthEstimator(Path(source).stem, *onnx_estimator(Path(source)))
    from fststyle.checkpoints.depth import estimator, load_depth
    from fststyle.utils.device import find_device

    network, card = load_depth(source, vgg_weights)
    name = card["kind"] if source is None else Path(source).stem
    return DepthEstimator(name, estimator(network, find_device(device)), card)
