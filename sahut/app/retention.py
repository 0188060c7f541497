"""How long the log is kept, with the owner's rights: `sahut retain`, and daily by `up` when a setting says so."""

import asyncio

import structlog

from sahut.app.settings import Settings
from sahut.db import AWAY, open_connection
from sahut.work import NotRetired, OldMonth, months_to_retire, retire_months

_EVERY_S = 86_400.0
_AGAIN_S = 600.0
_log = structlog.get_logger()


class NoOwner(Exception):
    """Only the owner of the tables may take months away; his address is not known here."""

    def __init__(self) -> None:
        super().__init__("Only the owner of the tables may do this: give SAHUT_DATABASE_OWNER_URL.")


async def take_old_months(settings: Settings, months: int, *, yes: bool) -> list[OldMonth]:
    """The months of the log that are older than what is kept, oldest first; `yes`: they are taken away.

    Refuses: `NotRetired` (fewer than three months; a month that may not go, those before it are gone), `NoOwner`.
    Writes: with `yes` what `retire_months` does, else nothing.
    """
    if settings.owner_dsn is None:
        raise NoOwner
    if yes:
        return await retire_months(settings.owner_dsn, months)
    connection = await open_connection(settings.owner_dsn, name="sahut-retain", command_timeout_s=600)
    try:
        return await months_to_retire(connection, months)
    finally:
        await connection.close()


async def keep_log_short(settings: Settings) -> None:
    """Take old months away each day, until cancelled; at once ended when the log is kept for ever. Run by `up`."""
    while settings.log_keep_months:
        wait_s = _EVERY_S
        try:
            gone = await take_old_months(settings, settings.log_keep_months, yes=True)
            if gone:
                _log.info("months_of_the_log_retired", months=[f"{old.month:%Y-%m}" for old in gone])
        except (NotRetired, NoOwner) as refused:
            _log.error("months_of_the_log_stay", why=str(refused))
        except AWAY as error:
            _log.warning("months_of_the_log_not_looked_at", error=type(error).__name__)
            wait_s = _AGAIN_S
        await asyncio.sleep(wait_s)
