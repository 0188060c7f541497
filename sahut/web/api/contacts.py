"""Contacts: a message comes in, signed in or not, and is answered with a receipt. Nobody is refused for being many."""

from base64 import urlsafe_b64decode

import msgspec
from starlette.responses import Response

from sahut.bedrock import is_contact_number
from sahut.care import ContactState, contact_state
from sahut.channels import chat_inbound
from sahut.journey import ContactProof, Receipt, proof_of_contact, receipt_is_good
from sahut.web import shapes
from sahut.web.answers import json_answer
from sahut.web.house import House
from sahut.web.rules import NotHere, WrongField
from sahut.web.visit import Visit

_HEADER_AT_MOST = 8192


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
    return json_answer(receipt, 202, {"location": f"/api/v1/contacts/{receipt.number}"})


async def show_contact(visit: Visit) -> Response:
    """Where a contact stands, with its proof; for its sender, or for who holds its receipt (header Sahut-Receipt)."""
    receipt = _receipt_held(visit)
    found, proof = await find_contact(visit, visit.path["number"], receipt)
    return json_answer(contact_shown(visit.house, found, receipt, proof))


def contact_shown(
    house: House, found: ContactState, receipt: Receipt | None, proof: ContactProof | None
) -> shapes.ContactShown:
    """The contact as the API tells it."""
    return shapes.ContactShown(
        number=found.number,
        state="received" if found.case_number is None else "in_case",
        case=found.case_number,
        received_at=found.received_at,
        answer_due_at=found.answer_due_at,
        receipt=receipt,
        proof=proof,
        public_key=house.public_key.hex(),
    )


async def find_contact(visit: Visit, number: str, receipt: Receipt | None) -> tuple[ContactState, ContactProof | None]:
    """The contact and its proof, when the person may see it: sent by themselves, or the receipt is at hand.

    A contact of somebody else is as absent as one that never was. Refuses: `not_here`.
    """
    if not is_contact_number(number):
        raise NotHere
    by_receipt = receipt is not None and receipt.number == number
    by_receipt = by_receipt and receipt is not None and receipt_is_good(visit.house.public_key, receipt)
    if visit.actor is None and not by_receipt:
        raise NotHere
    async with visit.house.reading() as connection:
        found = await contact_state(connection, number)
        own = found is not None and visit.actor is not None and found.person_id == visit.actor.person_id
        if found is None or not (own or by_receipt):
            raise NotHere
        return found, await proof_of_contact(connection, found)


def _receipt_held(visit: Visit) -> Receipt | None:
    """The receipt in the header: its JSON in base64url, since a header has no room for line ends and quotes."""
    header = visit.headers.get("sahut-receipt")
    if header is None:
        return None
    try:
        return read_receipt(header)
    except (ValueError, msgspec.MsgspecError):
        raise WrongField("sahut-receipt", "the receipt as JSON in base64url") from None


def read_receipt(text: str) -> Receipt:
    """A receipt out of a header or a cookie. Raises ValueError or MsgspecError when it is none."""
    if len(text) > _HEADER_AT_MOST:
        raise ValueError("too long for a receipt")
    return msgspec.json.decode(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)), type=Receipt)
