"""Figures as JSON and as text, those that are no numbers included."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fststyle.utils.files import atomic_write, check_free


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    """``content`` as JSON, whole or not at all. What is not finite becomes null, for which JSON has
    no number. Raises OSError where the disk refuses."""
    text = json.dumps(_plain(content), indent=indent, allow_nan=False)
    with atomic_write(path) as beside:
        beside.write_text(text + "\n")


def check_free_options(config: Any, *options: str) -> None:
    """Refuse the files that ``options`` of a command name where they are there already and its
    ``overwrite`` is not set; raises as ``files.check_free``. Those not given are passed over."""
    for option in options:
        path = getattr(config, option)
        if path is not None:
            check_free([path], config.overwrite, f"--{option}")


def distinct(name: str, whole: str, taken: Collection[str]) -> str:
    """``name`` for a table; ``whole`` where that is taken, such as its path; else with a number."""
    if name not in taken:
        return name
    number, found = 2, whole
    while found in taken:
        found, number = f"{whole} ({number})", number + 1
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
