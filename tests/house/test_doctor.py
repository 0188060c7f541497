"""Each check of the doctor finds its fault, and finds nothing when all is well."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sahut.app.doctor import Severity, machine, promises, server
from sahut.app.doctor.finding import Finding
from sahut.app.engines.foreign import Server

HOME = Path("/srv/sahut")
GIB = 1 << 30
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OK, WARN, WRONG = Severity.OK, Severity.WARN, Severity.WRONG


def home(**other: object) -> machine.HomeSeen:
    seen: dict[str, object] = {
        "path": HOME, "exists": True, "owner": 999, "we_are": 0, "open_paths": (), "foreign": (),
    }  # fmt: skip
    return machine.HomeSeen(**{**seen, **other})  # type: ignore[arg-type]


def disk(**other: object) -> machine.DiskSeen:
    seen: dict[str, object] = {
        "what": "home", "path": HOME, "free_bytes": 9 * GIB, "free_inodes": 900, "inodes": 1000, "read_only": False,
    }  # fmt: skip
    return machine.DiskSeen(**{**seen, **other})  # type: ignore[arg-type]


def processes(state: str, *, supervised: bool = True) -> machine.ProcessesSeen:
    return machine.ProcessesSeen({"web-0": 7}, {7: state} if state else {}, supervised)


def external(**other: object) -> Server:
    seen: dict[str, object] = {
        "version_num": 180006, "version": "18.6", "encoding": "UTF8", "is_standby": False, "is_read_only": False,
        "role": "sahut_app", "is_superuser": False, "has_attributes": False, "has_application": True,
        "is_application": True, "owns_database": False, "may_create": False, "owned_tables": (),
    }  # fmt: skip
    return Server(**{**seen, **other})  # type: ignore[arg-type]


def safety(**other: object) -> server.SafetySeen:
    seen: dict[str, object] = {
        "data_checksums": True, "fsync": True, "full_page_writes": True, "synchronous_commit": "on",
        "checksum_failures": 0,
    }  # fmt: skip
    return server.SafetySeen(**{**seen, **other})  # type: ignore[arg-type]


def sessions(
    used: int = 5, hung: tuple[str, ...] = (), longest_s: float = 0.0, allowed: int = 100
) -> server.SessionsSeen:
    return server.SessionsSeen(used, allowed, hung, longest_s, "work-0")


def heads(
    signed_minutes: float | None,
    published_minutes: float | None,
    *,
    n: int = 9,
    signed_n: int = 9,
    matches: bool = True,
) -> promises.HeadsSeen:
    def head(minutes: float | None) -> tuple[int, str, datetime] | None:
        return None if minutes is None else (signed_n, "ab", NOW - timedelta(minutes=minutes))

    return promises.HeadsSeen(NOW, n, head(signed_minutes), head(published_minutes), matches)


def secrets(*seen: tuple[str, int | None, int]) -> Finding:
    return machine.check_secrets(tuple(machine.SecretSeen(*one) for one in seen), ("app", "desk.key"))


APP, DESK = ("app", 43, 0o600), ("desk.key", 32, 0o600)


@pytest.mark.parametrize(
    ("finding", "severity", "word"),
    [
        (machine.check_home(home()), OK, "999 alone"),
        (machine.check_home(home(exists=False)), WRONG, "no home"),
        (machine.check_home(home(we_are=1000)), WRONG, "user 1000"),
        (machine.check_home(home(we_are=999)), OK, ""),
        (machine.check_home(home(open_paths=("sahut/log/up.log",))), WRONG, "up.log"),
        (machine.check_home(home(foreign=("sahut/demo",))), WRONG, "demo"),
        (machine.check_disk(disk()), OK, "9.0 GiB"),
        (machine.check_disk(disk(read_only=True)), WRONG, "read-only"),
        (machine.check_disk(disk(free_bytes=1 << 20)), WRONG, "1 MiB"),
        (machine.check_disk(disk(free_bytes=GIB)), WARN, "1.0 GiB"),
        (machine.check_disk(disk(free_inodes=5)), WRONG, "5 more files"),
        (machine.check_disk(disk(free_inodes=40)), WARN, "4%"),
        (machine.check_disk(disk(inodes=0, free_inodes=0)), OK, "9.0 GiB"),
        (secrets(APP, DESK), OK, "2 secrets"),
        (secrets(APP), WRONG, "`desk.key` is missing"),
        (secrets(APP, ("desk.key", 31, 0o600)), WRONG, "31 bytes"),
        (secrets(APP, ("desk.key", 33, 0o600)), WRONG, "33 bytes"),
        (secrets(("app", 8, 0o600), DESK), WRONG, "`app` is damaged"),
        (secrets(("app", 43, 0o640), DESK), WRONG, "mode 0640"),
        (secrets(("app", None, 0o600), DESK), WRONG, "cannot be read"),
        (machine.check_processes(processes("S")), OK, "web-0"),
        (machine.check_processes(processes("T")), WRONG, "stopped"),
        (machine.check_processes(processes("Z")), WARN, "started again"),
        (machine.check_processes(processes("", supervised=False)), WARN, "killed"),
        (machine.check_processes(machine.ProcessesSeen({}, {}, supervised=False)), WARN, "does not run"),
        (machine.check_port(machine.PortSeen(8000, 200)), OK, "ready"),
        (machine.check_port(machine.PortSeen(8000, None)), WARN, "Nobody"),
        (machine.check_port(machine.PortSeen(8000, 0)), WRONG, "does not answer"),
        (machine.check_port(machine.PortSeen(8000, 503, "database")), WRONG, "database"),
        (machine.check_port(machine.PortSeen(8000, 404)), WRONG, "Another program"),
        (machine.check_memory(machine.MemorySeen(8 * GIB, 4 * GIB)), OK, "4096 of 8192"),
        (machine.check_memory(machine.MemorySeen(8 * GIB, GIB // 8)), WARN, "Only 128"),
        (machine.check_memory(machine.MemorySeen(GIB // 4, GIB // 8)), WARN, "wants 512"),
        (server.check_version(external()), OK, "18.6"),
        (server.check_version(external(version_num=150014, version="15.14")), WRONG, "15.14"),
        (server.check_version(external(is_superuser=True)), WRONG, "superuser"),
        (server.check_version(external(owned_tables=("work.event",))), WRONG, "work.event"),
        (server.check_safety(safety()), OK, "checksums"),
        (server.check_safety(safety(data_checksums=False)), WARN, "no checksums"),
        (server.check_safety(safety(fsync=False)), WRONG, "fsync"),
        (server.check_safety(safety(full_page_writes=False)), WRONG, "full_page_writes"),
        (server.check_safety(safety(synchronous_commit="off")), WRONG, "synchronous_commit"),
        (server.check_safety(safety(synchronous_commit="remote_apply")), OK, ""),
        (server.check_safety(safety(checksum_failures=1)), WRONG, "damaged"),
        (server.check_rights(server.RightsSeen("sahut_app", False, (), ())), OK, "only add"),
        (server.check_rights(server.RightsSeen("sahut_app", True, (), ())), WRONG, "superuser"),
        (server.check_rights(server.RightsSeen("sahut_app", False, ("work.event",), ())), WRONG, "owns work.event"),
        (server.check_rights(server.RightsSeen("sahut_app", False, (), ("work.tile",))), WRONG, "change work.tile"),
        (server.check_migrations(server.MigrationsSeen({"1": b"a"}, {"1": b"a"})), OK, "All 1"),
        (server.check_migrations(server.MigrationsSeen({"1": b"a"}, {})), WRONG, "lacks 1"),
        (server.check_migrations(server.MigrationsSeen({"1": b"a"}, {"1": b"b"})), WRONG, "changed"),
        (server.check_migrations(server.MigrationsSeen({}, {"2": b"b"})), WARN, "newer"),
        (server.check_clock(0.1), OK, "agree"),
        (server.check_clock(-2.0), WARN, "2.0 s"),
        (server.check_clock(60.0), WRONG, "60.0 s"),
        (server.check_connections(sessions(5)), OK, "5 of 100"),
        (server.check_connections(sessions(85)), WARN, "85 of 100"),
        (server.check_connections(sessions(97)), WRONG, "97 of 100"),
        (server.check_sessions(sessions()), OK, "No session"),
        (server.check_sessions(sessions(hung=("web-0",))), WARN, "web-0"),
        (server.check_sessions(sessions(longest_s=90)), WARN, "90 s"),
        (server.check_sessions(sessions(longest_s=900)), WRONG, "900 s"),
        (server.check_vacuum(server.VacuumSeen(1000, "a.b", 10, 10)), OK, "cleaned"),
        (server.check_vacuum(server.VacuumSeen(600_000_000, "a.b", 0, 0)), WARN, "600 million"),
        (server.check_vacuum(server.VacuumSeen(1_600_000_000, "a.b", 0, 0)), WRONG, "1600 million"),
        (server.check_vacuum(server.VacuumSeen(1000, "work.job", 200_000, 100)), WARN, "work.job"),
        (promises.check_sealing(0.5), OK, "number"),
        (promises.check_sealing(5), WARN, "5 s"),
        (promises.check_sealing(60), WRONG, "60 s"),
        (promises.check_heads(heads(1, 1)), OK, "9 events"),
        (promises.check_heads(heads(None, None, n=0)), OK, "Nothing has happened"),
        (promises.check_heads(heads(None, None)), WRONG, "ever signed"),
        (promises.check_heads(heads(30, 30, signed_n=8)), WRONG, "30 minutes ago"),
        (promises.check_heads(heads(1, None)), WRONG, "not in the published"),
        (promises.check_heads(heads(1, 20)), WRONG, "not in the published"),
        (promises.check_heads(heads(1, 1, matches=False)), WRONG, "not that of the database"),
        (promises.check_clocks(promises.ClocksSeen(0, 0, 0)), OK, "No promise"),
        (promises.check_clocks(promises.ClocksSeen(2, 90, 0)), WRONG, "2 clocks"),
        (promises.check_clocks(promises.ClocksSeen(2, 1, 0)), OK, "No promise"),
        (promises.check_clocks(promises.ClocksSeen(0, 0, 3)), WARN, "3 promises"),
        (promises.check_jobs(promises.JobsSeen(0, (), 0, "")), OK, "No job"),
        (promises.check_jobs(promises.JobsSeen(2, (), 0, "")), WARN, "2 jobs"),
        (promises.check_jobs(promises.JobsSeen(0, ("send_fax",), 0, "")), WRONG, "send_fax"),
        (promises.check_jobs(promises.JobsSeen(0, (), 900, "classify")), WRONG, "classify"),
        (promises.check_backups([], wanted=True, demo=False), OK, "Backups"),
        (promises.check_backups(["No backups are made."], wanted=False, demo=False), WARN, "No backups"),
        (promises.check_backups([], "No drill was done.", wanted=True, demo=False), WARN, "No drill"),
        (promises.check_backups(["Behind."], "No drill was done.", wanted=True, demo=False), WRONG, "Behind"),
        (promises.check_backups(["The archive is behind."], wanted=True, demo=False), WRONG, "behind"),
        (promises.check_backups(["No backups are made."], wanted=False, demo=True), OK, "demo"),
    ],
    ids=lambda value: value.check if isinstance(value, Finding) else None,
)
def test_a_check_says_what_it_sees(finding: Finding, severity: Severity, word: str) -> None:
    assert finding.severity is severity, finding
    assert word in finding.sentence
    assert finding.sentence.endswith(".")
    assert bool(finding.advice) == (severity is not OK)
