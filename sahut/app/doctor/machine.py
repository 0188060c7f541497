"""The machine under the house: home, disks, secrets, processes, port, memory. What was seen → one finding each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sahut.app.doctor.finding import Finding, ok, warn, wrong

GIB, MIB = 1 << 30, 1 << 20
_SCARCE_BYTES, _FULL_BYTES = 2 * GIB, 256 * MIB
_SCARCE_INODES, _FULL_INODES = 0.05, 0.01
_LEAST_MEMORY = 384 * MIB
_LITTLE_LEFT = 0.05
_KEY_BYTES, _PASSWORD_CHARACTERS = 32, 32


@dataclass(frozen=True, slots=True)
class HomeSeen:
    """The home as it lies there. ``open_paths``: what others than its owner may read; ``foreign``: owned by others."""

    path: Path
    exists: bool
    owner: int
    we_are: int
    open_paths: tuple[str, ...]
    foreign: tuple[str, ...]


def check_home(seen: HomeSeen) -> Finding:
    if not seen.exists:
        return wrong("home", f"There is no home at {seen.path}.", "Start `sahut up` once, or correct SAHUT_HOME.")
    if seen.we_are not in (0, seen.owner):
        return wrong(
            "home", f"{seen.path} belongs to user {seen.owner} and this is user {seen.we_are}.",
            "Run this as the user who owns the home, or as root.",
        )  # fmt: skip
    if seen.open_paths:
        return wrong(
            "home", f"Others may read {seen.open_paths[0]} ({len(seen.open_paths)} such paths in the home).",
            f"chmod -R go= {seen.path}/{{secrets,log,run,heads}}, and find out who was there.",
        )  # fmt: skip
    if seen.foreign:
        return wrong(
            "home", f"{seen.foreign[0]} does not belong to the service ({len(seen.foreign)} such paths in the home).",
            "Start `sahut up` as root once: it gives the home to the service.",
        )  # fmt: skip
    return ok("home", f"{seen.path} belongs to user {seen.owner} alone.")


@dataclass(frozen=True, slots=True)
class DiskSeen:
    """The disk below ``what`` (home, log, heads, database): bytes and inodes; ``inodes`` 0: it counts none."""

    what: str
    path: Path
    free_bytes: int
    free_inodes: int
    inodes: int
    read_only: bool


def check_disk(seen: DiskSeen) -> Finding:
    check = f"disk of {seen.what}"
    free = f"{seen.free_bytes / GIB:.1f} GiB are free below {seen.path}"
    share = seen.free_inodes / seen.inodes if seen.inodes else 1.0
    if seen.read_only:
        return wrong(
            check, f"The disk of {seen.path} is read-only.", "Look at the kernel's log, then mount it for writing."
        )
    if seen.free_bytes < _FULL_BYTES:
        return wrong(check, f"Only {seen.free_bytes // MIB} MiB are free below {seen.path}.", "Make room now.")
    if share < _FULL_INODES:
        return wrong(check, f"Only {seen.free_inodes} more files fit below {seen.path}.", "Remove small files now.")
    if seen.free_bytes < _SCARCE_BYTES:
        return warn(check, f"Only {free}.", "Make room before it is full.")
    if share < _SCARCE_INODES:
        return warn(check, f"Only {share:.0%} of the inodes are free below {seen.path}.", "Remove small files.")
    return ok(check, f"{free}.")


@dataclass(frozen=True, slots=True)
class SecretSeen:
    """One file in ``secrets/``; ``length`` None: it cannot be read."""

    name: str
    length: int | None
    mode: int


def check_secrets(seen: tuple[SecretSeen, ...], expected: tuple[str, ...]) -> Finding:
    """``expected``: the names without which this installation does not start."""
    missing = [name for name in expected if name not in {one.name for one in seen}]
    if missing:
        return wrong(
            "secrets", f"The secret `{missing[0]}` is missing.", "Put it back from a copy: a new one opens nothing old."
        )
    for one in seen:
        if one.mode & 0o077:
            return wrong(
                "secrets", f"Others may read the secret `{one.name}` (mode {one.mode:04o}).",
                "chmod 0600 it, and change it: it may be known.",
            )  # fmt: skip
        if one.length is None:
            return wrong("secrets", f"The secret `{one.name}` cannot be read.", "Run this as the owner of the home.")
        least = _KEY_BYTES if one.name.endswith(".key") else _PASSWORD_CHARACTERS
        if one.length < least or (one.name.endswith(".key") and one.length != _KEY_BYTES):
            return wrong(
                "secrets", f"The secret `{one.name}` is damaged ({one.length} bytes).", "Put it back from a copy."
            )
    return ok("secrets", f"{len(seen)} secrets are whole, and only the service can read them.")


@dataclass(frozen=True, slots=True)
class ProcessesSeen:
    """``noted``: name → process number in ``run/``; ``states``: number → letter of the kernel, absent when gone.

    ``supervised``: somebody holds the home's lock, so ``up`` runs.
    """

    noted: Mapping[str, int]
    states: Mapping[int, str]
    supervised: bool


def check_processes(seen: ProcessesSeen) -> Finding:
    gone = [name for name, pid in seen.noted.items() if seen.states.get(pid, "Z") == "Z"]
    stopped = [name for name, pid in seen.noted.items() if seen.states.get(pid) in ("T", "t")]
    if stopped:
        pid = seen.noted[stopped[0]]
        return wrong("processes", f"{stopped[0]} (process {pid}) has been stopped.", f"kill -CONT {pid}")
    if not seen.supervised:
        if gone:
            return warn(
                "processes", "`sahut up` was killed, and its notes are stale.", "Start `sahut up`: it tidies up."
            )
        return warn("processes", "`sahut up` does not run in this home.", "Start it, unless others run the roles.")
    if gone:
        return warn(
            "processes", f"{gone[0]} has ended and is being started again.", "Look again; then look at the log."
        )
    return ok("processes", f"{len(seen.noted)} processes run: {', '.join(sorted(seen.noted))}.")


@dataclass(frozen=True, slots=True)
class PortSeen:
    """What answers at the port: ``status`` of ``/readyz``, 0 for no answer in time, None for nobody listening."""

    port: int
    status: int | None
    missing: str = ""


def check_port(seen: PortSeen) -> Finding:
    if seen.status is None:
        return warn("port", f"Nobody listens on port {seen.port}.", "Start `sahut up`, or `sahut web`.")
    if seen.status == 0:
        return wrong("port", f"Who listens on port {seen.port} does not answer.", "Look at log/web-0.log; restart it.")
    if seen.status == 503:
        why = f" ({seen.missing})" if seen.missing else ""
        return wrong("port", f"The pages are not ready{why}.", "What else is wrong here says why.")
    if seen.status != 200:
        return wrong("port", f"Another program listens on port {seen.port}.", "End it, or choose another SAHUT_PORT.")
    return ok("port", f"The pages on port {seen.port} are ready.")


@dataclass(frozen=True, slots=True)
class MemorySeen:
    """``limit_bytes``: the machine's or the container's; ``available_bytes``: what could be had now."""

    limit_bytes: int
    available_bytes: int


def check_memory(seen: MemorySeen) -> Finding:
    has = f"{seen.available_bytes // MIB} of {seen.limit_bytes // MIB} MiB of memory are available"
    if seen.limit_bytes < _LEAST_MEMORY:
        return warn("memory", f"{has}, and the house wants 512.", "Give it more, or run the roles on several machines.")
    if seen.available_bytes < seen.limit_bytes * _LITTLE_LEFT:
        return warn("memory", f"Only {has}.", "End what is not needed; look which process grows.")
    return ok("memory", f"{has}.")
