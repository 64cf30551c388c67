"""Files on their way to the disk: whole or not at all, and none overwritten unasked."""

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def named(path: Path) -> dict[str, str]:
    """ "name" and "sha256" of a file, as cards tell what a network was made from."""
    return {"name": path.name, "sha256": sha256(path)}


class atomic_write:
    """``with atomic_write(path) as temporary:`` ``temporary`` becomes ``path`` at the end.

    The file is on the disk before it takes the name, so that after a crash or a power cut ``path``
    is the old file or the new one, whole. On an exception ``temporary`` is removed, ``path`` stays.
    As when a file is opened for writing, what a link points to is replaced and not the link,
    permissions stay, and a pipe or device (``/dev/stdout``) is given the bytes.

    Raises IsADirectoryError where ``path`` is a folder.
    """

    PATTERN = ".*.tmp"
    """Matches what a process that was killed may have left in the folder."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self._stream = _is_stream(path)
        # A short name: one made of the file's would be too long where that is as long as it may be.
        # (What tempfile.mkstemp makes is private, whatever the umask says.)
        self.temporary = hidden_beside(
            Path(tempfile.gettempdir(), "stream") if self._stream else self.path
        )

    def __enter__(self) -> Path:
        if os.path.isdir(self.path):
            raise IsADirectoryError(f"{self.path} is a folder, and a file was to be written there")
        self.temporary.parent.mkdir(parents=True, exist_ok=True)
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self.temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._stream:
            with open(self.temporary, "rb") as written, open(self.path, "wb") as stream:
                shutil.copyfileobj(written, stream)
            return
        with open(self.temporary, "rb+") as file:
            os.fsync(file.fileno())
        if self.path.exists():
            shutil.copymode(self.path, self.temporary)
        os.replace(self.temporary, self.path)
        _sync_names(self.path.parent)


def _sync_names(folder: Path) -> None:
    """Put on the disk what files of ``folder`` are called; Windows and some networks cannot."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which hold nothing that could be lost."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def hidden_beside(path: Path) -> Path:
    """A name that nothing has, in the folder of ``path``, or of what it links to, for something on
    its way there."""
    return Path(os.path.realpath(path)).with_name(f".{secrets.token_hex(6)}.tmp")


def swap_folder(new: Path, folder: Path) -> Path | None:
    """Let ``new`` take the name of ``folder`` by renaming both, or, with OSError, neither.

    Returns where the old content is now, for the caller to remove; None where there was none.
    """
    folder = Path(os.path.realpath(folder))
    if not folder.exists():
        new.rename(folder)
        return None
    old = hidden_beside(folder)
    folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    return old


def check_file(path: Path) -> None:
    """Raise FileNotFoundError where nothing is at ``path``, ValueError where it is no file that can
    be read: a folder, a pipe, a device. (Files are read more than once.)"""
    if path.is_file():
        return
    if path.is_dir():
        raise ValueError(f"{path} is a folder, and a file was expected")
    if _is_stream(path):
        raise ValueError(f"{path} is a pipe or a device, and a file was expected")
    raise FileNotFoundError(f"{path}: no such file")


def check_suffix(output: Path, suffix: str) -> None:
    """Raise ValueError where ``output`` is no file with ``suffix``, by which such files are known:
    one of another suffix may be what the user has something else in."""
    if output.suffix != suffix:
        raise ValueError(f"--output {output}: give the name of a {suffix} file")


def check_free(paths: Iterable[Path], overwrite: bool, option: str = "--output") -> None:
    """Refuse to write ``paths``, files, where that would take away what is there already.

    Args:
        overwrite: files that exist may be replaced.
        option: that by which the user chose the place, for the message.

    Raises FileExistsError for files that exist (links to nowhere are files, too) unless
    ``overwrite``, and for folders in a file's place; NotADirectoryError for a file in a folder's.
    """
    existing = []
    for path in paths:
        if os.path.isdir(path):  # where Path.is_dir raises for a name that is too long
            raise FileExistsError(f"{path} is a folder: choose another {option}")
        if os.path.lexists(path) and not _is_stream(path):
            existing.append(path)
        above = next((p for p in path.parents if os.path.lexists(p)), None)
        if above and not os.path.isdir(above):
            raise NotADirectoryError(f"{above} is a file, not a folder: choose another {option}")
    if existing and not overwrite:
        more = f" (and {len(existing) - 1} more)" * (len(existing) > 1)
        raise FileExistsError(
            f"{existing[0]} exists already{more}: add --overwrite to replace, or choose another"
            f" {option}"
        )


def check_free_options(config: Any, *options: str) -> None:
    """Refuse the files that ``options`` of a command name where they are there already and its
    ``overwrite`` is not set; raises as ``check_free``. Those not given are passed over."""
    for option in options:
        path = getattr(config, option)
        if path is not None:
            check_free([path], config.overwrite, f"--{option}")


def names_folder(output: str, suffixes: Collection[str]) -> bool:
    """Whether an option that takes a file or a folder names a folder: one that exists, or with a
    slash at its end, or without one of the ``suffixes`` (lower case) that files may bear.

    The option's text is needed, since ``Path`` drops the slash.
    """
    return (
        output.endswith((os.sep, os.altsep or os.sep))
        or os.path.isdir(output)
        or Path(output).suffix.lower() not in suffixes
    )


NAME_MAX = 255
"""Bytes of a file's name on nearly all file systems."""


def fitting(path: Path, addition: str = "") -> Path:
    """``path`` with ``addition`` before its suffix, its name cut where it is longer than file
    systems take."""
    stem, suffix = path.stem, path.suffix
    while len(os.fsencode(stem + addition + suffix)) > NAME_MAX and len(stem) > 1:
        stem = stem[:-1]
    return path.with_name(f"{stem}{addition}{suffix}")
