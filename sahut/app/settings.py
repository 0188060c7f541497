"""What an operator can set: environment variables ``SAHUT_*``, read once at the start.

A wrong one stops the start with one sentence that names it; one that we do not know is wrong too, because it is a
misspelt one more often than not.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from sahut.app.cannot_start import CannotStart
from sahut.app.engines import app_dsn, backup_dsn, owner_dsn

KNOWN = (
    "SAHUT_HOME",
    "SAHUT_PORT",
    "SAHUT_PUBLIC_URL",
    "SAHUT_WEB_PROCESSES",
    "SAHUT_WORK_PROCESSES",
    "SAHUT_DATABASE_URL",
    "SAHUT_DATABASE_OWNER_URL",
    "SAHUT_LOG",
    "SAHUT_METRICS_PORT",
    "SAHUT_METRICS_HOST",
    "SAHUT_DRAIN_S",
    "SAHUT_LOG_KEEP_MONTHS",
    "SAHUT_TRUST_TRACEPARENT",
    "SAHUT_BACKUP",
    "SAHUT_BACKUP_KEEP",
    "SAHUT_BACKUP_EVERY_HOURS",
    "SAHUT_BACKUP_PASSPHRASE_FILE",
    "SAHUT_DATABASE_BACKUP_URL",
    "SAHUT_PYTHON",  # read by ./run and ./test: which Python they take
)
_LEVELS = ("debug", "info", "warning", "error")
_MOST_PROCESSES = 64


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """Where backups go and how many stay.

    ``place``: a directory, best on another disk; ``keep``: so many base backups and the log they need;
    ``every_hours``: how often the next one is made; ``passphrase_file``: with it the keys are encrypted.
    """

    place: Path
    keep: int
    every_hours: int
    passphrase_file: Path | None


@dataclass(frozen=True, slots=True)
class ObservingSettings:
    """How the house is watched.

    ``port`` None: nothing listens for Prometheus and probes; ``host`` None: on loopback. ``trust_traceparent``: whether
    requests come through a gateway of ours, whose trace they go on with.
    """

    port: int | None = None
    host: str | None = None
    trust_traceparent: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process.

    ``database_url`` None means the embedded engine in ``home``. ``database_owner_url`` is only for migrations of a
    database that is not embedded, ``database_backup_url`` for its backups. ``backup`` None: no backups are made.
    ``log_keep_months``: how many whole months of the log are kept; 0 keeps them for ever.
    ``drain_s``: how long ``web`` says that it is not ready before it listens no longer.
    """

    home: Path
    port: int
    public_url: str
    web_processes: int
    work_processes: int
    database_url: str | None
    database_owner_url: str | None
    log: str
    database_backup_url: str | None = None
    backup: BackupSettings | None = None
    drain_s: int = 0
    log_keep_months: int = 0
    observing: ObservingSettings = ObservingSettings()

    @property
    def app_dsn(self) -> str:
        """The address with which the roles work. **Refuses**: ``CannotStart`` when no database has run here yet."""
        return self.database_url or app_dsn(self.home)

    @property
    def owner_dsn(self) -> str | None:
        """The address with which migrations run; None when the operator gave a database but not its owner."""
        return self.database_owner_url if self.database_url else owner_dsn(self.home)

    @property
    def backup_dsn(self) -> str | None:
        """The address from which backups are taken; None when the operator gave a database but no such address."""
        return self.database_backup_url if self.database_url else backup_dsn(self.home)

    @property
    def backup_is_possible(self) -> bool:
        """Whether there is, or will be, an address from which backups are taken."""
        return self.database_url is None or self.database_backup_url is not None


def read_settings(environment: Mapping[str, str] = os.environ, *, demo: bool = False) -> Settings:
    """Read all settings; ``demo`` chooses the home of the demo world when none is named.

    **Refuses**: ``CannotStart``, naming the variable.
    """
    for name in environment:
        if name.startswith("SAHUT_") and name not in KNOWN:
            raise CannotStart(f"{name} is not a setting of Sahut: the settings are {', '.join(KNOWN)}.")
    port = _whole(environment, "SAHUT_PORT", 8000, 1, 65535)
    database_url = _database(environment, "SAHUT_DATABASE_URL")
    return Settings(
        home=_home(environment, demo=demo),
        port=port,
        public_url=_public_url(environment, port),
        web_processes=_whole(environment, "SAHUT_WEB_PROCESSES", 1, 1, _MOST_PROCESSES),
        work_processes=_whole(environment, "SAHUT_WORK_PROCESSES", 2, 1, _MOST_PROCESSES),
        database_url=database_url,
        database_owner_url=_database(environment, "SAHUT_DATABASE_OWNER_URL"),
        log=_one_of(environment, "SAHUT_LOG", "info", _LEVELS),
        database_backup_url=_database(environment, "SAHUT_DATABASE_BACKUP_URL"),
        backup=_backup(environment, _home(environment, demo=demo)),
        drain_s=_whole(environment, "SAHUT_DRAIN_S", 0, 0, 60),
        # Off unless it is named; three at least, so that a slip cannot cost the newest.
        log_keep_months=_whole(environment, "SAHUT_LOG_KEEP_MONTHS", 3, 3, 600)
        if environment.get("SAHUT_LOG_KEEP_MONTHS")
        else 0,
        observing=ObservingSettings(
            # Off unless it is named: two houses on one machine must not fight for a port that nobody asked for.
            port=_whole(environment, "SAHUT_METRICS_PORT", 0, 0, 65535) or None,
            host=_address(environment, "SAHUT_METRICS_HOST"),
            trust_traceparent=_one_of(environment, "SAHUT_TRUST_TRACEPARENT", "no", ("yes", "no")) == "yes",
        ),
    )


def _home(environment: Mapping[str, str], *, demo: bool) -> Path:
    if named := environment.get("SAHUT_HOME"):
        home = Path(named).expanduser()
        if not home.is_absolute():
            raise CannotStart(f"SAHUT_HOME must be an absolute path, not {named!r}.")
        return home
    usual = Path("/var/lib/sahut") if os.geteuid() == 0 else Path("~/.local/share/sahut").expanduser()
    return usual.with_name(f"{usual.name}-demo") if demo else usual


def _backup(environment: Mapping[str, str], home: Path) -> BackupSettings | None:
    place = _path(environment, "SAHUT_BACKUP")
    if place is None:
        return None
    if home in (place, *place.parents):
        raise CannotStart(f"SAHUT_BACKUP {place} lies in SAHUT_HOME, and would be lost with it: name another place.")
    return BackupSettings(
        place=place,
        keep=_whole(environment, "SAHUT_BACKUP_KEEP", 7, 1, 100),
        every_hours=_whole(environment, "SAHUT_BACKUP_EVERY_HOURS", 24, 1, 168),
        passphrase_file=_path(environment, "SAHUT_BACKUP_PASSPHRASE_FILE"),
    )


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    text = environment.get(name)
    if text and not Path(text).is_absolute():
        raise CannotStart(f"{name} must be an absolute path, not {text!r}.")
    return Path(text) if text else None


def _whole(environment: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = environment.get(name) or str(usual)
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise CannotStart(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


def _one_of(environment: Mapping[str, str], name: str, usual: str, choices: tuple[str, ...]) -> str:
    text = environment.get(name) or usual
    if text not in choices:
        raise CannotStart(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
    return text


def _address(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    if not text:
        return None
    try:
        return str(ip_address(text))
    except ValueError:
        raise CannotStart(f"{name} must be an address like 127.0.0.1 or ::, not {text!r}.") from None


def _public_url(environment: Mapping[str, str], port: int) -> str:
    text = (environment.get("SAHUT_PUBLIC_URL") or f"http://localhost:{port}").rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise CannotStart(f"SAHUT_PUBLIC_URL must be like https://wallet.example, not {text!r}.")
    if parts.scheme == "http" and parts.hostname != "localhost":
        raise CannotStart(
            f"SAHUT_PUBLIC_URL {text!r} needs https: browsers keep no sign-in without it, except on http://localhost."
        )
    return text


def _database(environment: Mapping[str, str], name: str) -> str | None:
    text = environment.get(name)
    if text and urlsplit(text).scheme not in ("postgresql", "postgres"):
        raise CannotStart(f"{name} must begin with postgresql://.")  # never repeated here: it holds a password
    return text or None
