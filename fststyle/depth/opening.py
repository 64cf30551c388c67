"""Depth networks of every kind, ready to run; torch is imported only for those it runs."""

from pathlib import Path

from fststyle.depth.estimator import DepthEstimator, onnx_estimator


def open_estimator(
    source: str | None, vgg_weights: Path | None = None, device: str = "auto"
) -> DepthEstimator:
    """A depth network from NAME.onnx (run without torch), NAME.safetensors or transformers:NAME;
    None is the best that ships.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if source is not None and source.endswith(".onnx"):
        return DepthEstimator(Path(source).stem, *onnx_estimator(Path(source)))
    from fststyle.checkpoints import DEPTH, load
    from fststyle.checkpoints.depth import best_depth
    from fststyle.depth.torch_estimator import estimator
    from fststyle.utils.device import find_device

    model = load(source or best_depth(vgg_weights), DEPTH, vgg_weights=vgg_weights)
    name = model.kind if source is None else Path(source).stem
    return DepthEstimator(name, estimator(model.network, find_device(device)), model.card)
