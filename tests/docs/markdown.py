"""What the pages say: their commands, their Python, their links and headings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fststyle.__main__ import COMMANDS, Command
from tests.conftest import ROOT

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    ROOT / "CONTRIBUTING.md",
]
NAMES = [
    f"{name} {below}".strip()
    for name, command in COMMANDS.items()
    for below in ([""] if isinstance(command, Command) else command)
]
"""Of every command, as ``fststyle`` takes it."""
PROGRAMS = "fststyle|python3?|sh|make|pip|torchrun|tensorboard"


class Block(NamedTuple):
    """A fenced block, or a command in the text as one of its own."""

    page: str
    language: str
    text: str

    def lines(self) -> list[str]:
        """One for each command, however many it takes on the page."""
        return self.text.replace("\\\n", " ").replace(".venv/bin/", "").splitlines()

    def pipelines(self) -> list[str]:
        """Commands that are joined, for a shell to run."""
        return [re.sub(" +", " ", line) for line in self.lines() if " | " in line]

    def commands(self) -> list[str]:
        """The others, without comments, ``fststyle`` where Python is told to start it."""
        lines = [line for line in self.lines() if " | " not in line]
        words = [shlex.split(line, comments=True) for line in lines]
        return [re.sub(r"^python3? -m fststyle ", "fststyle ", shlex.join(w)) for w in words if w]


def blocks() -> Iterator[Block]:
    """Those of all pages."""
    for path in PAGES:
        page, text = path.relative_to(ROOT).as_posix(), path.read_text()
        for language, fenced in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield Block(page, language, fenced)
        for inline in re.findall(rf"`((?:{PROGRAMS}) [^`]*)`", without_blocks(text)):
            if not is_mention(inline):
                yield Block(page, "", inline)


def is_mention(inline: str) -> bool:
    """Whether ``fststyle train`` in the text only names the command. Benchmarks need no
    arguments: what names one is one that can be run."""
    name = " ".join(inline.split()).removeprefix("fststyle ")
    return name in (*NAMES, *COMMANDS) and not name.startswith("bench ")


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> list[str]:
    """A page's headings as GitHub makes anchors of them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", without_blocks(path.read_text()), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        repeated = sum(
            re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in found
        )
        found.append(f"{anchor}-{repeated}" if repeated else anchor)
    return found


def links(path: Path) -> list[str]:
    """The targets of a page's links and pictures."""
    text = re.sub(r"`[^`]*`", "", without_blocks(path.read_text()))
    return re.findall(r"\]\(([^)\s]+)\)", text)
