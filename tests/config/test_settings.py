import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fststyle import config
from fststyle.config import (
    DepthTrainConfig,
    OptimizeConfig,
    StyleTrainConfig,
    from_json,
    from_options,
    to_json,
)
from fststyle.config.style import STABILITY

NEEDED: dict[str, Any] = {"style": (Path("a.jpg"),), "content": Path("photos"), "name": "x"}


def test_settings_survive_json() -> None:
    settings = StyleTrainConfig(**NEEDED, style_size=(256, 512), clip_grad=1.0, compile=True)
    assert from_json(StyleTrainConfig, to_json(settings)) == settings
    with pytest.raises(ValueError, match="another version: colour"):
        from_json(StyleTrainConfig, {**to_json(settings), "colour": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("steps", "8"), ("steps", True), ("steps", 1.5), ("steps", None), ("lr", "fast")),
        *(("style", "a.jpg"), ("style", [1]), ("content", None), ("content", ["a"])),
        *(("compile", 1), ("precision", []), ("precision", "fp8"), ("style_size", [[256]])),
    ],
)
def test_settings_of_damaged_files_are_refused(name: str, value: object) -> None:
    values = to_json(StyleTrainConfig(**NEEDED))
    with pytest.raises(ValueError, match=f"{name} must be .*, not "):
        from_json(StyleTrainConfig, {**values, name: value})


def test_settings_that_are_missing_are_named() -> None:
    with pytest.raises(ValueError, match="settings are missing: content, name, style"):
        from_json(StyleTrainConfig, {})
    with pytest.raises(ValueError, match="settings cannot be None"):
        from_json(StyleTrainConfig, None)


def test_a_missing_option_is_named() -> None:
    with pytest.raises(ValueError, match="--content is needed: folder of photos"):
        from_options(StyleTrainConfig, {k: v for k, v in NEEDED.items() if k != "content"})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 0, "--steps must be at least 1"),
        ("batch_size", 0, "--batch-size must be at least 1"),
        ("accumulate", 3, "cannot be split into 3 equal parts"),
        ("lr", float("nan"), "--lr must be above 0"),
        ("name", "a/b", "plain file name"),
        ("name", "..", "plain file name"),
        ("image_size", "8", "--image-size must be at least 32"),
        ("style_weight", -1.0, "--style-weight must be 0 or more"),
        ("tv_weight", float("inf"), "--tv-weight must be 0 or more"),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StyleTrainConfig(**{**NEEDED, field: value})


def test_paths_are_taken_as_text_and_what_there_can_be_several_of_alone() -> None:
    settings = StyleTrainConfig(style="a.jpg", content="photos", name="x", style_size=[256, 512])
    assert settings.style == (Path("a.jpg"),) and settings.content == Path("photos")
    assert settings.style_size == (256, 512)
    assert OptimizeConfig(style="a.jpg", inputs=Path("b.jpg")).inputs == ("b.jpg",)


def test_a_depth_run_begun_before_there_was_a_setting_goes_on_as_it_began() -> None:
    began = to_json(DepthTrainConfig(name="x", data=("a=b",)))
    for younger in ("dense_weight", "gradient_weight", "both_paddings", "blocks"):
        del began[younger]
    resumed = from_json(DepthTrainConfig, began)
    assert (resumed.dense_weight, resumed.both_paddings, resumed.blocks) == (0, False, 1)


def test_a_run_begun_before_there_was_a_setting_goes_on_as_it_began() -> None:
    began = to_json(StyleTrainConfig(**NEEDED, content_weight=1.0))
    for younger in ("optimizer", "style_balance", "loss_padding", "grain", "stability_moves"):
        del began[younger]
    resumed = from_json(StyleTrainConfig, began)
    assert (resumed.grain, resumed.stability_moves) == (0, "shifts")
    assert (resumed.optimizer, resumed.style_balance) == ("adam", "sum")
    assert resumed.wanted_error is None and resumed.layer_factors == (1.0, 1.0, 1.0, 1.0)
    assert resumed.loss_padding == "zeros"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, 0.65),
        ({"content_error": 0.4}, 0.4),
        ({"content_weight": 2.0}, None),
        ({"style_balance": "sum"}, None),
    ],
)
def test_the_content_error_leads_where_no_weight_is_fixed(
    options: dict[str, Any], error: float | None
) -> None:
    assert StyleTrainConfig(**NEEDED, **options).wanted_error == error


@pytest.mark.parametrize(
    ("options", "weight"),
    [
        ({}, STABILITY),
        ({"image_size": "64x80"}, STABILITY),
        ({"image_size": "63x80"}, 0),
        ({"style_balance": "sum"}, 0),
        ({"style_balance": "sum", "stability_weight": 7.0}, 7),
        ({"stability_weight": 0.0}, 0),
    ],
)
def test_strokes_are_steady_unless_losses_are_the_papers_or_crops_small(
    options: dict[str, Any], weight: float
) -> None:
    assert StyleTrainConfig(**NEEDED, **options).steady_weight == weight


def test_a_content_error_and_what_contradicts_it_are_refused() -> None:
    for options, message in (
        ({"content_weight": 1.0}, "leads the weight that --content-weight fixes"),
        ({"style_balance": "sum"}, "leave out --style-balance sum"),
    ):
        with pytest.raises(ValueError, match=message):
            StyleTrainConfig(**NEEDED, content_error=0.5, **options)  # type: ignore[arg-type]


def test_relative_style_layers_have_factors_by_block() -> None:
    settings = StyleTrainConfig(**NEEDED, style_layers=("relu2_1", "relu4_2"))
    assert settings.layer_factors == (0.5, 2.0)
    assert OptimizeConfig(style="a.jpg", inputs="b.jpg").layer_factors == (1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("value", ["8", True, None, 1.5, [8]])
def test_values_of_another_type_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="^steps must be a whole number, not "):
        StyleTrainConfig(**NEEDED, steps=value)


@pytest.mark.parametrize(
    ("name", "value", "held"),
    [
        ("lr", np.float32(0.5), 0.5),
        ("lr", 1, 1.0),
        ("steps", np.int64(3), 3),
        ("compile", np.True_, True),
        ("style_size", [np.int32(64), 128], (64, 128)),
        *(("image_size", size, "64") for size in (64, np.int64(64), "64")),
        *(("image_size", size, "64x96") for size in ((64, 96), [64, 96], "64x96")),
    ],
)
def test_numbers_of_numpy_and_sizes_are_held_as_pythons(name: str, value: Any, held: Any) -> None:
    settings = StyleTrainConfig(**{**NEEDED, name: value})
    assert getattr(settings, name) == held
    assert type(getattr(settings, name)) is type(held)
    assert from_json(StyleTrainConfig, json.loads(json.dumps(to_json(settings)))) == settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr", "a", "lr must be a number, not 'a'"),
        ("lr", 10**400, "lr must be a number, not 1000"),
        ("steps", np.float32(2), "steps must be a whole number, not "),
        ("compile", 1, "compile must be True or False, not 1"),
        ("method", "deep", "method must be 'plain' or .* 'combined', not 'deep'"),
        ("content", 3, "content must be a path, not 3"),
        ("name", 3, "name must be text, not 3"),
        ("image_size", 1.5, "image_size must be a size, such as 256 or .*, not 1.5"),
        ("image_size", (1, 2, 3), "two numbers such as 224x288, not '1x2x3'"),
    ],
)
def test_what_was_expected_and_what_was_found_are_said(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StyleTrainConfig(**{**NEEDED, name: value})


def test_what_changed_is_named() -> None:
    old = StyleTrainConfig(**NEEDED)
    new = StyleTrainConfig(**{**NEEDED, "lr": 1.0, "steps": 5})
    assert config.changed(old, new, ignore=["steps"]) == ["lr"]


def test_color_is_spelt_in_either_way() -> None:
    parser = argparse.ArgumentParser()
    config.add_arguments(parser, OptimizeConfig)
    for option in ("--keep-color", "--keep-colour"):
        assert parser.parse_args(["photo.jpg", option]).keep_color is True
