"""The way in, and the way to us for those who cannot get in."""

from starlette.responses import RedirectResponse, Response

from sahut.bedrock import Refusal
from sahut.channels import chat_inbound
from sahut.people import sign_out
from sahut.web import shapes
from sahut.web.answers import json_answer, page
from sahut.web.contacts import contact_shown, find_contact, free_receipt, receipt_cookie, receipt_of
from sahut.web.pages.forms import errors_beside, new_id, said_with
from sahut.web.rules import ReceiptNotHeld
from sahut.web.visit import Realm, Visit, language_sent, session_cookie
from sahut.web.words import words_in


def sign_in_page(visit: Visit, *, to: str, typed: str = "", refusal: Refusal | None = None, text: str = "") -> Response:
    """The sign-in page. `typed`, `text`: what was typed before; `refusal`: why it was not taken."""
    return page(
        "sign_in.html",
        visit.words,
        visit.house,
        to=to,
        phone=typed,
        text=text,
        message_id=new_id(),
        errors=errors_beside(refusal, visit, otherwise="pin"),
        **said_with(refusal),
    )


async def sign_in(visit: Visit) -> Response:
    """Sign in by the form; the cookie of the person's own realm is set."""
    sent: shapes.SignInForm = visit.sent
    if (language := language_sent(sent.lang)) is not None:
        visit.words = words_in(language)
    try:
        token, ends_at, actor = await visit.house.sign_in.sign_in(sent.phone, sent.pin)
    except Refusal as refusal:
        return sign_in_page(visit, to=sent.to, typed=sent.phone, refusal=refusal)
    lasts_s = int((ends_at - visit.house.clock.now()).total_seconds())
    response = RedirectResponse("/desk" if actor.role == "agent" else "/", 303)
    response.headers.append("set-cookie", session_cookie(visit.house, actor.role, token, lasts_s=lasts_s))
    return response


async def sign_out_here(visit: Visit) -> Response:
    """Sign out of this browser, at once."""
    assert visit.token is not None
    async with visit.house.writing() as connection:
        await sign_out(connection, visit.token, visit.house.clock.now())
    realm: Realm = visit.person.role
    response = RedirectResponse("/desk" if realm == "agent" else "/", 303)
    response.headers.append("set-cookie", session_cookie(visit.house, realm, "", lasts_s=0))
    return response


async def write_signed_out(visit: Visit) -> Response:
    """Write to us without signing in; the browser keeps the receipt."""
    sent: shapes.MessageForm = visit.sent
    if (language := language_sent(sent.lang)) is not None:
        visit.words = words_in(language)
    try:
        inbound = chat_inbound(
            None, client_message_id=sent.client_message_id, text=sent.text, language=visit.words.language
        )
        receipt = await visit.house.intake.receive(inbound)
    except Refusal as refusal:
        return sign_in_page(visit, to="/", text=sent.text, refusal=refusal)
    response = RedirectResponse(f"/receipts/{receipt.number}?lang={visit.words.language}", 303)
    response.headers.append("set-cookie", receipt_cookie(visit, receipt))
    return response


async def show_receipt(visit: Visit) -> Response:
    """The receipt of a contact: its number, what we promise, and the proof to keep."""
    found, proof = await find_contact(visit, visit.path["number"], free_receipt(visit))
    receipt = receipt_of(visit, found)
    if visit.query.get("as") != "file":
        return page("receipt.html", visit.words, visit.house, contact=found, receipt=receipt, proof=proof)
    if receipt is None:
        raise ReceiptNotHeld
    disposition = f'attachment; filename="sahut-{found.number}.json"'
    return json_answer(contact_shown(visit.house, found, receipt, proof), headers={"content-disposition": disposition})
