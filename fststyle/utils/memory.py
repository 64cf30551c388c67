"""How much memory there is, and how much of it is free."""

import os
from collections.abc import Iterator
from pathlib import Path

FALL_BACK = 8 << 30
"""Bytes that are taken to be there where the system does not tell."""

_ROOT = Path("/sys/fs/cgroup")
_CGROUPS = {
    _ROOT / "memory.max": _ROOT / "memory.current",
    _ROOT / "memory/memory.limit_in_bytes": _ROOT / "memory/memory.usage_in_bytes",
}
"""Files of Linux's control groups, versions 2 and 1: what a container may take, and takes."""


def memory_limit() -> int:
    """Bytes that this process may take at most: the machine's memory, or what ``ulimit -v`` or a
    container leaves of it."""
    try:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        limits = [FALL_BACK]
    limits += [limit for limit, _ in _containers()]
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return min(limit for limit in limits if limit > 0)  # RLIM_INFINITY is -1


def free_memory() -> int:
    """Bytes that are free, by the limit of the container, too."""
    import psutil  # which stylizing does without

    free: int = psutil.virtual_memory().available
    return min([free, *(limit - used for limit, used in _containers())])


def _containers() -> Iterator[tuple[int, int]]:
    """(limit, use) in bytes of the control groups that have a limit."""
    for limit, used in _CGROUPS.items():
        try:
            yield int(limit.read_text()), int(used.read_text())
        except (OSError, ValueError):  # none, or "max"
            continue
