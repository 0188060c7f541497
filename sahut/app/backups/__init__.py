"""Backup and restore: for the day on which the machine is gone and the people still want their money.

Three things go to the place named by ``SAHUT_BACKUP``: base backups (``base``), the write-ahead log as it is written
(``archive``, a role of ``sahut up``), and apart from them the keys of the home (``keys``); with them the published
heads of the sealed log (``heads``), which tell after a restore how much is missing. ``restore`` makes a new home from
them, to the end or to a moment; ``drill`` does that every month for nothing but the certainty; ``health`` tells.

Begin reading at ``store``: what lies where.
"""

from sahut.app.backups.archive import ArchiveState, read_state
from sahut.app.backups.base import take_base
from sahut.app.backups.drill import Drill, drill
from sahut.app.backups.health import BackupHealth, backup_troubles, drill_reminder, newest_backup
from sahut.app.backups.restore import Restored, parse_moment, restore
from sahut.app.backups.store import Base, Store, give_place_to_service

__all__ = [
    "ArchiveState",
    "BackupHealth",
    "Base",
    "Drill",
    "Restored",
    "Store",
    "backup_troubles",
    "drill",
    "drill_reminder",
    "give_place_to_service",
    "newest_backup",
    "parse_moment",
    "read_state",
    "restore",
    "take_base",
]
