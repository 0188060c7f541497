"""The drill: a backup that nobody has restored is a hope. The newest is restored, audited, measured, thrown away."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sahut.app.backups.restore import Restored, discard, restore
from sahut.app.backups.store import Store, now
from sahut.app.cannot_start import CannotStart
from sahut.app.settings import Settings


@dataclass(frozen=True, slots=True)
class Drill:
    """``behind_s``: from the last restored transaction to the moment at which the drill began; ``ready_s``: until the
    books were audited, with everything before it."""

    at: datetime
    restored: Restored
    ready_s: float
    behind_s: float | None

    def as_dict(self) -> dict[str, Any]:
        shown = self.restored.as_dict()
        del shown["home"]
        return {"at": self.at.isoformat(), "ready_s": self.ready_s, "behind_s": self.behind_s, **shown}


async def drill(settings: Settings, say: Callable[[str], None]) -> Drill:
    """Restore the newest state into a temporary home, go over its books, and throw it away.

    **Refuses**: ``CannotStart``; that too is written down as a drill, one that failed.
    **Writes**: a line in ``drills.jsonl`` of the backups.
    """
    if settings.backup is None:
        raise CannotStart("SAHUT_BACKUP is missing: it names the directory where the backups are.")
    store = Store(settings.backup.place)
    store.must_exist()
    at, began = now(), time.monotonic()
    above = _temporary()
    try:
        restored = await restore(settings, above / "home", None, say)
        done = Drill(
            at=at,
            restored=restored,
            ready_s=round(time.monotonic() - began, 3),
            behind_s=round((at - restored.ended_at).total_seconds(), 3) if restored.ended_at else None,
        )
        store.note_drill(_record(done.as_dict()))
    except CannotStart as problem:
        store.note_drill({"at": at.isoformat(), "clean": False, "findings": [str(problem)]})
        raise
    finally:
        discard(above / "home")
        discard(above)
    return done


def _temporary() -> Path:
    """A directory that the engine's own user can pass, and nobody can list."""
    above = Path(tempfile.mkdtemp(prefix="sahut-drill-"))
    above.chmod(0o711)
    return above


def _record(told: dict[str, Any]) -> dict[str, Any]:
    """Moments as text, so that any program can read the record."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}
