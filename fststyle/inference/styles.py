"""The styles that ship, and what any exported network says of itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fststyle.config import InferConfig
from fststyle.inference.maps import check_map_sources
from fststyle.inference.near_and_far import NearAndFar
from fststyle.inference.stylizer import Stylizer
from fststyle.sessions.model_file import read_model
from fststyle.utils.pretrained import CHECKPOINTS, describe_no_style, shipped_styles, style_file


@dataclass(frozen=True)
class Style:
    """A style that ships.

    Attributes:
        name: what ``load_style`` and ``fststyle infer`` take.
        painting: painter, title and year.
        width: channels of the network's first layer: 32 for photos, 8 for live video.
        file: the ONNX file.
        card: all that the file says of itself.
    """

    name: str
    painting: str
    width: int | None
    file: Path = field(repr=False)
    card: dict[str, Any] = field(repr=False)


def list_styles() -> dict[str, Style]:
    """The styles that ship, by name.

    >>> import fststyle
    >>> styles = fststyle.list_styles()
    >>> "great_wave" in styles
    True
    >>> styles["starry_night"]
    Style(name='starry_night', painting='Vincent van Gogh, The Starry Night, 1889', width=32)

    Raises FileNotFoundError where none is installed.
    """
    files = shipped_styles()
    if not files:
        raise FileNotFoundError(f"{CHECKPOINTS / 'styles'}: no styles there")
    styles = {}
    for name, file in files.items():
        card = read_card(file)
        width = card.get("network", {}).get("width")
        styles[name] = Style(name, painting_name(card), width, file, card)
    return styles


def load_style(
    style: str | Path,
    *,
    far_style: str | Path | None = None,
    provider: str = "auto",
    threads: int | None = None,
) -> Stylizer:
    """A style, ready to be applied.

    >>> import fststyle
    >>> stylize = fststyle.load_style("starry_night_live", provider="cpu")
    >>> stylize("photo.jpg", keep_color=True).size
    (64, 48)

    Args:
        style: the name of one that ships (see ``list_styles``), or an ONNX file of
            ``fststyle export``.
        far_style: another one, for what is far; both are then mixed by the map.
        provider: ONNX Runtime's execution provider, "auto", "cpu", "cuda", "coreml" …
        threads: of the CPU; None takes all cores.

    Raises what ``Stylizer`` raises.
    """
    opened = []
    for name in [style] if far_style is None else [style, far_style]:
        file = style_file(name)
        if file.suffix != ".onnx":
            raise ValueError(describe_no_style(name))
        opened.append(Stylizer(file, provider, threads))
    return opened[0] if far_style is None else NearAndFar(*opened)


def open_stylizers(config: InferConfig) -> list[Stylizer]:
    """The styles that ``infer`` is given, in their order.

    Raises what ``Stylizer`` raises, and where one cannot do what is asked of its map, or that is
    not there: all before anything is done.
    """
    check_map_sources(config)
    stylizers = [
        load_style(
            path, far_style=config.far_style, provider=config.provider, threads=config.threads
        )
        for path in config.models
    ]
    for stylizer in stylizers:
        stylizer.check_map(config)
    return stylizers


def print_styles() -> None:
    """Print a line for each style that ships; errors are those of ``list_styles``."""
    styles = list_styles()
    column = max(map(len, styles))
    for name, style in styles.items():
        width = "unknown" if style.width is None else style.width
        print(f"{name:{column}}  {style.painting}; width {width}")


def painting_name(card: dict[str, Any]) -> str:
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
