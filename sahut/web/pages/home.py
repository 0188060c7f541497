"""The customer's page: balance, sending money, what happened, and the conversation with us."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from sahut import care, wallet
from sahut.bedrock import Refusal, is_contact_number, read_amount
from sahut.care import CaseLine, ContactState, Message, contact_state
from sahut.channels import chat_inbound
from sahut.db import Connection
from sahut.people import names_of
from sahut.wallet import Movement, NoWallet, Overview
from sahut.web import shapes
from sahut.web.answers import page
from sahut.web.contacts import receipt_cookie
from sahut.web.pages.forms import errors_beside, new_id, part_or_problem, said_with
from sahut.web.pages.sign_in import sign_in_page
from sahut.web.reading import read_number
from sahut.web.visit import Visit
from sahut.work import Deadline, deadlines_of

MOVEMENTS = 12
MESSAGES = 200
_ASK_AGAIN = {"outcome_unknown", "busy", "contended", "database_away"}


@dataclass(frozen=True, slots=True)
class Thread:
    """The conversation as the customer's page shows it.

    `line`: the case, None when nobody wrote yet. `promise`: the newest promise of an answer. `messages`: those after
    what the page has already.
    """

    line: CaseLine | None
    promise: Deadline | None
    messages: list[Message]
    names: dict[int, str]
    after: int


async def front(visit: Visit) -> ASGIApp:
    """The customer's page; the sign-in page for who is not signed in."""
    if visit.actor is None:
        return sign_in_page(visit, to="/")
    if visit.actor.role == "agent":
        return RedirectResponse("/desk", 303)
    return await _home(visit)


async def send_money(visit: Visit) -> Response:
    """Send money by the form; the result, or what is wrong, stands at the form."""
    sent: shapes.SendForm = visit.sent
    refusal: Refusal | None = None
    done = None
    try:
        done = await visit.house.transfers.send(
            visit.person,
            to_phone=sent.to_phone,
            amount_minor=read_amount(sent.amount, "IDR", visit.words.language),
            currency="IDR",
            note=sent.note,
            key=sent.key,
        )
    except Refusal as refused:
        refusal = refused
    if visit.wants_partial:
        values = _send_values(visit, sent, refusal)
        return part_or_problem(visit, "_send.html", refusal, **values, person=visit.person, sent=done)
    if done is not None:
        return RedirectResponse(f"/?sent={done.transfer}#send", 303)
    return await _home(visit, form=sent, refusal=refusal)


async def send_message(visit: Visit) -> Response:
    """Write to us by the form of the conversation."""
    sent: shapes.MessageForm = visit.sent
    try:
        inbound = chat_inbound(visit.person, client_message_id=sent.client_message_id, text=sent.text)
        receipt = await visit.house.intake.receive(inbound)
    except Refusal as refusal:
        return await _home(visit, text=sent.text, refusal=refusal)
    response = RedirectResponse(f"/?received={receipt.number}#help", 303)
    response.headers.append("set-cookie", receipt_cookie(visit, receipt))
    return response


async def wallet_part(visit: Visit) -> Response:
    """The balance, as it is now."""
    async with visit.house.reading() as connection:
        overview = await _overview(connection, visit)
    return page("_balance.html", visit.words, visit.house, overview=overview)


async def activity_part(visit: Visit) -> Response:
    """The newest movements."""
    async with visit.house.reading() as connection:
        movements = await _movements(connection, visit)
    return page("_activity.html", visit.words, visit.house, days=_by_day(visit, movements))


async def thread_part(visit: Visit) -> Response:
    """The conversation, from the message after `after` when the page already has this case."""
    after = read_number(visit.query.get("after"), "after", default=0, at_most=2**31 - 1)
    async with visit.house.reading() as connection:
        thread = await _thread(connection, visit, visit.query.get("case"), after)
    return page("_thread.html", visit.words, visit.house, thread=thread, received=None)


async def _home(
    visit: Visit, *, form: shapes.SendForm | None = None, text: str = "", refusal: Refusal | None = None
) -> Response:
    after = visit.house.hub.head  # before reading, so that what happens meanwhile is told again and not missed
    async with visit.house.reading() as connection:
        overview = await _overview(connection, visit)
        movements = await _movements(connection, visit)
        # In this order: a contact that finds its case meanwhile is then in the conversation, and not in neither.
        received = await _received(connection, visit)
        thread = await _thread(connection, visit, None, 0)
    if received is not None and any(one.at == received.received_at for one in thread.messages):
        received = None
    sent_transfer = visit.query.get("sent", "")
    sent = next((one for one in movements if str(one.transfer) == sent_transfer and one.direction == "out"), None)
    values = _send_values(visit, form, refusal if form is not None else None)
    beside = {} if form is not None else errors_beside(refusal, visit, otherwise="text")
    return page(
        "home.html",
        visit.words,
        visit.house,
        person=visit.person,
        after=after,
        overview=overview,
        days=_by_day(visit, movements),
        thread=thread,
        received=received,
        text=text,
        message_id=new_id(),
        text_error=beside.get("text"),
        sent=sent,
        **said_with(refusal),
        **values,
    )


async def _overview(connection: Connection, visit: Visit) -> Overview | None:
    try:
        return await wallet.overview(connection, visit.person)
    except NoWallet:
        return None


async def _movements(connection: Connection, visit: Visit) -> list[Movement]:
    try:
        return await wallet.activity(connection, visit.person, before=None, at_most=MOVEMENTS)
    except NoWallet:
        return []


async def _thread(connection: Connection, visit: Visit, known: str | None, after: int) -> Thread:
    lines = await care.cases(connection, person_id=visit.person.person_id, at_most=20)
    line = next((line for line in lines if line.case.state == "open"), lines[0] if lines else None)
    if line is None:
        return Thread(None, None, [], {}, 0)
    after = after if known == line.case.number else 0
    if after:
        messages = await care.messages(connection, line.case.id, after=after, at_most=MESSAGES)
    else:
        messages = await care.newest_messages(connection, line.case.id, at_most=MESSAGES)
    names = await names_of(connection, list({one.author_id for one in messages if one.author == "agent"}))
    promises = await deadlines_of(connection, line.case.id, kinds=[care.ANSWER])
    return Thread(line, promises[0] if promises else None, messages, names, after)


async def _received(connection: Connection, visit: Visit) -> ContactState | None:
    """The contact whose form was just sent, while it is not yet part of the conversation."""
    number = visit.query.get("received", "")
    if not is_contact_number(number):
        return None
    found = await contact_state(connection, number)
    own = found is not None and found.person_id == visit.person.person_id
    return found if own and found is not None and found.case_number is None else None


def _send_values(visit: Visit, form: shapes.SendForm | None, refusal: Refusal | None) -> dict[str, Any]:
    """What the form for sending shows: as typed after a refusal and with the same key, else empty with a new one."""
    refused = form is not None and refusal is not None
    # The outcome is not known, or we were busy: the same key again cannot send twice. What was wrong with the form is
    # corrected under a new key, since the key was not used up but its content changes.
    keep_key = refused and refusal is not None and refusal.code in _ASK_AGAIN
    return {
        "form": form if refused else None,
        "key": form.key if keep_key and form is not None else new_id(),
        "errors": errors_beside(refusal, visit, otherwise="amount"),
    }


def _by_day(visit: Visit, movements: list[Movement]) -> list[tuple[str, list[Movement]]]:
    """The movements under the names of their days, newest first."""
    now: datetime = visit.house.clock.now()
    days: list[tuple[str, list[Movement]]] = []
    for movement in movements:
        name = visit.words.day(movement.recorded_at, now)
        if not days or days[-1][0] != name:
            days.append((name, []))
        days[-1][1].append(movement)
    return days
