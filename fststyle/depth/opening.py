"""Depth networks of every kind, ready to run; torch is imported only for those it runs."""

from importlib.util import find_spec
from pathlib import Path

from fststyle.depth.estimator import DepthEstimator, onnx_estimator
from fststyle.utils.pretrained import CHECKPOINTS


def open_estimator(
    source: str | None, vgg_weights: Path | None = None, device: str = "auto"
) -> DepthEstimator:
    """A depth network from NAME.onnx (run without torch), NAME.safetensors or transformers:NAME;
    None is the best that ships, where torch is missing the one for run time.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if source in (None, "fast") and find_spec("torch") is None:
        source = str(CHECKPOINTS / "depth" / "fast.onnx")
    if source is not None and source.endswith(".onnx"):
        return DepthEstimator(Path(source).stem, *onnx_estimator(Path(source)))
    from fststyle.checkpoints import DEPTH, load
    from fststyle.checkpoints.depth import best_depth
    from fststyle.depth.torch_estimator import estimator
    from fststyle.utils.device import find_device

    model = load(source or best_depth(vgg_weights), DEPTH, vgg_weights=vgg_weights)
    name = model.kind if source is None else Path(source).stem
    return DepthEstimator(name, estimator(model.network, find_device(device)), model.card)
