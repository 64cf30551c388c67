"""Errors in parts: of style layer by layer and of content, beside rows that show what they mean."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from fststyle.config.style import layer_factor
from fststyle.evaluation.model_result import ModelResult
from fststyle.images.io import read_image
from fststyle.losses.functional import relative_content_loss, relative_style_loss
from fststyle.losses.perceptual import StyleObjective
from fststyle.utils.tensors import as_tensor

CONTENT_LAYERS = ("relu2_2", "relu4_3")
"""The first holds edges, the second what things are."""
PHOTO, PAINTING = "(the photo itself)", "(the painting)"


def control_results(networks: Sequence[ModelResult]) -> list[ModelResult]:
    """For each painting two rows without a network: the photo itself, all content and no style; and
    the painting, cropped to the photo's shape. Between these lie all others."""
    controls = []
    for result in {result.painting: result for result in networks}.values():
        painting = read_image(result.paintings[0], srgb=True)

        def show_photo(_: Path, photo: Image.Image, grain: object) -> Image.Image:
            return photo

        def show_painting(
            _: Path, photo: Image.Image, grain: object, painting: Image.Image = painting
        ) -> Image.Image:
            return ImageOps.fit(painting, photo.size, Image.Resampling.LANCZOS)

        for name, output in ((PHOTO, show_photo), (PAINTING, show_painting)):
            controls.append(
                ModelResult(name, "–", output, result.objective, result.painting, result.paintings)
            )
    return controls


def relative_errors(
    objective: StyleObjective, output: Mapping[str, Tensor], content: Mapping[str, Tensor]
) -> dict[str, float]:
    """ "style LAYER", as ``relative_style_loss`` has it, "style", their sum with the factors that
    trainings have by default, and "content LAYER", as ``relative_content_loss``: of two pictures'
    feature maps, which are ``objective.maps``'s."""
    style = {
        layer: relative_style_loss(output[layer], objective.grams[layer]).item()
        for layer in objective.style_layers
    }
    errors = {"style": sum(layer_factor(layer) * error for layer, error in style.items())}
    errors |= {f"style {layer}": error for layer, error in style.items()}
    for layer in CONTENT_LAYERS:
        if layer in output:
            error = relative_content_loss(output[layer], content[layer]).item()
            errors[f"content {layer}"] = error
    return errors


@torch.no_grad()
def measure_controls(
    controls: Sequence[ModelResult],
    place: Path,
    photo: Image.Image,
    content_maps: Callable[[StyleObjective], Mapping[str, Tensor]],
    device: torch.device,
) -> None:
    """Add one photo's errors to those of the rows without a network.

    ``content_maps``: ``StyleObjective.maps`` of the photo, which networks are compared with, too.
    """
    for result in controls:
        content = content_maps(result.objective)
        picture = result.output(place, photo, None)
        assert isinstance(picture, Image.Image)
        same = picture is photo
        maps = content if same else result.objective.maps(as_tensor(picture).to(device))
        result.add_relative(relative_errors(result.objective, maps, content))


def relative_table(group: Sequence[ModelResult]) -> str:
    """Means over the photos, Markdown."""
    names = list(group[0].relative)
    lines = [f"| relative error | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for result in group:
        cells = [f"{value:.3f}" for value in result.relative_means().values()]
        lines.append(f"| {result.name} | {' | '.join(cells)} |")
    return "\n".join(lines)
