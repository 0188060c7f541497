"""Contacts as the API and the pages share them: who may see which, how they are told, and receipts as they travel."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

from sahut.bedrock import is_contact_number
from sahut.care import ContactState, contact_state
from sahut.journey import ContactProof, Receipt, proof_of_contact, receipt_is_good
from sahut.web import shapes
from sahut.web.cookies import receipt_in
from sahut.web.house import House
from sahut.web.rules import NotHere
from sahut.web.visit import Visit

_HEADER_AT_MOST = 8192
# A receipt of who was not signed in opens its contact for whoever holds it. One of who was signed in does not: it only
# completes what its owner may see anyway, so it may stay behind in a browser.
_FREE_COOKIE, _OWN_COOKIE = "sahut-receipt", "sahut-own-receipt"
_KEPT_S = 7 * 24 * 3600


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


def read_receipt(text: str) -> Receipt:
    """A receipt out of a header or a cookie. Raises ValueError or MsgspecError when it is none."""
    if len(text) > _HEADER_AT_MOST:
        raise ValueError("too long for a receipt")
    return msgspec.json.decode(urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)), type=Receipt)


def write_receipt(receipt: Receipt) -> str:
    """A receipt for a header or a cookie: its JSON in base64url, since there is no room for line ends and quotes."""
    return urlsafe_b64encode(msgspec.json.encode(receipt)).decode().rstrip("=")


def receipt_cookie(visit: Visit, receipt: Receipt) -> str:
    """The header with which the browser keeps a receipt that was just given, for the page of this contact alone."""
    name = _OWN_COOKIE if visit.actor else _FREE_COOKIE
    secure = "; Secure" if visit.house.secure else ""
    path = f"/receipts/{receipt.number}"
    return f"{name}={write_receipt(receipt)}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={_KEPT_S}{secure}"


def free_receipt(visit: Visit) -> Receipt | None:
    """The receipt that the browser keeps of a message written without signing in; it opens its contact."""
    return _kept(visit, _FREE_COOKIE)


def receipt_of(visit: Visit, contact: ContactState) -> Receipt | None:
    """The receipt of this contact that the browser keeps, for who may see the contact."""
    for name in (_FREE_COOKIE, _OWN_COOKIE):
        receipt = _kept(visit, name)
        if receipt and receipt.number == contact.number and receipt_is_good(visit.house.public_key, receipt):
            return receipt
    return None


def _kept(visit: Visit, cookie: str) -> Receipt | None:
    kept = receipt_in(visit.headers.get("cookie", ""), cookie)
    try:
        return None if kept is None else read_receipt(kept)
    except (ValueError, msgspec.MsgspecError):
        return None
