"""A standby without the last commits takes over: the log goes on from an earlier number, and the screens follow."""

from datetime import UTC, datetime
from typing import Any

from sahut.bedrock import FixedClock
from sahut.db import Pool
from sahut.web import Hub
from sahut.work import Sealer, Signer
from tests.rooms.conftest import Connect
from tests.rooms.log import seal_all, write
from tests.rooms.world import until

BACK_TO_ONE = """
    alter table work.event disable trigger append_only;
    alter table work.seal disable trigger append_only;
    delete from work.event where id > (select event_id from work.seal where n = 1);
    delete from work.seal where n > 1;
    alter table work.event enable trigger append_only;
    alter table work.seal enable trigger append_only"""


async def test_live_streams_follow_a_log_that_goes_on_from_earlier(
    pool: Pool, sealer: Sealer, signer: Signer, owner: Any, connect: Connect, app_dsn: str
) -> None:
    said: list[bytes] = []

    async def send(message: Any) -> None:
        said.append(message.get("body", b""))

    async def has_heard(what: bytes) -> bool:
        return what in b"".join(said)

    await write(pool, 1)
    await seal_all(sealer)
    head = await owner.fetchrow("select n, root, subtrees, seen from work.head")
    await write(pool, 2)
    await seal_all(sealer)
    hub = Hub(app_dsn, FixedClock(datetime.now(UTC)))
    await hub.start()
    try:
        hub.attach(hub.admit(send, person_id=None, session=b"s" * 32), None)
        await until(lambda: has_heard(b"event: ready\nid: 3\n"))

        await owner.execute(BACK_TO_ONE)
        await owner.execute("update work.head set n = $1, root = $2, subtrees = $3, seen = $4", *head)
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = any($1)"
        await pool.execute(ended, ["sahut-test-sealer", "live", "live bell"])
        after = Sealer(await connect(app_dsn), signer, None)
        await after.wait_for_turn()

        await until(lambda: has_heard(b"event: reset\nid: 1\n"))
        await write(pool, 2)
        await seal_all(after)
        await until(lambda: has_heard(b"\n\nid: 3\ndata:"))
        assert b"\n\nid: 2\ndata:" in b"".join(said)
    finally:
        await hub.close()
