"""The database server and what goes on in it. What was seen → one finding each."""

from collections.abc import Mapping
from dataclasses import dataclass

from sahut.app.doctor.finding import Finding, ok, warn, wrong
from sahut.app.engines.foreign import APP_URL, Server, objections

_CLOCKS_APART_S, _CLOCKS_FAR_APART_S = 1.0, 30.0
_LONG_S, _TOO_LONG_S = 60.0, 600.0
_BUSY, _NEARLY_ALL = 0.8, 0.95
_OLD_XIDS, _TOO_OLD_XIDS = 500_000_000, 1_500_000_000  # PostgreSQL stops at 2,147 million
_DEAD_ROWS, _DEAD_SHARE = 100_000, 0.5


def check_version(server: Server) -> Finding:
    """The server, and whether we are there as what we should be."""
    if refused := objections(server, APP_URL):
        return wrong("server", refused[0], "Until then nothing can be trusted that is kept there.")
    return ok("server", f"PostgreSQL {server.version} in UTF8; {server.role} has the least rights.")


@dataclass(frozen=True, slots=True)
class SafetySeen:
    """The settings on which "what is committed stays" rests."""

    data_checksums: bool
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    checksum_failures: int


def check_safety(seen: SafetySeen) -> Finding:
    if seen.checksum_failures:
        return wrong(
            "safety", f"{seen.checksum_failures} pages of the database were damaged on the disk.",
            "Change the disk; restore from the backup to another machine and audit it.",
        )  # fmt: skip
    for name in ("fsync", "full_page_writes"):
        if not getattr(seen, name):
            return wrong("safety", f"{name} is off: a power cut can destroy the books.", f"Set {name} = on.")
    if seen.synchronous_commit == "off":
        return wrong("safety", "synchronous_commit is off: an acknowledged payment can be lost.", "Set it to on.")
    if not seen.data_checksums:
        return warn(
            "safety", "The database has no checksums: a damaged page would not be noticed.",
            "Stop the server and run `pg_checksums --enable`.",
        )  # fmt: skip
    return ok("safety", "What is committed is on the disk, and pages carry checksums.")


@dataclass(frozen=True, slots=True)
class RightsSeen:
    """What the application's role may do that it should not: the tables that it could change or owns, by name."""

    role: str
    is_superuser: bool
    owned: tuple[str, ...]
    changeable: tuple[str, ...]


def check_rights(seen: RightsSeen) -> Finding:
    if seen.is_superuser:
        return wrong("rights", f"{seen.role} is a superuser.", f"alter role {seen.role} nosuperuser")
    if seen.owned:
        return wrong(
            "rights",
            f"{seen.role} owns {seen.owned[0]} and could rewrite it.",
            "Give it back to the owner of the others.",
        )
    if seen.changeable:
        return wrong(
            "rights", f"{seen.role} may change {seen.changeable[0]}, which is append-only.",
            f"revoke update, delete, truncate on {seen.changeable[0]} from {seen.role}",
        )  # fmt: skip
    return ok("rights", f"{seen.role} can only add to what is append-only.")


@dataclass(frozen=True, slots=True)
class MigrationsSeen:
    """Name → SHA-256: as this release has them, and as the database remembers them."""

    known: Mapping[str, bytes]
    applied: Mapping[str, bytes]


def check_migrations(seen: MigrationsSeen) -> Finding:
    changed = sorted(name for name, digest in seen.applied.items() if seen.known.get(name, digest) != digest)
    newer = sorted(set(seen.applied) - set(seen.known))
    pending = sorted(set(seen.known) - set(seen.applied))
    if changed:
        return wrong("migrations", f"{changed[0]} was changed after it was applied.", "Run the release that made it.")
    if pending:
        return wrong("migrations", f"The database lacks {pending[0]} ({len(pending)} migrations).", "sahut migrate")
    if newer:
        return warn("migrations", f"The database is of a newer release ({newer[-1]}).", "Run that release.")
    return ok("migrations", f"All {len(seen.known)} migrations are applied.")


def check_clock(apart_s: float) -> Finding:
    """``apart_s``: the database's clock less the machine's."""
    said = f"The clocks of machine and database are {abs(apart_s):.1f} s apart"
    if abs(apart_s) > _CLOCKS_FAR_APART_S:
        return wrong("clock", f"{said}.", "Set both by NTP: promises and sign-ins go by them.")
    if abs(apart_s) > _CLOCKS_APART_S:
        return warn("clock", f"{said}.", "Set both by NTP.")
    return ok("clock", "The clocks of machine and database agree.")


@dataclass(frozen=True, slots=True)
class SessionsSeen:
    """``hung``: sessions whose client does not take what the server sends; the longest transaction with its name."""

    used: int
    allowed: int
    hung: tuple[str, ...]
    longest_s: float
    longest_name: str


def check_connections(seen: SessionsSeen) -> Finding:
    said = f"{seen.used} of {seen.allowed} connections are taken"
    if seen.used >= seen.allowed * _NEARLY_ALL:
        return wrong("connections", f"{said}.", "End what is not needed, or raise max_connections.")
    if seen.used >= seen.allowed * _BUSY:
        return warn("connections", f"{said}.", "Raise max_connections, or run fewer processes.")
    return ok("connections", f"{said}.")


def check_sessions(seen: SessionsSeen) -> Finding:
    if seen.hung:
        return warn(
            "sessions", f"{seen.hung[0]} does not take what the server sends ({len(seen.hung)} such sessions).",
            "A work process ends such sessions after seconds: does one run?",
        )  # fmt: skip
    if seen.longest_s > _LONG_S:
        level = wrong if seen.longest_s > _TOO_LONG_S else warn
        return level(
            "sessions", f"{seen.longest_name} has had a transaction open for {seen.longest_s:.0f} s.",
            "Nothing can be cleaned up behind it: end it (pg_terminate_backend).",
        )  # fmt: skip
    return ok("sessions", "No session hangs or holds a transaction for long.")


@dataclass(frozen=True, slots=True)
class VacuumSeen:
    """``xids``: how old the oldest row that is not frozen is; the table with most dead rows, and its living ones."""

    xids: int
    table: str
    dead: int
    live: int


def check_vacuum(seen: VacuumSeen) -> Finding:
    if seen.xids > _OLD_XIDS:
        level = wrong if seen.xids > _TOO_OLD_XIDS else warn
        return level(
            "vacuum", f"The oldest row is {seen.xids // 1_000_000} million transactions old; at 2,147 all stops.",
            "End long transactions and abandoned replication slots, then `vacuum (freeze)`.",
        )  # fmt: skip
    if seen.dead > _DEAD_ROWS and seen.dead > seen.live * _DEAD_SHARE:
        return warn(
            "vacuum", f"{seen.table} has {seen.dead} dead rows beside {seen.live} living ones.",
            "Look for a long transaction; then `vacuum` it.",
        )  # fmt: skip
    return ok("vacuum", "Old rows are cleaned up.")
