"""What a setting is: a field of a frozen dataclass, with its help text, its default and its checks;
and the way of settings to JSON and back."""

import dataclasses
import math
import numbers
import os
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, dataclass_transform

Config = TypeVar("Config")
T = TypeVar("T")
Held = TypeVar("Held", covariant=True)
Given = TypeVar("Given", contravariant=True)

AnyPath = str | os.PathLike[str]

if TYPE_CHECKING:
    # A setting is given in any of several forms and held in one: to a type checker such a field is
    # a descriptor, when the program runs it is a plain one, which ``Settings`` converts.
    class Converted(Generic[Held, Given]):
        """Held as ``Held``, given as ``Given``."""

        def __get__(self, config: object, kind: type | None = None) -> Held: ...

        def __set__(self, config: object, value: Given) -> None: ...

    FilePath = Converted[Path, AnyPath]
    OptionalPath = Converted[Path | None, AnyPath | None]
    Paths = Converted[tuple[Path, ...], AnyPath | Sequence[AnyPath]]
    Text = Converted[str, AnyPath]
    OptionalText = Converted[str | None, AnyPath | None]
    Texts = Converted[tuple[str, ...], AnyPath | Sequence[AnyPath]]
    Several = Converted[tuple[T, ...], T | Sequence[T]]
    Size = Converted[str, str | int | tuple[int, int]]
    OptionalSize = Converted[str | None, str | int | tuple[int, int] | None]
else:
    FilePath, OptionalPath, Paths = Path, Path | None, tuple[Path, ...]
    # What may be a path, or a word: a path given is held as its text.
    Text, OptionalText, Texts = str, str | None, tuple[str, ...]
    Several = tuple[T, ...]
    # Held as text, "256" or "224x288", and given as a number or a pair of them, too.
    Size = typing.NewType("Size", str)
    OptionalSize = Size | None


def setting(
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    kw_only: bool = True,
    aliases: Sequence[str] = (),
) -> Any:
    """A field that is also a command-line option.

    Args:
        kw_only: whether it needs its name, in a call and on a command line.
        aliases: other names of the option, "--noise".
    """
    metadata = {"help": help, "aliases": tuple(aliases)}
    return dataclasses.field(default=default, kw_only=kw_only, metadata=metadata)


@dataclass_transform(kw_only_default=True, field_specifiers=(setting,))
class Settings:
    """Every class below this one is a frozen dataclass of ``setting``s.

    Values are held as their field's type: a path may be given as text, a size as a number or two, a
    number as NumPy's, and what there can be several of alone or as a list. Raises ValueError where
    a value is of another type, and where ``__post_init__`` of a class finds settings that do not go
    together.
    """

    def __init_subclass__(cls) -> None:
        dataclasses.dataclass(frozen=True)(cls)

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, value in vars(self).items():
            object.__setattr__(self, name, _converted(name, hints[name], value))


def settings_of(config: type) -> list[dataclasses.Field[Any]]:
    """The fields of a configuration: its own, then those of the classes it is made of."""
    fields = {f.name: f for f in dataclasses.fields(config)}
    names = [name for kind in config.__mro__ for name in vars(kind).get("__annotations__", ())]
    return [fields[name] for name in dict.fromkeys(names) if name in fields]


def flag(name: str) -> str:
    """The option of the field ``name``."""
    return f"--{name.replace('_', '-')}"


def needed(config: type) -> set[str]:
    """Names of the fields without a default."""
    return {f.name for f in settings_of(config) if f.default is dataclasses.MISSING}


def element_type(hint: Any) -> tuple[Any, bool]:
    """(type of one value, whether several may be given)."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    return hint, False


def _converted(name: str, hint: Any, value: Any) -> Any:
    kind, many = element_type(hint)
    if value is None and type(None) in typing.get_args(hint):
        return None
    try:
        if many and isinstance(value, (list, tuple)):
            return tuple(_held(kind, v) for v in value)
        return (_held(kind, value),) if many else _held(kind, value)
    except (TypeError, OverflowError):
        raise ValueError(f"{name} must be {_describe(kind)}, not {value!r:.60}") from None


def _held(kind: Any, value: Any) -> Any:
    """The value as a setting of type ``kind`` holds it.

    Raises TypeError, or OverflowError, where it can be no such value.
    """
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a scalar of NumPy or torch
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if typing.get_origin(kind) is Literal:
        for choice in typing.get_args(kind):
            if value == choice:
                return choice
        raise TypeError
    if kind is Size and not isinstance(value, str):
        sides = value if isinstance(value, (list, tuple)) else [value]
        return "x".join(str(_held(int, side)) for side in sides)
    accepted: dict[Any, Any] = {int: numbers.Integral, float: numbers.Real, bool: bool}
    if not isinstance(value, accepted.get(kind, str)) or isinstance(value, bool) != (kind is bool):
        raise TypeError
    return kind(value)


def _describe(kind: Any) -> str:
    """What a value of type ``kind`` is, in words."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    words = {int: "a whole number", float: "a number", bool: "True or False", Path: "a path"}
    return {**words, Size: "a size, such as 256 or (224, 288)"}.get(kind, "text")


def to_json(config: Any) -> dict[str, Any]:
    """The settings as JSON values; paths become strings."""
    return {name: _plain(value) for name, value in vars(config).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_json(config: type[Config], values: Any) -> Config:
    """The inverse of ``to_json``.

    Settings that are younger than ``values`` are what ``config`` has for them in ``EARLIER``, else
    their default.

    Raises ValueError where settings are missing, unknown to this version or of another type, or
    where the dataclass's own checks do.
    """
    check(isinstance(values, dict), f"settings cannot be {values!r:.60}")
    values = {**getattr(config, "EARLIER", {}), **values}
    hints = typing.get_type_hints(config)
    unknown = sorted(values.keys() - hints.keys())
    check(not unknown, f"settings of another version: {', '.join(unknown)}")
    missing = sorted(needed(config) - values.keys())
    check(not missing, f"settings are missing: {', '.join(missing)}")
    for name, value in values.items():
        several = element_type(hints[name])[1]
        wanted = "a list" if several else "one value"
        check(isinstance(value, list) == several, f"{name} must be {wanted}, not {value!r:.60}")
    return config(**values)


def from_options(config: type[Config], options: Mapping[str, Any]) -> Config:
    """The dataclass from the options that were given, over those of a preset where one is named.

    Raises ValueError where one is missing, or where the dataclass's own checks do.
    """
    presets: Mapping[str, Mapping[str, Any]] = getattr(config, "PRESETS", {})
    options = {**presets.get(options.get("preset", ""), {}), **options}
    for f in settings_of(config):
        if f.default is dataclasses.MISSING and f.name not in options:
            option = flag(f.name) if f.kw_only else f.name
            raise ValueError(f"{option} is needed: {f.metadata['help']}")
    return config(**options)


def changed(old: Any, new: Any, ignore: Sequence[str]) -> list[str]:
    """Names of the settings in which two configurations of one class differ."""
    names = (name for name in vars(old) if name not in ignore)
    return [name for name in names if getattr(old, name) != getattr(new, name)]


def check(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless ``condition``."""
    if not condition:
        raise ValueError(message)


def at_least(least: float, config: Settings, *names: str) -> None:
    """Raise ValueError where one of the settings ``names``, or one of its several values, is less
    than ``least``, infinite or no number. As all checks of ranges it passes over None."""
    for name, value in _numbers(config, names):
        words = f"{least} or more" if isinstance(value, float) else f"at least {least}"
        check(value >= least and math.isfinite(value), f"{flag(name)} must be {words}, not {value}")


def above_zero(config: Settings, *names: str) -> None:
    """As ``at_least``, of what must be more than 0."""
    for name, value in _numbers(config, names):
        check(value > 0 and math.isfinite(value), f"{flag(name)} must be above 0, not {value}")


def within(low: float, high: float, config: Settings, *names: str) -> None:
    """As ``at_least``, of what must lie in [low, high]."""
    for name, value in _numbers(config, names):
        check(low <= value <= high, f"{flag(name)} must lie in [{low}, {high}], not {value}")


def _numbers(config: Settings, names: Sequence[str]) -> typing.Iterator[tuple[str, float]]:
    for name in names:
        value = getattr(config, name)
        if value is not None:
            yield from ((name, v) for v in (value if isinstance(value, tuple) else (value,)))


def parse_size(text: str) -> tuple[int, int]:
    """Two numbers out of "224x288", or one twice out of "224"; raises ValueError."""
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    check(len(sides) in (1, 2), f"a size is 256, or two numbers such as 224x288, not {text!r}")
    return sides[0], sides[-1]


def parse_duration(text: str) -> float:
    """Seconds of "90s", "10m" or "1.5h"; raises ValueError.

    >>> parse_duration("10m")
    600.0
    """
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0}
    try:
        return float(text[:-1]) * seconds[text[-1:]]
    except (KeyError, ValueError):
        raise ValueError(f"a duration is 90s, 10m or 1h, not {text!r}") from None
