"""The wallet: balance, movements, transfers."""

from starlette.responses import Response

from sahut import wallet
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.cursor import read_cursor, write_cursor
from sahut.web.rules import IdempotencyKeyRequired
from sahut.web.visit import Visit

PAGE = 30


async def show_wallet(visit: Visit) -> Response:
    """The own balance: posted, held, and free to spend."""
    async with visit.house.reading() as connection:
        now = await wallet.overview(connection, visit.person)
    return json_answer(
        shapes.Wallet(
            account=str(now.account),
            balance_minor=now.balance_minor,
            held_minor=now.held_minor,
            available_minor=now.available_minor,
            currency=now.currency,
        )
    )


async def list_activity(visit: Visit) -> Response:
    """The own movements, newest first, a page at a time."""
    key, person_id = visit.house.cursor_key, visit.person.person_id
    before = read_cursor(key, "activity", person_id, visit.query.get("cursor"))
    async with visit.house.reading() as connection:
        found = await wallet.activity(connection, visit.person, before=before, at_most=PAGE + 1)
    shown = found[:PAGE]
    more = write_cursor(key, "activity", person_id, shown[-1].transfer) if len(found) > PAGE else None
    return json_answer(shapes.Movements(items=[_movement(one) for one in shown], next_cursor=more))


async def send_transfer(visit: Visit) -> Response:
    """Send money to the person with this phone; the same Idempotency-Key again gives the same answer."""
    sent: shapes.NewTransfer = visit.sent
    done = await visit.house.transfers.send(
        visit.person,
        to_phone=sent.to_phone,
        amount_minor=sent.amount_minor,
        currency=sent.currency,
        note=sent.note,
        key=idempotency_key(visit),
    )
    answer = shapes.Transfer(
        transfer=str(done.transfer),
        amount_minor=done.amount_minor,
        currency=done.currency,
        to_name=done.to_name,
        balance_minor=done.balance_minor,
        recorded_at=done.recorded_at,
    )
    return json_answer(answer, 201)


def idempotency_key(visit: Visit) -> str:
    """The one key of a request that moves money; the wallet checks its form. Refuses: `idempotency_key_required`."""
    keys = visit.headers.getlist("idempotency-key")
    if len(keys) != 1:
        raise IdempotencyKeyRequired
    return keys[0]


def _movement(one: wallet.Movement) -> shapes.Movement:
    return shapes.Movement(
        transfer=str(one.transfer),
        direction=one.direction,
        amount_minor=one.amount_minor,
        currency=one.currency,
        other_name=one.other_name,
        note=one.note,
        balance_minor=one.balance_minor,
        recorded_at=one.recorded_at,
    )
