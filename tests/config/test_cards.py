"""What a network's file says to others, and what is made of what others' files say."""

import dataclasses
import json
import re
import typing
from pathlib import Path
from typing import Any

import pytest

import fststyle
from fststyle.config import DepthTrainConfig, LossTrainConfig, StyleTrainConfig
from fststyle.config.cards import parse_card, public

PLACE = "/home/canary/pictures"
KINDS = (StyleTrainConfig, DepthTrainConfig, LossTrainConfig)


def private_card(kind: type) -> dict[str, Any]:
    """Of a training in which every setting that can be a place is one."""
    settings: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        hint = str(typing.get_type_hints(kind)[field.name])
        text = re.search(r"\bstr\b|Path", hint) and "Literal" not in hint
        value = f"{PLACE}/{field.name}" if text else field.default
        settings[field.name] = [value] if text and "tuple" in hint else value
    assert sum(PLACE in str(value) for value in settings.values()) >= 4
    return {
        "kind": "transform",
        "network": {"width": 8, "weights": PLACE},
        "settings": settings,
        "step": 7,
        "loss_network": f"{PLACE}/vgg.safetensors",
        "teacher": f"C:{PLACE}\\vgg.safetensors".replace("/", "\\"),
        "depth_network": {"kind": "transformers", "id": "transformers---home--canary--pictures"},
        "id": "home--canary--pictures--model",
        "style": [{"name": f"{PLACE}/a.jpg", "sha256": "0" * 64}, {"name": "b.jpg", "sha256": "x"}],
        "init": {"name": PLACE, "sha256": "1" * 64},
        "converted_from": PLACE,
        "data": {"rooms": {"pictures": 3}, PLACE: {"pictures": 3}, "x": {"pictures": PLACE}},
        "losses": {"content": 1.5, PLACE: 2.0},
        "figures": {"rooms": {"loss": 0.5}, f"depth loss {PLACE}": 1.0, "style": PLACE},
        "versions": {"fststyle": "0.1.0", "python": PLACE, "host": "canary"},
        "whatever else": PLACE,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_no_place_is_public(kind: type) -> None:
    found = public(json.loads(json.dumps(private_card(kind), default=str)))
    assert "canary" not in json.dumps(found)
    assert found["network"] == {"width": 8} and found["step"] == 7
    assert found["loss_network"] == "vgg.safetensors" == found["teacher"]
    assert found["style"] == [{"sha256": "0" * 64}, {"name": "b.jpg"}]
    assert found["data"] == {"rooms": {"pictures": 3}}
    assert found["versions"] == {"fststyle": "0.1.0"}
    assert found["settings"]["seed"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_public(kind: type) -> None:
    """A setting that is new is not forgotten."""
    own = {"resume", "workers", "overwrite"}  # of the machine, or of one call
    hints = typing.get_type_hints(kind)
    kinds = {
        field.name: set(typing.get_args(hints[field.name]) or (hints[field.name],))
        for field in dataclasses.fields(kind)
    }
    numbers = {name: 1 for name, of in kinds.items() if of <= {int, float, bool, type(None)}}
    assert len(numbers) > 3
    found = public({"settings": numbers})["settings"]
    assert found.keys() == numbers.keys() - own


def test_words_that_the_trainer_knows_are_public() -> None:
    known = {"weight_map": "depth", "loss_network": "small", "method": "combined", "size": "32x48"}
    assert public({"settings": known})["settings"] == known


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its card is no JSON"),
        ('{"kind": ', "its card is no JSON"),
        ("[" * 100_000, "its card is no JSON"),
        ("[1]", "no JSON object"),
        ('{"network": 7}', "has 7 for network"),
        ('{"settings": [1]}', "for settings"),
        ('{"settings": {"size": "0x0"}}', "for settings: size"),
        ('{"settings": {"size": "large"}}', "for settings: size"),
        ('{"style": [{"name": 3}]}', "for style"),
        ('{"painting": {"title": "Waves"}}', "for painting"),
        ('{"loss_network": null}', "for loss_network"),
    ],
)
def test_damaged_cards_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_card(text, "x.onnx")
    assert str(caught.value).startswith("x.onnx: ") and "\n" not in str(caught.value)


def test_newer_versions_are_named() -> None:
    for entry in ("versions", "exported_with"):
        for version, newer in (("99.1", True), (fststyle.__version__, False), ("odd", False)):
            card = {"network": 7, entry: {"fststyle": version}}
            with pytest.raises(ValueError, match="for network") as caught:
                parse_card(json.dumps(card), "x.onnx")
            assert ("written by fststyle 99.1, a newer version" in str(caught.value)) == newer


def test_what_is_not_known_is_passed_over() -> None:
    card = {"kind": "transform", "anything": [{}], "settings": {"new": "value"}}
    assert parse_card(json.dumps(card), Path("x.onnx")) == card
