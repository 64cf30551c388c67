"""Sets of pictures with depth by their description, such as ``nyu=data/nyu@0:1200``."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fststyle.data.depth.formats import LAYOUTS, detect, separate
from fststyle.data.depth.maps import DepthData, report


def open_depth(spec: str) -> DepthData:
    """The set that ``spec`` describes: ``NAME=WHERE`` or ``NAME=IMAGES+DEPTHS``, either followed by
    ``@FROM:TO`` for a part of its sorted pictures (as Python's slices, step included) or by
    ``@LIST.txt`` for those named there, one a line.

    WHERE is a folder, NYU's ``.mat`` file or DIW's ``.csv`` file; layouts are told apart by what
    the folder holds (``formats.LAYOUTS``). What lacks its other half is reported on stderr.

    Raises ValueError or FileNotFoundError where nothing usable is found.
    """
    match = re.fullmatch(r"(?P<name>\w[\w.-]*)=(?P<where>.+)", spec)
    if not match:
        raise ValueError(
            f"{spec!r} names no depth data: expected NAME=FOLDER or NAME=IMAGES+DEPTHS, perhaps"
            f" followed by @FROM:TO or @LIST.txt. A folder holds {LAYOUTS}"
        )
    name, where, part = match["name"], match["where"], ""
    if "@" in where and not Path(where).expanduser().exists():
        where, _, part = where.rpartition("@")
    whole = Path(where).expanduser()
    images, plus, depths = where.partition("+")
    if plus and not whole.exists():
        data = separate(name, Path(images).expanduser(), Path(depths).expanduser())
    else:
        data = detect(name, whole)
    if part:
        data = replace(data, items=_select(name, data.items, part, spec))
    return data


def _select(name: str, items: Sequence[str], part: str, spec: str) -> Sequence[str]:
    bounds = re.fullmatch(r"(-?\d+)?:(-?\d+)?(?::([1-9]\d*))?", part)
    if bounds:
        chosen = items[slice(*(int(b) if b else None for b in bounds.groups()))]
    else:
        try:
            lines = Path(part).expanduser().read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise FileNotFoundError(
                f"{spec}: @{part} is neither FROM:TO nor a list file"
            ) from error
        wanted = {line.strip() for line in lines if line.strip()}
        chosen = [item for item in items if _aliases(item) & wanted]
        report(name, f"lines of {part} name no picture", wanted.difference(*map(_aliases, chosen)))
    if not chosen:
        raise ValueError(f"{spec}: none of the {len(items)} pictures is in that part")
    return chosen


def _aliases(item: str) -> set[str]:
    """What a list may call a picture: its path below the folder, or its bare name."""
    return {item, Path(item).name, Path(item).stem}
