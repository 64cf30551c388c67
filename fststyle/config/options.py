"""Settings: dataclass fields from which argparse is built, and their way to JSON and back."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, TypeVar

Config = TypeVar("Config")


def setting(help: str, default: Any = dataclasses.MISSING, *, positional: bool = False) -> Any:
    """A dataclass field that is also a command-line option."""
    return field(default=default, metadata={"help": help, "positional": positional})


def check(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless ``condition``."""
    if not condition:
        raise ValueError(message)


def parse_size(text: str) -> tuple[int, int]:
    """Two numbers out of "224x288", or one twice out of "224"; raises ValueError."""
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    check(len(sides) in (1, 2), f"a size is 256, or two numbers such as 224x288, not {text!r}")
    return sides[0], sides[-1]


def add_arguments(parser: argparse.ArgumentParser, config: type) -> None:
    """Give ``parser`` an option, or a positional, for every field of the dataclass ``config``.

    Options not given stay out of the namespace, so that what was said can be told from defaults.
    """
    hints = typing.get_type_hints(config)
    for f in dataclasses.fields(config):
        kind, many = _element_type(hints[f.name])
        help = f.metadata["help"].replace("%", "%%") + _default_text(f)
        options: dict[str, Any] = {"help": help, "default": argparse.SUPPRESS}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is Literal:
            options["choices"] = typing.get_args(kind)
        else:
            options |= {"type": kind, "metavar": f.name.upper() if kind is str else _METAVAR[kind]}
        if many:
            options["nargs"] = "+"
        if f.metadata["positional"]:
            if f.default is dataclasses.MISSING:
                del options["default"]
            elif many:
                options["nargs"] = "*"
            parser.add_argument(f.name, **{**options, "metavar": f.name.upper()})
        else:
            parser.add_argument(f"--{f.name.replace('_', '-')}", **options)


_METAVAR = {int: "N", float: "X", Path: "PATH"}


def _element_type(hint: Any) -> tuple[Any, bool]:
    """(type of one value, whether several may be given)."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    return hint, False


def _default_text(f: dataclasses.Field[Any]) -> str:
    if f.default is dataclasses.MISSING or f.default is None or isinstance(f.default, bool):
        return ""
    default = f.default
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return f" (default: {shown})"


def needed(config: type) -> set[str]:
    """Names of the fields without a default."""
    return {f.name for f in dataclasses.fields(config) if f.default is dataclasses.MISSING}


def from_options(config: type[Config], options: Mapping[str, Any]) -> Config:
    """The dataclass from parsed options, over those of a preset where one is named.

    Raises ValueError where one is missing, or where the dataclass's own checks do.
    """
    presets = getattr(config, "PRESETS", {})
    options = {**presets.get(options.get("preset"), {}), **options}
    for f in dataclasses.fields(config):  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.name not in options:
            raise ValueError(f"--{f.name.replace('_', '-')} is needed: {f.metadata['help']}")
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def to_json(config: Any) -> dict[str, Any]:
    """The settings as JSON values; paths become strings."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_json(config: type[Config], values: Any) -> Config:
    """The inverse of ``to_json``.

    Raises ValueError where settings are missing, unknown to this version or of another type, or
    where the dataclass's own checks do.
    """
    check(isinstance(values, dict), f"settings cannot be {values!r:.60}")
    hints = typing.get_type_hints(config)
    unknown = sorted(values.keys() - hints.keys())
    check(not unknown, f"settings of another version: {', '.join(unknown)}")
    missing = sorted(needed(config) - values.keys())
    check(not missing, f"settings are missing: {', '.join(missing)}")
    return config(**{name: _typed(name, hints[name], value) for name, value in values.items()})


def _typed(name: str, hint: Any, value: Any) -> Any:
    kind, many = _element_type(hint)
    if value is None and type(None) in typing.get_args(hint):
        return None
    values = value if many and isinstance(value, list) else [value]
    right = isinstance(value, list) == many and all(_is(kind, v) for v in values)
    check(right, f"setting {name} cannot be {value!r:.60}")
    made = [Path(v) if kind is Path else v for v in values]
    return tuple(made) if many else made[0]


def _is(kind: Any, value: Any) -> bool:
    """Whether a JSON value can be one of a setting of type ``kind``."""
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    kinds: dict[Any, Any] = {float: (int, float), Path: str}
    return isinstance(value, kinds.get(kind, kind))


def changed(old: Any, new: Any, ignore: Sequence[str]) -> list[str]:
    """Names of the fields in which two configurations of one class differ."""
    names = (f.name for f in dataclasses.fields(old) if f.name not in ignore)
    return [name for name in names if getattr(old, name) != getattr(new, name)]
