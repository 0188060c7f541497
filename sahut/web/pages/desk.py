"""The desk: the queue by time left, the case with its conversation, and the money that moves."""

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from sahut import care
from sahut.bedrock import Refusal
from sahut.care import Case, CaseLine, Message
from sahut.db import Connection
from sahut.people import Actor, names_of, person
from sahut.web import shapes
from sahut.web.answers import page
from sahut.web.cases import LIST_AT_MOST, case_for, count_when_cut, looking
from sahut.web.pages.forms import errors_beside, new_id, said_with
from sahut.web.pages.sign_in import sign_in_page
from sahut.web.reading import read_number
from sahut.web.rules import NotForYou
from sahut.web.visit import Visit
from sahut.work import Deadline, deadlines_of

MESSAGES = 200
# Why a case was opened, as our own pages say it; whoever comes from elsewhere came by a link.
REASONS = frozenset({"queue", "next", "reply"})


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case in the middle of the desk. `customer`: None when the sender was not signed in. `cut`: older messages of
    the conversation are left out."""

    case: Case
    customer: Actor | None
    messages: list[Message]
    names: dict[int, str]
    promises: list[Deadline]
    cut: bool


async def front(visit: Visit) -> ASGIApp:
    """The desk; the sign-in page for who is not signed in."""
    if visit.actor is None:
        return sign_in_page(visit, to="/desk")
    if visit.actor.role != "agent":
        raise NotForYou
    return await _desk(visit)


async def show_case(visit: Visit) -> Response:
    """A case at the desk; that it was looked at, and why, is written down."""
    return await _desk(visit, visit.path["number"])


async def send_reply(visit: Visit) -> Response:
    """Reply by the form; when the conversation moved, the draft comes back with what is new."""
    sent: shapes.ReplyForm = visit.sent
    number = visit.path["number"]
    async with visit.house.reading() as connection:
        await case_for(visit, connection, number)
    try:
        async with visit.house.writing() as connection:
            await care.reply(
                connection,
                visit.person,
                number=number,
                client_message_id=sent.client_message_id,
                text=sent.text,
                seen_seq=int(sent.seen_seq),
                now=visit.house.clock.now(),
            )
    except Refusal as refusal:
        return await _desk(visit, number, draft=sent, refusal=refusal)
    return RedirectResponse(f"/desk/cases/{number}?reason=reply", 303)


async def queue_part(visit: Visit) -> Response:
    """The queue, as it is now."""
    async with visit.house.reading() as connection:
        lines = await care.cases(connection, person_id=None, at_most=LIST_AT_MOST)
        total = await count_when_cut(connection, lines, None)
    current = visit.query.get("current", "")
    return page("desk/_queue.html", visit.words, visit.house, lines=lines, total=total, current=current)


async def feed_part(visit: Visit) -> Response:
    """The newest movements of money."""
    return page("desk/_feed.html", visit.words, visit.house, feed=visit.house.hub.recent_money())


async def thread_part(visit: Visit) -> Response:
    """The conversation of an open case after the message `after`; it goes on with the look that opened it."""
    after = read_number(visit.query.get("after"), "after", default=0, at_most=2**31 - 1)
    async with looking(visit, visit.path["number"], "page", goes_on=True) as (connection, case):
        opened = await _open(connection, case, after)
    return page("desk/_thread.html", visit.words, visit.house, opened=opened)


async def facts_part(visit: Visit) -> Response:
    """The facts beside an open case; it goes on with the look that opened it."""
    async with looking(visit, visit.path["number"], "page", goes_on=True) as (connection, case):
        opened = await _open(connection, case, case.last_seq)
    return page("desk/_facts.html", visit.words, visit.house, opened=opened)


async def _desk(
    visit: Visit, number: str | None = None, *, draft: shapes.ReplyForm | None = None, refusal: Refusal | None = None
) -> Response:
    after = visit.house.hub.head
    opened = None
    if number is not None:
        async with looking(visit, number, "reply" if draft else _reason(visit)) as (connection, case):
            opened = await _open(connection, case, 0)
    async with visit.house.reading() as connection:
        lines: list[CaseLine] = await care.cases(connection, person_id=None, at_most=LIST_AT_MOST)
        total = await count_when_cut(connection, lines, None)
    return page(
        "desk/desk.html",
        visit.words,
        visit.house,
        person=visit.person,
        after=after,
        lines=lines,
        total=total,
        current=number or "",
        opened=opened,
        feed=visit.house.hub.recent_money(),
        draft=draft.text if draft else "",
        message_id=new_id(),
        moved=refusal is not None and refusal.code == "conversation_moved",
        error=errors_beside(refusal, visit, otherwise="text").get("text"),
        **said_with(refusal),
    )


def _reason(visit: Visit) -> str:
    """Why the case is opened. A link elsewhere must not put words into the log, so only our own pages are believed."""
    asked = visit.query.get("reason", "")
    return asked if asked in REASONS and visit.headers.get("sec-fetch-site") == "same-origin" else "link"


async def _open(connection: Connection, case: Case, after: int) -> OpenCase:
    """The case with its messages after `after`; with 0 the newest ones."""
    if after:
        messages = await care.messages(connection, case.id, after=after, at_most=MESSAGES)
    else:
        messages = await care.newest_messages(connection, case.id, at_most=MESSAGES)
    names = await names_of(connection, list({one.author_id for one in messages if one.author_id}))
    customer = await person(connection, case.person_id) if case.person_id else None
    promises = await deadlines_of(connection, case.id, kinds=care.PROMISES)
    cut = after == 0 and bool(messages) and messages[0].seq > 1
    return OpenCase(case, customer, messages, names, promises, cut)
