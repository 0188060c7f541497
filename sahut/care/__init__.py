"""Care: the books of care. Contacts, cases, conversations, promises. There is no money here.

A contact is booked like money: received once under its key, with a number and a receipt; it belongs to exactly one
case; an open case always has a promise running; a promise is kept, broken or running. The auditor proves all three.

Here now: one open case for a person; an answer keeps the promise to answer and opens the promise to follow up. Nothing
asks yet whether it helped and nothing solves a case, so a follow-up runs out and becomes a new promise to answer.

Begin reading at `schema.sql`, then `rules.py`.
"""

from sahut.care.audit import audit_care
from sahut.care.cases import (
    Case,
    CaseLine,
    Message,
    case,
    cases,
    contact_state,
    count_cases,
    messages,
    newest_messages,
    wait_estimate_s,
)
from sahut.care.contacts import ContactRow, FirstContact, first_contacts, receive_contacts, reserve_number_blocks
from sahut.care.conversation import add_contacts, reply
from sahut.care.figures import care_figures
from sahut.care.promises import PROMISE_CLOCKS
from sahut.care.rules import (
    ANSWER,
    FOLLOW_UP,
    PROMISES,
    TEXT_AT_MOST,
    CaseClosed,
    ContactState,
    ConversationMoved,
    MessageKeyReused,
    NoSuchCase,
)

__all__ = [
    "ANSWER",
    "FOLLOW_UP",
    "PROMISES",
    "PROMISE_CLOCKS",
    "TEXT_AT_MOST",
    "Case",
    "CaseClosed",
    "CaseLine",
    "ContactRow",
    "ContactState",
    "ConversationMoved",
    "FirstContact",
    "Message",
    "MessageKeyReused",
    "NoSuchCase",
    "add_contacts",
    "audit_care",
    "care_figures",
    "case",
    "cases",
    "contact_state",
    "count_cases",
    "first_contacts",
    "messages",
    "newest_messages",
    "receive_contacts",
    "reply",
    "reserve_number_blocks",
    "wait_estimate_s",
]
