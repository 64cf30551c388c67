"""What the styles are that ship, and what any exported network says of itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fststyle.inference.model_file import read_model
from fststyle.utils.pretrained import CHECKPOINTS, shipped_styles


def list_styles() -> None:
    """Print a line for each style that ships. Raises FileNotFoundError where none does."""
    styles = shipped_styles()
    if not styles:
        raise FileNotFoundError(f"{CHECKPOINTS / 'styles'}: no styles there")
    column = max(map(len, styles))
    for name, path in styles.items():
        card = read_card(path)
        width = card.get("network", {}).get("width", "unknown")
        print(f"{name:{column}}  {_painting(card)}; width {width}")


def _painting(card: dict[str, Any]) -> str:
    """As ``publish`` was told; of a file that was put there by hand, the painting's file name."""
    if "painting" in card:
        return "{painter}, {title}, {year}".format(**card["painting"])
    return " + ".join(style["name"] for style in card.get("style", [])) or "painting unknown"


def print_cards(models: Sequence[Path]) -> None:
    """Print what exported networks say of themselves, as JSON."""
    for model in models:
        print(json.dumps(read_card(model), indent=2, ensure_ascii=False))


def read_card(model: Path) -> dict[str, Any]:
    """What the ONNX file ``model`` says of itself.

    Raises FileNotFoundError, or ValueError where it is none of ours.
    """
    return read_model(model).card
