"""The objective that a command's settings ask for."""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from fststyle.checkpoints import LOSS, ModelDescriptor, load
from fststyle.config import ObjectiveConfig
from fststyle.images.geometry import resize
from fststyle.images.io import read_image
from fststyle.losses.perceptual import DepthNetwork, StyleObjective
from fststyle.networks.calibration import calibrate, mean_activations
from fststyle.networks.depth_head import LAYERS as DEPTH_LAYERS
from fststyle.networks.depth_head import VGGDepthHead
from fststyle.networks.vgg import VGG19Features
from fststyle.utils.tensors import as_tensor

LARGEST_TORCHVISION = 5.0
"""Mean activation of relu1_1 that tells torchvision's weights, well below it, from Oxford's: 20."""


def build_objective(
    config: ObjectiveConfig,
    vgg_weights: Path | None,
    depth: DepthNetwork | None,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[StyleObjective, str]:
    """(objective with a frozen loss network, calibrated if asked for, and the paintings' targets on
    it; where the loss network's weights came from).

    Args:
        depth: as ``losses.depth.for_loss`` gives it; read where the method has a depth loss.
        dtype: of the frozen convolutions; the style's targets are computed in float32.

    Raises FileNotFoundError or ValueError with the reason.
    """
    weights = {
        "content": 1.0 if config.content_weight is None else config.content_weight,
        "style": config.style_weight,
        "depth": config.depth_weight if config.keeps_depth else 0.0,
        "tv": config.tv_weight,
    }
    depth = depth if config.keeps_depth else None
    layers = {*config.content_layers, *config.style_layers}
    if isinstance(depth, VGGDepthHead):
        layers |= set(DEPTH_LAYERS)
    paintings = [read_image(path, srgb=True) for path in config.style]
    loss_network = load_loss_network(config.loss_network, vgg_weights)
    extractor = loss_network.network.cut(layers).to(device)
    if config.calibrate:
        calibrate(extractor)
    elif config.preset or isinstance(depth, VGGDepthHead):
        means = mean_activations(extractor)
        if isinstance(depth, VGGDepthHead):  # which reads calibrated features
            depth.divide_inputs(
                {layer: means[layer.removeprefix("relu")] for layer in DEPTH_LAYERS}
            )
        if config.preset and config.loss_network == "vgg19" and means["1_1"] > LARGEST_TORCHVISION:
            print(
                f"relu1_1 of these VGG-19 weights has a mean activation of {means['1_1']:.0f}, far"
                f" above torchvision's: --preset {config.preset} has weights for torchvision's"
                " (--vgg-weights), and style will outweigh all else",
                file=sys.stderr,
            )
    if config.loss_padding == "mirror":
        extractor.mirror()
    objective = StyleObjective(
        extractor,
        sized_paintings(paintings, config.style_size, device),
        config.content_layers,
        config.style_layers,
        weights,
        blend=sized_blend(config),
        relative=config.style_balance == "relative",
        style_layer_weights=config.layer_factors,
        depth=depth,
        depth_shift_free=config.depth_shift_free,
        downscale=config.loss_downscale,
    )
    # The targets are float32's; from here on its weights need no cast at every step.
    extractor.convs.to(dtype).to(memory_format=torch.channels_last)
    return objective, loss_network.source


def load_loss_network(name: str, vgg_weights: Path | None) -> ModelDescriptor[VGG19Features]:
    """The network that ``--loss-network`` names: "vgg19", out of ``vgg_weights`` where they are
    given; "small" for the one that ships; or a file that ``loss train`` wrote.

    Raises FileNotFoundError or ValueError with the reason.
    """
    if name not in ("vgg19", "small") and Path(name).suffix != ".safetensors":
        raise ValueError(f"--loss-network {name}: use vgg19, small or NAME.safetensors")
    try:
        return load(name, LOSS, vgg_weights=vgg_weights)
    except FileNotFoundError as error:
        if name != "vgg19" or vgg_weights is not None:
            raise
        raise FileNotFoundError(
            f"{error}; or take the small one that ships, --loss-network small"
        ) from error


def sized_paintings(
    paintings: Sequence[Image.Image],
    sizes: Sequence[int],
    device: torch.device,
    scale: float = 1.0,
) -> list[Tensor]:
    """Each painting at each of ``sizes`` (longer side in pixels) times ``scale``, as
    ``StyleObjective`` takes them."""
    return [
        as_tensor(resize(painting, max(32, size * scale) / max(painting.size))).to(device)
        for painting in paintings
        for size in sizes
    ]


def sized_blend(config: ObjectiveConfig) -> list[float]:
    """The parts in the style that ``sized_paintings`` have."""
    return [part for part in config.style_blend for _ in config.style_size]
