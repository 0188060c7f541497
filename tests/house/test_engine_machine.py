"""PostgreSQL's settings fit the machine: a small one, a large one, and what a container leaves of it."""

from pathlib import Path

import pytest

from sahut.app.engines.machine import MIB, WEB_CONNECTIONS, WORK_CONNECTIONS, fit, max_connections, memory_bytes
from sahut.app.house import DOORS, MESSAGES, MONEY, PAGES
from sahut.app.wiring import BESIDE_JOBS, job_kinds
from sahut.web.hub import CONNECTIONS as LIVE
from sahut.work import connections_for

GIB = 1024 * MIB


def megabytes(text: str) -> int:
    assert text.endswith("MB")
    return int(text.removesuffix("MB"))


@pytest.mark.parametrize("memory", [256 * MIB, 512 * MIB, 2 * GIB, 24 * GIB, 1024 * GIB])
@pytest.mark.parametrize("connections", [100, 164, 2_000])
def test_the_engine_takes_a_part_and_no_more(memory: int, connections: int) -> None:
    settings = fit(memory, 100 * GIB, connections)

    assert 32 <= megabytes(settings["shared_buffers"]) <= max(32, memory // MIB // 8)
    assert megabytes(settings["effective_cache_size"]) <= memory // MIB
    at_once = megabytes(settings["work_mem"]) * connections // 4
    assert at_once <= max(memory // MIB // 8, connections // 4)  # 1 MB each is the least that a sort can have
    assert settings["max_connections"] == str(connections)


@pytest.mark.parametrize("disk", [0, 500 * MIB, 5 * GIB, 1024 * GIB])
def test_the_log_of_writes_fits_the_disk(disk: int) -> None:
    settings = fit(512 * MIB, disk, 100)

    most, least = megabytes(settings["max_wal_size"]), megabytes(settings["min_wal_size"])
    assert most <= max(64, disk // MIB // 10)
    assert 32 <= least <= most  # two segments are what PostgreSQL asks for


def test_every_process_has_its_connections() -> None:
    """What a process may open is what the engine counts for it, and what the guide asks an operator's server for."""
    guide = (Path(__file__).resolve().parents[2] / "docs/operators-guide.md").read_text()

    assert PAGES + DOORS + MONEY + MESSAGES + LIVE <= WEB_CONNECTIONS
    sealer_sweep_bell_figures = 4
    assert connections_for(job_kinds()) + BESIDE_JOBS + sealer_sweep_bell_figures <= WORK_CONNECTIONS
    assert max_connections(3, 2) >= 3 * WEB_CONNECTIONS + 2 * WORK_CONNECTIONS + 20
    assert f"{WEB_CONNECTIONS} for each `web` process, {WORK_CONNECTIONS} for each `work` process" in guide


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        ("0::/a/b\n", {"a/memory.max": "100000", "a/b/memory.max": "max"}, 100_000),
        ("0::/a/b\n", {"a/memory.max": "200000", "a/b/memory.max": "100000"}, 100_000),
        ("0::/of/the/host\n", {"memory.max": "100000"}, 100_000),
        ("4:cpu:/x\n5:memory:/x\n", {"memory/x/memory.limit_in_bytes": "100000\n"}, 100_000),
        ("5:memory:/of/the/host\n", {"memory/memory.limit_in_bytes": "100000\n"}, 100_000),
        ("5:memory:/x\n", {"memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("0::/a\n", {"a/memory.max": "max\n"}, None),
        ("0::/a\n", {}, None),
    ],
)
def test_the_limit_of_a_container_counts(tmp_path: Path, group: str, files: dict[str, str], limit: int | None) -> None:
    write(tmp_path / "proc/self/cgroup", group)
    for name, text in files.items():
        write(tmp_path / "sys/fs/cgroup" / name, text)

    assert memory_bytes(tmp_path) == (memory_bytes(tmp_path / "nothing") if limit is None else limit)
