"""How much memory there is."""

import os
from pathlib import Path

FALL_BACK = 8 << 30
"""Bytes that are taken to be there where the system does not tell."""

_CGROUPS = tuple(
    Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")
)
"""Limits of Linux's control groups, versions 2 and 1: what a container may take."""


def memory_limit() -> int:
    """Bytes that this process may take at most: the machine's memory, or what ``ulimit -v`` or a
    container leaves of it."""
    try:
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        limits = [FALL_BACK]
    for file in _CGROUPS:
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # none, or "max"
            continue
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    return min(limit for limit in limits if limit > 0)  # RLIM_INFINITY is -1
