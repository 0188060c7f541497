"""Addresses of the embedded database, computed from the home alone.

The place of the socket is recorded in the home (``engine.socket``) by the engine when it starts, because a home with a
long path has its socket elsewhere: the kernel allows 107 bytes.
"""

from pathlib import Path
from urllib.parse import quote

from sahut.app.cannot_start import CannotStart
from sahut.app.secrets import password

DATABASE = "sahut"
OWNER = "sahut_owner"
APPLICATION = "sahut_app"
BACKUP = "sahut_backup"
SUPERUSER = "postgres"
SOCKET_RECORD = "engine.socket"


def app_dsn(home: Path, database: str = DATABASE) -> str:
    """Give the address with which the application works; it cannot change what is append-only."""
    return _dsn(home, APPLICATION, "app", database)


def owner_dsn(home: Path, database: str = DATABASE) -> str:
    """Give the address with which migrations run."""
    return _dsn(home, OWNER, "owner", database)


def backup_dsn(home: Path) -> str:
    """Give the address of the role that only replicates: it reads the write-ahead log and files, and no table."""
    return _dsn(home, BACKUP, "backup", "postgres")


def superuser_dsn(home: Path, database: str = "postgres") -> str:
    """Give the supervisor's own address; neither the application nor migrations use it."""
    return _dsn(home, SUPERUSER, SUPERUSER, database)


def _dsn(home: Path, role: str, password_name: str, database: str) -> str:
    try:
        directory = (home / SOCKET_RECORD).read_text().strip()
    except FileNotFoundError:
        raise CannotStart(
            f"No embedded database has run in {home} yet: start `sahut up` first, or set SAHUT_DATABASE_URL."
        ) from None
    secret = password(home, password_name)
    return f"postgresql://{role}:{secret}@/{database}?host={quote(directory, safe='/')}"
