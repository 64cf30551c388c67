"""Figures as JSON, those that are no numbers included, and the names that they go by."""

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from fststyle.utils.files import atomic_write


def write_json(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    """``content`` as JSON, whole or not at all. What is not finite becomes null, for which JSON has
    no number. Raises OSError where the disk refuses."""
    text = json.dumps(_plain(content), indent=indent, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n")


def distinct(name: str, whole: str, taken: Collection[str]) -> str:
    """``name`` for a table; ``whole`` where that is taken, such as its path; else with a number."""
    if name not in taken:
        return name
    number, candidate = 2, whole
    while candidate in taken:
        candidate, number = f"{whole} ({number})", number + 1
    return candidate


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
