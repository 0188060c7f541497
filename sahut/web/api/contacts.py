"""Contacts: a message comes in, signed in or not, and is answered with a receipt. Nobody is refused for being many."""

import msgspec
from starlette.responses import Response

from sahut.channels import chat_inbound
from sahut.journey import Receipt
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.contacts import contact_shown, find_contact, read_receipt, receipt_cookie
from sahut.web.rules import WrongField
from sahut.web.visit import Visit


async def receive_contact(visit: Visit) -> Response:
    """Write to us, signed in or not; the same client_message_id again gives the same number."""
    sent: shapes.NewContact = visit.sent
    inbound = chat_inbound(
        visit.actor,
        client_message_id=sent.client_message_id,
        text=sent.text,
        language=sent.language or visit.words.language,
    )
    receipt = await visit.house.intake.receive(inbound)
    headers = {"location": f"/api/v1/contacts/{receipt.number}"}
    if visit.actor is not None and "authorization" not in visit.headers:  # one of our pages: its browser keeps it
        headers["set-cookie"] = receipt_cookie(visit, receipt)
    return json_answer(receipt, 202, headers)


async def show_contact(visit: Visit) -> Response:
    """Where a contact stands, with its proof; for its sender, or for who holds its receipt (header Sahut-Receipt)."""
    receipt = _receipt_held(visit)
    found, proof = await find_contact(visit, visit.path["number"], receipt)
    return json_answer(contact_shown(visit.house, found, receipt, proof))


def _receipt_held(visit: Visit) -> Receipt | None:
    """The receipt in the header, as `write_receipt` makes it."""
    header = visit.headers.get("sahut-receipt")
    if header is None:
        return None
    try:
        return read_receipt(header)
    except (ValueError, msgspec.MsgspecError):
        raise WrongField("sahut-receipt", "the receipt as JSON in base64url") from None
