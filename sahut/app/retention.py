"""How long the log is kept, with the owner's rights: `sahut retain`, and daily by `up` when a setting says so."""

from sahut.app.settings import Settings
from sahut.db import open_connection
from sahut.work import OldMonth, months_to_retire, retire_months


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
