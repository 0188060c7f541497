"""What this machine gives, and how much of it PostgreSQL takes.

The engine shares the machine with pages, work and whatever else runs there, so it takes an eighth of the memory for
itself and trusts the kernel's cache with the rest. A limit that a container sets counts as the machine's memory.
"""

import os
from collections.abc import Iterator
from pathlib import Path

MIB = 1 << 20
WEB_CONNECTIONS = 24  # a web process: its pools and its hub
WORK_CONNECTIONS = 20  # a work process: its pool, sealer, sweep, bell and what else it keeps for itself
SPARE_CONNECTIONS = 100  # migrations, doctor, psql, backup, benches


def max_connections(web_processes: int, work_processes: int) -> int:
    """Give PostgreSQL's setting of that name for so many processes, spare ones included."""
    return web_processes * WEB_CONNECTIONS + work_processes * WORK_CONNECTIONS + SPARE_CONNECTIONS


def fit(memory_bytes: int, disk_free_bytes: int, connections: int) -> dict[str, str]:
    """Give PostgreSQL's settings for so much memory and disk; from 512 MiB up they leave room for the roles.

    **Returns**: name → value, as PostgreSQL takes them.
    """
    memory, disk = memory_bytes // MIB, disk_free_bytes // MIB
    # One GiB holds what is hot; an installation that wants more has a PostgreSQL of its own.
    shared = _between(32, memory // 8, 1024)
    # Beyond it a checkpoint is made, so it is the most that a recovery has to read again.
    wal = _between(64, disk // 10, 1024)
    return {
        "max_connections": str(connections),
        "shared_buffers": f"{shared}MB",
        "effective_cache_size": f"{max(2 * shared, memory // 2)}MB",
        # A quarter of the connections may sort at the same time within an eighth of the memory.
        "work_mem": f"{_between(1, memory // 8 // max(1, connections // 4), 16)}MB",
        "maintenance_work_mem": f"{_between(16, memory // 32, 256)}MB",
        "max_wal_size": f"{wal}MB",
        "min_wal_size": f"{min(80, wal // 2)}MB",
    }


def memory_bytes(root: Path = Path("/")) -> int:
    """Give the memory that this process may use: the machine's, or what a container leaves of it.

    ``root``: where ``/proc`` and ``/sys`` are looked for, so that a test can have its own.
    """
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([physical, *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    """Every limit on the way from our control group up to the top: the narrowest counts."""
    for hierarchy, group, name in _groups(root):
        # Inside a container the path may be that of the host; then only the top is there.
        places = [hierarchy / group, *(hierarchy / above for above in Path(group).parents), hierarchy]
        for place in dict.fromkeys(places):
            try:
                text = (place / name).read_text().strip()
            except OSError:
                continue
            if text.isdigit():
                yield int(text)


def _groups(root: Path) -> Iterator[tuple[Path, str, str]]:
    top = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield top, path.lstrip("/"), "memory.max"
        elif "memory" in controllers.split(","):
            yield top / "memory", path.lstrip("/"), "memory.limit_in_bytes"


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
