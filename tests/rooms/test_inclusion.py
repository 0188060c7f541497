"""That an event is in the log: proved from the tiles, at every border of a tile, for every signed head."""

import json
from datetime import UTC, datetime, timedelta

from sahut.db import Pool
from sahut.work import (
    HEAD,
    Sealer,
    Signer,
    head_bytes,
    leaf_hash,
    path_in,
    prove_inclusion,
    read_tile,
    root_by_path,
    root_of,
    signature_is_good,
)

SOME_DAY = datetime(2031, 1, 1, tzinfo=UTC)
MANY = """
    insert into work.event (topic, subject, kind, body)
    select 'care', i, 'many', '{}' from generate_series(1, $1) as i"""
LEAVES = """
    select sha256('\\x00'::bytea || convert_to(jsonb_build_array(
               e.id, (extract(epoch from e.at) * 1000000)::bigint, e.topic, e.subject, e.kind, e.body)::text, 'UTF8'))
      from work.seal s join work.event e on e.id = s.event_id and e.at = s.at order by s.n"""


async def grow_to(pool: Pool, sealer: Sealer, size: int) -> datetime:
    """Seal events until there are so many, and sign the head; when that was."""
    there = await pool.fetchval("select n from work.head")
    await pool.execute(MANY, size - there)
    while await sealer.tick():
        pass
    signed_at = SOME_DAY + timedelta(minutes=size)
    await sealer.sign(signed_at)
    return signed_at


async def prove_all(pool: Pool, signer: Signer, size: int, indices: set[int], leaves: list[bytes]) -> None:
    """Each of these leaves is in the tree of `size`, by a path that the pure rules find too."""
    root = root_of(leaves[:size])
    async with pool.acquire() as connection:
        ids = dict(
            await connection.fetch("select n, event_id from work.seal where n = any($1)", [i + 1 for i in indices])
        )
        for index in indices:
            proof = await prove_inclusion(connection, ids[index + 1])
            assert proof is not None
            assert (proof.n, proof.head_n, proof.root) == (index + 1, size, root)
            assert leaf_hash(proof.leaf.encode()) == leaves[index]
            assert root_by_path(leaves[index], index, size, proof.path) == root, (index, size)
            said = head_bytes(proof.head_n, proof.root, proof.signed_at)
            assert signature_is_good(signer.public_key, HEAD, said, proof.signature)
            if size < 1_000:
                assert proof.path == path_in(leaves[:size], index)


async def test_every_event_is_proved_around_the_first_tiles(pool: Pool, sealer: Sealer, signer: Signer) -> None:
    for size in (1, 2, 3, 7, 255, 256, 257, 511, 512, 513):
        await grow_to(pool, sealer, size)
        leaves = [row[0] for row in await pool.fetch(LEAVES)]

        await prove_all(pool, signer, size, {*range(0, size, 37), size // 2, size - 1, min(255, size - 1)}, leaves)

    assert await pool.fetchval("select count(*) from work.tile") == 2


async def test_events_are_proved_across_the_border_of_the_second_level(
    pool: Pool, sealer: Sealer, signer: Signer
) -> None:
    """65,536 events fill the first tile above the leaves' own; then 70,001."""
    for size in (65_535, 65_536, 65_537, 70_001):
        await grow_to(pool, sealer, size)
        leaves = [row[0] for row in await pool.fetch(LEAVES)]

        await prove_all(pool, signer, size, {0, 255, 256, 32_767, 32_768, 65_279, 65_280, 65_534, size - 1}, leaves)

    levels = await pool.fetch("select level, count(*), max(position) from work.tile group by level order by level")
    assert [tuple(row) for row in levels] == [(0, 70_001 // 256, 70_001 // 256 - 1), (1, 1, 0)]
    async with pool.acquire() as connection:
        assert (await read_tile(connection, 2, 0)) == [root_of(leaves[:65_536])]
        assert len(await read_tile(connection, 1, 1)) == 70_001 // 256 - 256
        assert await read_tile(connection, 0, 999) == []


async def test_a_proof_needs_a_seal_and_a_signed_head_that_covers_it(pool: Pool, sealer: Sealer) -> None:
    await grow_to(pool, sealer, 3)
    await pool.execute(MANY, 1)
    newest = await pool.fetchval("select max(id) from work.event")
    async with pool.acquire() as connection:
        assert await prove_inclusion(connection, newest) is None  # not sealed
        await sealer.tick()
        assert await prove_inclusion(connection, newest) is None  # not signed
        await sealer.sign(SOME_DAY + timedelta(minutes=30))

        assert await prove_inclusion(connection, newest) is not None
        assert await prove_inclusion(connection, newest + 1) is None


async def test_the_leaf_says_all_of_the_event_and_no_field_reaches_into_its_neighbour(
    pool: Pool, sealer: Sealer
) -> None:
    odd = {"text": '"],[1,"care"', "n": 1.50, "ü": None}
    await pool.execute(
        "insert into work.event (topic, subject, kind, body) values ('care', -1, '\",\"', $1)", json.dumps(odd)
    )
    await sealer.tick()
    await sealer.sign(SOME_DAY)

    async with pool.acquire() as connection:
        number, at = await connection.fetchrow("select id, at from work.event")
        proof = await prove_inclusion(connection, number)

    assert proof is not None
    microseconds = (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    assert json.loads(proof.leaf) == [number, microseconds, "care", -1, '","', odd]
