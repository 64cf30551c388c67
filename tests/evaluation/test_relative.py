from pathlib import Path

import pytest
import torch

from fststyle.checkpoints import LOSS, load
from fststyle.evaluation.model_result import ModelResult
from fststyle.evaluation.relative import (
    PAINTING,
    PHOTO,
    control_results,
    measure_controls,
    relative_errors,
    relative_table,
)
from fststyle.losses.perceptual import StyleObjective
from fststyle.utils.tensors import as_tensor
from tests.conftest import picture

LAYERS = ("relu1_2", "relu2_2")


@pytest.fixture
def result(deep_vgg: Path, tmp_path: Path) -> ModelResult:
    painting = tmp_path / "painting.png"
    picture(9, 80, 60).save(painting)
    extractor = load(deep_vgg, LOSS).network
    objective = StyleObjective(
        extractor, [as_tensor(picture(9, 80, 60))], ("relu2_2",), LAYERS, {"style": 1.0}
    )
    return ModelResult(
        "n", "plain", lambda _, photo, grain: photo, objective, "painting", (painting,)
    )


def test_the_photo_has_no_content_error_and_the_painting_no_style_error(
    result: ModelResult,
) -> None:
    controls = control_results([result, result])
    assert [control.name for control in controls] == [PHOTO, PAINTING]  # once a painting
    for seed in (1, 2):
        photo = picture(seed, 80, 60)
        maps = result.objective.maps(as_tensor(photo))
        measure_controls(controls, Path("p"), photo, lambda _, m=maps: m, torch.device("cpu"))  # type: ignore[misc]
    kept, painting = (control.relative_means() for control in controls)
    assert kept["content relu2_2"] == 0
    assert min(kept[f"style {layer}"] for layer in LAYERS) > 0.01
    assert painting["content relu2_2"] > 0.01
    assert max(painting[f"style {layer}"] for layer in LAYERS) < 1e-6
    lines = relative_table(controls).splitlines()
    assert (
        lines[0] == "| relative error | style | style relu1_2 | style relu2_2 | content relu2_2 |"
    )
    assert lines[2].startswith(f"| {PHOTO} | ") and lines[2].endswith(" | 0.000 |")


def test_errors_are_1_where_nothing_is_left(result: ModelResult) -> None:
    maps = result.objective.maps(as_tensor(picture(1)))
    nothing = {layer: torch.zeros_like(values) for layer, values in maps.items()}
    errors = relative_errors(result.objective, nothing, maps)
    parts = ["style relu1_2", "style relu2_2", "content relu2_2"]
    assert errors == pytest.approx({"style": 0.3 + 0.5, **dict.fromkeys(parts, 1.0)})
    assert list(errors) == ["style", *parts]
