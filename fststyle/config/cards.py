"""Cards: what a network's file says of itself, as JSON; what of it is public, and reading it."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any

from fststyle.config import parse_size
from fststyle.utils.version import __version__

KEY = "fststyle"
"""The metadata entry of a file that holds the card."""

Schema = Any
"""A test of a value; a list with the schema of every element; or a mapping, by key, of schemas."""


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) < 1e300)


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _name(value: Any) -> bool:
    """Of a file without its folder, or of whatever else."""
    return isinstance(value, str) and value.isprintable() and not set(value) & set("/\\")


def _text(value: Any) -> bool:
    """What the user wrote in order that others read it."""
    return isinstance(value, str)


def _figures(value: Any) -> bool:
    """Numbers by name, also by set and name."""
    if not isinstance(value, dict):
        return _number(value)
    return all(
        _name(name) and (_figures(v) or (name == "size" and _size_text(v)))
        for name, v in value.items()
    )


def _network_name(value: Any) -> bool:
    """As ``checkpoints`` make them; an id out of the path of a folder has more than one slash."""
    return _name(value) and value.count("--") <= 1 and value[:1].isalnum()


_word = _matches(r"[\w.+-]{1,64}")
_size_text = _matches(r"(shorter side \d+ px|longer side \d+ px|\d+(x\d+)?|[\w ,]{1,64})")
_layer = _matches(r"(relu|conv)\d_\d")
_file = {"name": _name, "sha256": _matches(r"[0-9a-f]{64}"), "pictures": _number}
_versions = {"fststyle": _word, "torch": _word, "python": _word}

_SETTINGS: Mapping[str, Schema] = {
    **dict.fromkeys(
        (
            *("accumulate", "alpha_max", "alpha_min", "augment", "batch_size", "blocks"),
            "both_paddings",
            *("calibrate", "dense_weight", "gradient_weight"),
            *("checkpoint_interval", "clip_grad", "compile", "content_weight", "depth_shift_free"),
            *("depth_full_size", "depth_part", "depth_weight", "distance", "dropout", "equal_gap"),
            *("grain", "grid_shift", "loss_downscale", "lr"),
            *("lr_decay", "min_gap", "near_pairs", "one_shape", "pairs", "picture_interval"),
            "pictures",
            *("content_error", "vgg_part", "map_input", "locality_weight"),
            *("samples", "scale_output", "seed", "stability_weight", "steps", "style_weight"),
            *("tv_weight", "weight_decay", "width"),
        ),
        _number,
    ),
    "image_size": lambda value: _number(value) or _matches(r"\d+(x\d+)?")(value),
    "size": _matches(r"\d+(x\d+)?"),
    "style_size": [_number],
    "style_blend": [_number],
    "style_layer_weights": [_number],
    "style_balance": _matches("sum|relative"),
    "loss_padding": _matches("mirror|zeros"),
    "optimizer": _matches("adam|muon"),
    "stability_moves": _matches("camera|shifts"),
    "time": _matches(r"[\d.e+]+[smh]"),
    "widths": [_number],
    "content_layers": [_layer],
    "style_layers": [_layer],
    "method": _matches("plain|weighted|depth|combined"),
    "network": _matches("vgg_head|fast|hourglass"),
    "precision": _matches("auto|fp32|bf16|fp16"),
    "preset": lambda value: value is None or _word(value),
    "share": [_matches(r"[\w-]+=[\d.e+-]+")],
    "name": _name,
    # Of these two, words that the trainer knows; else they are places.
    "weight_map": _matches("depth|horizontal|vertical"),
    "loss_network": _matches("vgg19|small|none"),
}

_PUBLIC: Mapping[str, Schema] = {
    "kind": _word,
    "network": {"width": _number, "blocks": _number, "upsampling": _word, "mapped": _is(bool)},
    "settings": _SETTINGS,
    "style": [_file],
    "init": _file,
    "converted_from": _name,
    "photo_order": _matches(r"[0-9a-f]+"),
    "step": _number,
    "content_weight": _number,
    "losses": _figures,
    "figures": _figures,
    "versions": _versions,
    "depth_network": {"kind": _word, "id": _network_name},
    "id": _network_name,
    "painting": {"title": _text, "painter": _text, "year": _text},
    "licence": _text,
    "note": _text,
    "input": _text,
    "precision": _word,
    "agreement": _figures,  # the export's parity, by the name that files out there have for it
    "exported_with": _versions,
}

_NOTHING = object()


def public(card: Mapping[str, Any]) -> dict[str, Any]:
    """Of ``card`` what may be given away: a list of entries, each with the kind of values it may
    have, none of which tells where things lie on somebody's machine. All else is left out."""
    found: dict[str, Any] = _kept(card, _PUBLIC)
    data = card.get("data")  # of depth networks, by name; of loss networks a list
    if isinstance(data, dict):
        found["data"] = {n: v for n, v in data.items() if _name(n) and _figures(v)}
    elif isinstance(data, list):
        found["data"] = _kept(data, [_file])
    for name in ("loss_network", "teacher"):
        if isinstance(card.get(name), str):
            found[name] = public_source(card[name])
        elif isinstance(card.get(name), dict):
            found[name] = {
                "id": str(card[name].get("id")),
                "source": public_source(str(card[name].get("source"))),
            }
    return found


def public_source(source: str) -> str:
    """Where a loss network's weights came from, without the folder where they lay."""
    known = source.startswith("torchvision ") or source == "weights/vgg19_features.safetensors"
    return source if known else PureWindowsPath(source).name  # knows either slash


def _kept(value: Any, schema: Schema) -> Any:
    if callable(schema):
        return value if schema(value) else _NOTHING
    if isinstance(schema, list):
        if not isinstance(value, list | tuple):
            return _NOTHING
        kept = [_kept(element, schema[0]) for element in value]
        return [element for element in kept if element is not _NOTHING]
    if not isinstance(value, Mapping):
        return _NOTHING
    parts = {name: _kept(value[name], schema[name]) for name in schema if name in value}
    return {name: part for name, part in parts.items() if part is not _NOTHING}


_READ: Mapping[str, Schema] = {
    "kind": _is(str),
    "network": _is(dict),
    "settings": {
        "size": lambda value: _is(str)(value) and min(parse_size(value)) > 0,
        "method": _is(str),
        "weight_map": _is(str),
        "alpha_min": _number,
        "alpha_max": _number,
        "style": [_is(str)],
    },
    "style": [lambda value: isinstance(value, dict) and isinstance(value.get("name"), str)],
    "painting": lambda value: (
        isinstance(value, dict) and {"title", "painter", "year"} <= set(value)
    ),
    "loss_network": _is(str, dict),
    "versions": _is(dict),
    "exported_with": _is(dict),
    "precision": _is(str),
}
"""What is read of cards, and what it must be."""


def parse_card(text: str, source: object) -> dict[str, Any]:
    """The card in ``text``, JSON, out of the file ``source``.

    Raises ValueError where it is damaged, or not what this version understands.
    """
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source}: damaged: its card is no JSON ({error})") from error
    if not isinstance(card, dict):
        raise ValueError(f"{source}: damaged: its card is no JSON object")
    with explained(card):
        _check(card, _READ, source, "")
    return card


def _check(card: Any, schema: Schema, source: object, prefix: str) -> None:
    for name in schema.keys() & card.keys():
        value, kind = card[name], schema[name]
        if isinstance(kind, Mapping) and isinstance(value, dict):
            _check(value, kind, source, f"{name}: ")
            continue
        with contextlib.suppress(ValueError):
            if not isinstance(kind, Mapping) and _is_kind(value, kind):
                continue
        shown = repr(value)
        shown = shown if len(shown) < 60 else f"{shown[:57]}…"
        raise ValueError(f"{source}: its card has {shown} for {prefix}{name}, which cannot be")


def _is_kind(value: Any, kind: Schema) -> bool:
    if isinstance(kind, list):
        return isinstance(value, list) and all(kind[0](element) for element in value)
    return kind(value)


@contextlib.contextmanager
def explained(card: Mapping[str, Any]) -> Iterator[None]:
    """A ValueError inside also says that the file with ``card`` is of a newer version, where it
    is: what is wrong with it then is that it is not known yet."""
    try:
        yield
    except ValueError as error:
        version = _newer_version(card)
        if version is None:
            raise
        raise type(error)(
            f"{error}; it was written by fststyle {version}, a newer version than this"
            f" ({__version__})"
        ) from error


def _newer_version(card: Mapping[str, Any]) -> str | None:
    """The version that wrote ``card``, where it is newer than this one."""
    for entry in ("exported_with", "versions"):
        by = card.get(entry)
        version = by.get("fststyle") if isinstance(by, dict) else None
        if isinstance(version, str) and _numbers(version) > _numbers(__version__):
            return version
    return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", version)[:3]]
