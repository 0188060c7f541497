"""The shapes of the API: what a client sends and what it gets. Bounds stand here; unknown fields are refused.

Amounts are minor units (IDR has two decimals, so Rp50.000 is 5000000). Times are RFC 3339 in UTC.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sahut.bedrock import MOST_MINOR
from sahut.care import TEXT_AT_MOST
from sahut.journey import ContactProof, Receipt
from sahut.wallet import NOTE_AT_MOST

# The end of a text in every dialect of patterns; `$` lets a line end pass in some.
END = r"(?![\s\S])"

Phone = Annotated[str, Meta(min_length=5, max_length=32, description="with + and country code, or as dialled at home")]
Pin = Annotated[str, Meta(min_length=1, max_length=64)]
ClientMessageId = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[!-~]+" + END)]
MessageText = Annotated[str, Meta(min_length=1, max_length=TEXT_AT_MOST)]
AmountMinor = Annotated[int, Meta(ge=1, le=MOST_MINOR)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}" + END, max_length=3)]
Language = Literal["id", "zh", "en"]


class Asked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The base of everything a client sends."""


class Answer(msgspec.Struct, kw_only=True):
    """The base of everything we answer."""


# sessions


class NewSession(Asked):
    phone: Phone
    pin: Pin


class PersonShown(Answer):
    name: str
    role: Literal["customer", "agent"]
    language: str


class Session(Answer):
    token: str
    expires_at: str
    person: PersonShown


# wallet


class Wallet(Answer):
    account: str
    balance_minor: int
    held_minor: int
    available_minor: int
    currency: str


class Movement(Answer):
    transfer: str
    direction: Literal["in", "out"]
    amount_minor: int
    currency: str
    other_name: str | None
    note: str | None
    balance_minor: int
    recorded_at: datetime


class Movements(Answer):
    items: list[Movement]
    next_cursor: str | None


class NewTransfer(Asked):
    to_phone: Phone
    amount_minor: AmountMinor
    currency: Currency = "IDR"
    note: Annotated[str, Meta(max_length=NOTE_AT_MOST)] = ""


class Transfer(Answer):
    transfer: str
    amount_minor: int
    currency: str
    to_name: str
    balance_minor: int
    recorded_at: datetime


# contacts and cases


class NewContact(Asked):
    client_message_id: ClientMessageId
    text: MessageText
    language: Language | None = None


class ContactShown(Answer):
    """Where a contact stands. Saved to a file together with the receipt, `sahut verify` checks it offline.

    `state`: received (its case is being looked for) or in_case. `proof`: None until a signed head covers it.
    """

    number: str
    state: Literal["received", "in_case"]
    case: str | None
    received_at: datetime
    answer_due_at: datetime
    receipt: Receipt | None
    proof: ContactProof | None
    public_key: str


class CaseShown(Answer):
    """`promise`, `due_at`: what we do next and by when; None when nothing is promised any more."""

    number: str
    state: Literal["open", "solved"]
    matter: str
    language: str
    opened_at: datetime
    changed_at: datetime
    last_seq: int
    promise: str | None
    due_at: datetime | None


class Cases(Answer):
    """The first hundred at most. `total`: how many there are."""

    items: list[CaseShown]
    total: int


class MessageShown(Answer):
    seq: int
    author: Literal["customer", "agent"]
    author_name: str
    text: str
    client_message_id: str
    at: datetime


class Messages(Answer):
    """`last_seq`: the newest of the case; when it is above the last item's, ask again after that one."""

    items: list[MessageShown]
    last_seq: int


class NewReply(Asked):
    client_message_id: ClientMessageId
    text: MessageText
    seen_seq: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Health(Answer):
    status: Literal["ok"]


class Directory(Answer):
    """Who we are, minimal and honest: what is not yet reachable is not listed."""

    service: str
    published_at: datetime
    channels: list[dict[str, Any]]
    keys: list[dict[str, str]]
    never_asked: list[str]


# forms of our pages: all fields are texts, and the hidden ones name the request


class SignInForm(Asked, kw_only=True):
    phone: Annotated[str, Meta(max_length=64)] = ""
    pin: Annotated[str, Meta(max_length=64)] = ""
    to: Literal["/", "/desk"] = "/"
    lang: str = ""


class PersonsForm(Asked, kw_only=True):
    """A form on a page of somebody signed in. `person`: the id of the one for whom the page was made."""

    person: Annotated[str, Meta(max_length=20)] = ""


class SendForm(PersonsForm, kw_only=True):
    to_phone: Annotated[str, Meta(max_length=64)] = ""
    amount: Annotated[str, Meta(max_length=32)] = ""
    note: Annotated[str, Meta(max_length=2 * NOTE_AT_MOST)] = ""
    key: str


class MessageForm(PersonsForm, kw_only=True):
    text: Annotated[str, Meta(max_length=2 * TEXT_AT_MOST)] = ""
    client_message_id: ClientMessageId
    lang: str = ""


class ReplyForm(PersonsForm, kw_only=True):
    text: Annotated[str, Meta(max_length=2 * TEXT_AT_MOST)] = ""
    client_message_id: ClientMessageId
    seen_seq: Annotated[str, Meta(pattern=r"^[0-9]{1,9}" + END)]


class Nothing(PersonsForm, kw_only=True):
    """A form without fields of its own."""
