"""How the backups stand, for whoever asks: the newest base backup, the archive's lag, the last drill."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sahut.app.backups.archive import read_state
from sahut.app.backups.store import Store, now
from sahut.app.settings import Settings

SILENT = timedelta(seconds=15)
LAG_S = 10.0
DRILL_AFTER = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class BackupHealth:
    """None means never. ``archive_at``: when the archive last told how it stands; ``trouble``: in its
    words; ``base_trouble``: why the last base backup was not taken.
    """

    base_taken_at: datetime | None
    bases: int
    archive_at: datetime | None
    lag_s: float
    lag_bytes: int
    trouble: str
    base_trouble: str
    last_drill_at: datetime | None
    last_drill_clean: bool


def newest_backup(settings: Settings) -> BackupHealth | None:
    """**Returns**: None when no backups are wanted (``SAHUT_BACKUP`` is not set). Reads files only."""
    if settings.backup is None:
        return None
    store = Store(settings.backup.place)
    bases = store.read_bases()
    drills = store.read_drills()
    state = read_state(settings.home)
    last = drills[-1] if drills else {}
    return BackupHealth(
        base_taken_at=bases[0].taken_at if bases else None,
        bases=len(bases),
        archive_at=datetime.fromisoformat(state.at) if state and state.at else None,
        lag_s=state.lag_s if state else 0.0,
        lag_bytes=state.lag_bytes if state else 0,
        trouble=state.trouble if state else "",
        base_trouble=state.base_trouble if state else "",
        last_drill_at=datetime.fromisoformat(last["at"]) if last else None,
        last_drill_clean=bool(last.get("clean")),
    )


def backup_troubles(settings: Settings) -> list[str]:
    """What is wrong with the backups, a sentence each; empty when all is well."""
    health = newest_backup(settings)
    if health is None or settings.backup is None:
        return ["No backups are made: set SAHUT_BACKUP to a directory on another disk."]
    found = []
    limit = timedelta(hours=settings.backup.every_hours * 2)
    if health.base_taken_at is None:
        found.append("There is no base backup yet: `sahut backup` makes one.")
    elif now() - health.base_taken_at > limit:
        found.append(f"The newest base backup is of {health.base_taken_at:%Y-%m-%d %H:%M} UTC.")
    if health.base_trouble:
        found.append(f"The last base backup failed: {health.base_trouble}")
    if health.archive_at is None or now() - health.archive_at > SILENT:
        found.append("The archive does not tell how it stands: is `sahut up` (or `sahut archive`) running?")
    elif health.trouble or health.lag_s > LAG_S:
        words = health.trouble or "it cannot keep up"
        found.append(f"The archive is {health.lag_s:.0f} s ({health.lag_bytes} bytes) behind: {words}.")
    if health.last_drill_at is not None and not health.last_drill_clean:
        found.append(f"The last drill ({health.last_drill_at:%Y-%m-%d}) did not end in a clean audit.")
    return found


def drill_reminder(settings: Settings) -> str | None:
    """A sentence when it is time for a drill; nothing is wrong yet."""
    health = newest_backup(settings)
    if health is None:
        return None
    if health.last_drill_at is None:
        return "No drill was ever done: `sahut backup --drill` shows that the backups can be restored."
    if now() - health.last_drill_at > DRILL_AFTER:
        return f"The last drill was on {health.last_drill_at:%Y-%m-%d}: `sahut backup --drill`."
    return None
