"""What a style network's training leaves: its file, its state, and pictures to look at."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.utils import make_grid

from fststyle import config as settings
from fststyle.checkpoints.style import STATE, save_transform
from fststyle.config import StyleRunConfig
from fststyle.images.io import to_uint8, write_image
from fststyle.networks.transform import TransformNet
from fststyle.training.state import TrainingState, save_state
from fststyle.utils.tensorboard import TensorBoardLogger


def show(
    rows: Sequence[Sequence[Tensor]],
    size: Sequence[int],
    config: StyleRunConfig,
    step: int,
    logger: TensorBoardLogger,
) -> None:
    """Pictures of a validation to TensorBoard and into ``validation.png``, at ``size``.

    ``rows``: of each part of the photos, what is shown of them below one another: N×3×H×W in [0,1].
    """
    shown = [
        torch.cat([nn.functional.interpolate(part.cpu(), size=tuple(size)) for part in row])
        for row in zip(*rows, strict=True)
    ]
    logger.images("val", shown, step)
    logger.flush()
    grid = make_grid(torch.cat(shown), nrow=len(shown[0])).permute(1, 2, 0).numpy()
    try:
        write_image(Image.fromarray(to_uint8(grid)), config.folder / "validation.png")
    except OSError as error:
        print(f"validation.png: cannot be written ({error})", file=sys.stderr)


def save_run(config: StyleRunConfig, state: TrainingState, card: Mapping[str, Any]) -> None:
    """The network's file, then the state: killed in between, the run repeats a few steps. ``card``
    is completed by the settings and the step."""
    card = {**card, "settings": settings.to_json(config), "step": state.step}
    assert isinstance(state.network, TransformNet)
    save_transform(config.folder / f"{config.name}.safetensors", state.network, card)
    save_state(config.folder / STATE, state, card)
