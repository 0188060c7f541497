"""The wallet: a transfer to a phone, what may go wrong with it, and what people see of their money."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from sahut.db import transaction
from sahut.ledger import open_account
from sahut.people import Actor
from sahut.wallet import NoWallet, Transfers, activity, overview
from tests.rooms.world import World, add_actor, outcome

KEY = "8f14e45f-ceea-467f-a0e6-b1d2c3d4e5f6"


@pytest.fixture
def transfers(world: World) -> Transfers:
    return Transfers(world.pool, world.ledger)


def sent(world: World, **changed: Any) -> dict[str, Any]:
    plain = {
        "to_phone": world.budi.phone,
        "amount_minor": 250_000,
        "currency": "IDR",
        "note": "makan siang",
        "key": KEY,
    }
    return plain | changed


async def test_a_transfer_by_phone_moves_the_money_and_tells_both(world: World, transfers: Transfers) -> None:
    told = await transfers.send(world.sari, **sent(world, to_phone="0812 0000 0002"))

    assert (told.amount_minor, told.currency, told.to_name, told.balance_minor, told.recorded_at) == (
        250_000, "IDR", "Budi Santoso", 750_000, world.clock.now(),
    )  # fmt: skip
    async with world.pool.acquire() as connection:
        of_sari, of_budi = await overview(connection, world.sari), await overview(connection, world.budi)
    assert (of_sari.balance_minor, of_sari.available_minor, of_sari.held_minor) == (750_000, 750_000, 0)
    assert of_budi.balance_minor == 1_250_000
    events = await world.pool.fetch("select subject, kind, body from work.event where topic = 'wallet' order by id")
    said = {"transfer": str(told.transfer), "amount_minor": 250_000, "currency": "IDR"}
    assert [(row[0], row[1], msgspec.json.decode(row[2])) for row in events] == [
        (world.sari.person_id, "transfer_sent", said),
        (world.budi.person_id, "transfer_received", said),
    ]


async def test_the_log_holds_no_name_phone_or_note(world: World, transfers: Transfers) -> None:
    await transfers.send(world.sari, **sent(world))

    bodies = str(await world.pool.fetch("select body::text from work.event"))

    assert not [said for said in ("Budi", "Sari", "makan", "812000") if said in bodies]


async def test_a_repetition_gets_the_same_answer_and_moves_nothing(world: World, transfers: Transfers) -> None:
    first = await transfers.send(world.sari, **sent(world))
    world.clock.advance(timedelta(days=3))

    again = await asyncio.gather(*(transfers.send(world.sari, **sent(world)) for _ in range(20)))

    assert set(again) == {first}
    assert await world.balance(world.accounts[world.sari.person_id]) == 750_000


# what is changed in a good transfer, and the refusal that it then gets
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"to_phone": "halo"}, "bad_phone"),
    ({"to_phone": "+6281299999999"}, "unknown_recipient"),
    ({"to_phone": "+6281200000009"}, "unknown_recipient"),  # an agent has no wallet
    ({"to_phone": "+6281200000001"}, "same_account"),
    ({"amount_minor": 0}, "amount_out_of_bounds"),
    ({"amount_minor": -1}, "amount_out_of_bounds"),
    ({"amount_minor": 10**15 + 1}, "amount_out_of_bounds"),
    ({"amount_minor": 10**40}, "amount_out_of_bounds"),
    ({"amount_minor": 1_000_001}, "insufficient_funds"),
    ({"currency": "CNY"}, "no_wallet"),
    ({"currency": "XXX"}, "unknown_currency"),
    ({"note": "x" * 141}, "bad_text"),
    ({"note": "a\0b"}, "bad_text"),
    ({"note": "\ud800"}, "bad_text"),
    ({"key": "short"}, "bad_idempotency_key"),
    ({"key": ""}, "bad_idempotency_key"),
]


async def test_each_refusal_is_named_moves_nothing_and_leaves_the_way_free(world: World, transfers: Transfers) -> None:
    for number, (changed, code) in enumerate(REFUSED):
        refused = await outcome(transfers.send(world.sari, **sent(world, **{"key": f"refused-{number}"} | changed)))
        assert getattr(refused, "code", refused) == code, changed

    posted = await transfers.send(world.sari, **sent(world))

    assert posted.balance_minor == 750_000
    assert await world.balance(world.accounts[world.budi.person_id]) == 1_250_000


async def test_the_same_key_for_another_transfer_is_told(world: World, transfers: Transfers) -> None:
    await transfers.send(world.sari, **sent(world))

    refused = [
        await outcome(transfers.send(world.sari, **sent(world, **changed)))
        for changed in ({"amount_minor": 250_001}, {"note": "lain"}, {"note": None})
    ]

    assert [one.code for one in refused] == ["key_reused"] * 3
    assert await world.balance(world.accounts[world.sari.person_id]) == 750_000


async def test_a_refusal_tells_what_could_be_spent_and_nothing_of_the_payee(world: World, transfers: Transfers) -> None:
    refused = await outcome(transfers.send(world.sari, **sent(world, amount_minor=1_000_001)))
    async with transaction(world.pool) as connection:
        li_na = await add_actor(connection, "Li Na", "+6281200000003")
        await open_account(connection, kind="customer", currency="IDR", owner=li_na.person_id, ceiling_minor=9)
    full = await outcome(transfers.send(world.sari, **sent(world, to_phone=li_na.phone, key="another-key")))

    assert refused.fields() == {"available_minor": 1_000_000}
    assert (full.code, full.fields()) == ("balance_ceiling", {})


async def test_a_note_is_optional_and_loses_the_space_around_it(world: World, transfers: Transfers) -> None:
    for key, note in [("note-1234", None), ("note-2345", "  "), ("note-3456", "  sewa ")]:
        await transfers.send(world.sari, **sent(world, key=key, note=note))

    async with world.pool.acquire() as connection:
        seen = await activity(connection, world.budi, before=None, at_most=3)

    assert [movement.note for movement in seen] == ["sewa", None, None]


async def test_activity_is_newest_first_and_goes_on_before_the_last_seen(world: World, transfers: Transfers) -> None:
    table: list[tuple[Actor, Actor, int]] = [
        (world.sari, world.budi, 100),
        (world.budi, world.sari, 30),
        (world.sari, world.budi, 5),
        (world.sari, world.budi, 7),
    ]
    for number, (payer, payee, amount) in enumerate(table):
        await transfers.send(payer, **sent(world, to_phone=payee.phone, amount_minor=amount, key=f"movement-{number}"))

    async with world.pool.acquire() as connection:
        first = await activity(connection, world.sari, before=None, at_most=3)
        rest = await activity(connection, world.sari, before=first[-1].transfer, at_most=3)
        of_budi = await activity(connection, world.budi, before=None, at_most=2)

    assert [(m.direction, m.amount_minor, m.other_name, m.balance_minor) for m in first + rest] == [
        ("out", 7, "Budi Santoso", 999_918),
        ("out", 5, "Budi Santoso", 999_925),
        ("in", 30, "Budi Santoso", 999_930),
        ("out", 100, "Budi Santoso", 999_900),
        ("in", 1_000_000, None, 1_000_000),  # the house has no name
    ]
    assert [(m.direction, m.amount_minor, m.other_name) for m in of_budi] == [
        ("in", 7, "Sari Wulandari"),
        ("in", 5, "Sari Wulandari"),
    ]
    assert [m.transfer for m in first] == sorted((m.transfer for m in first), reverse=True)


async def test_who_has_no_wallet_is_told(world: World, transfers: Transfers) -> None:
    async with world.pool.acquire() as connection:
        refused = [
            await outcome(overview(connection, world.bima)),
            await outcome(activity(connection, world.bima, before=None, at_most=5)),
            await outcome(transfers.send(world.bima, **sent(world))),
            await outcome(overview(connection, replace(world.sari, person_id=999))),
        ]

    assert [type(one) for one in refused] == [NoWallet] * 4
