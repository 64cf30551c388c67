"""What commands are given: files, folders and globs; and where what is made of them goes."""

import glob
import os
import sys
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fststyle.images.find import is_picture_name, is_unreadable_heif, walk
from fststyle.images.io import WRITERS
from fststyle.utils.console import printable
from fststyle.utils.failures import Failures
from fststyle.utils.files import fitting

Named = tuple[Path, Path]
"""A file, and the name below an output folder of what is made of it."""


@dataclass
class InputFiles:
    """What the inputs name.

    Attributes:
        files: each once, with its name below an output folder.
        missing: inputs that name nothing and folders that cannot be read, and why.
        passed: HEIC photos passed over, since Pillow does not read them.
    """

    files: dict[Path, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    passed: list[Path] = field(default_factory=list)

    def report_passed(self) -> int:
        """A line on stderr about what is passed over; returns 1 where anything is, else 0."""
        if self.passed:
            print(
                f"{len(self.passed)} HEIC photo(s) passed over ({printable(self.passed[0])} …),"
                " which Pillow reads after: pip install pillow-heif",
                file=sys.stderr,
            )
        return 1 if self.passed else 0


def search(
    inputs: Sequence[str],
    *,
    also: Callable[[Path], bool] = lambda file: False,
    without: Path | None = None,
) -> InputFiles:
    """What files, folders and globs name.

    Of folders and globs pictures are taken, by their suffix, and what ``also`` says, which is asked
    of ordinary files only: a pipe would be waited for. What is named by itself is taken whatever it
    is, so that it is told of if it is no picture.

    Args:
        without: a folder whose files are left out where it lies below a folder that is given: what
            was made before is not to be made again of itself.
    """
    result = InputFiles()
    for name in inputs:
        if os.path.isdir(name):
            _search_folder(Path(name), result, also, without)
        elif os.path.lexists(name):
            result.files.setdefault(Path(name), Path(Path(name).name))
        else:
            _search_pattern(name, result, also, without)
    return result


def _search_folder(
    folder: Path, result: InputFiles, also: Callable[[Path], bool], without: Path | None
) -> None:
    unread: list[OSError] = []
    files = walk(folder, unread.append)
    for error in unread:
        result.missing[str(error.filename)] = error.strerror or str(error)
    if without is not None and not _lies_below(folder, without):
        files = [file for file in files if not _lies_below(file, without)]
    passed = [file for file in files if is_unreadable_heif(file)]
    result.passed += passed
    wanted = [file for file in files if not is_unreadable_heif(file) and _is_wanted(file, also)]
    if not (wanted or passed or unread):
        result.missing[str(folder)] = "no picture in it or below it, nor anything else that is read"
    for file in wanted:
        result.files.setdefault(file, file.relative_to(folder))


def _search_pattern(
    pattern: str, result: InputFiles, also: Callable[[Path], bool], without: Path | None
) -> None:
    named = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    if not named:
        result.missing[pattern] = "no such file, folder or pattern"
    files = [path for path in named if not os.path.isdir(path)]
    for file in [f for f in files if _is_wanted(f, also)] or files:
        result.files.setdefault(file, Path(file.name))
    if not files:
        for folder in named:
            _search_folder(folder, result, also, without)


def _is_wanted(file: Path, also: Callable[[Path], bool]) -> bool:
    return is_picture_name(file) or (os.path.isfile(file) and also(file))


def _lies_below(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def find_inputs(inputs: Sequence[str]) -> list[Named]:
    """As ``search``, of pictures alone; what is passed over is told on stderr.

    Raises FileNotFoundError for an input that names nothing.
    """
    search_result = search(inputs)
    for name, reason in search_result.missing.items():
        raise FileNotFoundError(f"{name}: {reason}")
    search_result.report_passed()
    return list(search_result.files.items())


def plan(
    inputs: Sequence[str],
    output: Path,
    failures: Failures,
    suffixes: Collection[str] = WRITERS,
) -> list[tuple[Path, Path]]:
    """(source, target) of every picture named by ``inputs``: files, folders and globs.

    Targets bear the source's name, below a folder its path within the folder; formats other than
    those of ``suffixes`` become PNG. Two sources of one name get numbers, and a.png does not make
    way for a.jpg. What lies in ``output`` is not an input. Inputs that name nothing are noted as
    failures.

    Raises FileNotFoundError where none names anything, ValueError where a source would be
    overwritten.
    """
    search_result = search(inputs, without=output)
    for name, reason in search_result.missing.items():
        failures.add(name, reason)
    search_result.report_passed()
    if not search_result.files:
        raise FileNotFoundError("\n".join(failures.reasons.values()) or "no pictures")
    named = list(search_result.files.items())
    originals = [name for _, name in named]
    names = distinct([picture_name(name, suffixes) for name in originals], originals)
    jobs = [(source, output / name) for (source, _), name in zip(named, names, strict=True)]
    check_sources([source for source, _ in jobs], [target for _, target in jobs])
    return jobs


def picture_name(name: Path, suffixes: Collection[str] = WRITERS) -> Path:
    """The name of a picture made of one of this name, in one of the formats of ``suffixes``."""
    if name.suffix.lower() not in WRITERS:
        return name.with_name(f"{name.name}.png")
    return name if name.suffix.lower() in suffixes else name.with_suffix(".png")


def distinct(names: Sequence[Path], originals: Sequence[Path]) -> list[Path]:
    """The names, with numbers where two are the same, also for file systems that take A for a or
    é for e and an accent; cut where they are longer than file systems take. None of them is a
    folder in which another one lies.

    ``originals``: the names of what each is made of. Those that keep theirs whole go before others:
    a.png is not to make way for a.jpg.
    """
    taken: set[str] = set()
    chosen: dict[int, Path] = {}
    # The deepest first, so that their folders are known.
    order = sorted(
        range(len(names)), key=lambda i: (-len(names[i].parts), names[i] != originals[i])
    )
    for place in order:
        name, number = names[place], 1
        candidate = fitting(name)
        while _folded(candidate) in taken:
            number += 1
            candidate = fitting(name, f"-{number}")
        chosen[place] = candidate
        taken |= {_folded(path) for path in (candidate, *candidate.parents)}
    return [chosen[place] for place in range(len(names))]


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", str(path)).casefold())


def check_sources(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    """Raises ValueError where one of ``targets`` is one of ``sources``, by whatever name."""
    known = {_identity(source) for source in sources} - {None}
    for target in targets:
        if _identity(target) in known:
            raise ValueError(f"{target} would be overwritten: choose another name")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
