"""Command-line options out of settings: what argparse is told of a configuration's fields.

tyro and jsonargparse make options of dataclasses, too; they take two to three times as long to
start, and say an error in five lines or more.
"""

import argparse
import dataclasses
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fststyle.config.settings import element_type, flag, settings_of


def add_arguments(parser: argparse.ArgumentParser, config: type) -> None:
    """Give ``parser`` an option, or a positional, for every field of the dataclass ``config``.

    Options not given stay out of the namespace, so that what was said can be told from defaults.
    """
    hints = typing.get_type_hints(config)
    for f in settings_of(config):
        kind, many = element_type(hints[f.name])
        help = f.metadata["help"].replace("%", "%%") + _default_text(f)
        options: dict[str, Any] = {"help": help, "default": argparse.SUPPRESS}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is Literal:
            options["choices"] = typing.get_args(kind)
        else:
            options |= {"type": kind, "metavar": _METAVAR.get(kind, f.name.upper())}
        if many:
            options["nargs"] = "+"
        if not f.kw_only:
            if f.default is dataclasses.MISSING:
                del options["default"]
            elif many:
                options["nargs"] = "*"
            else:  # argparse would take what it suppresses by for the value
                options |= {"nargs": "?", "default": f.default}
            parser.add_argument(f.name, **{**options, "metavar": f.name.upper()})
        else:
            parser.add_argument(flag(f.name), *f.metadata["aliases"], **options)


_METAVAR = {int: "N", float: "X", Path: "PATH"}


def _default_text(f: dataclasses.Field[Any]) -> str:
    if f.default in (dataclasses.MISSING, None, ()) or isinstance(f.default, bool):
        return ""
    default = f.default
    if isinstance(default, Path) and default.is_absolute():  # of this machine alone; help names it
        return ""
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return f" (default: {shown})"


def as_typed(message: str, config: type, arguments: Sequence[str]) -> str:
    """``message`` with the options of ``config`` named as the user did in ``arguments``, where that
    was by an alias."""
    typed = {argument.partition("=")[0] for argument in arguments}
    for f in settings_of(config):
        for alias in typed.intersection(f.metadata["aliases"]):
            message = message.replace(flag(f.name), alias)
    return message
