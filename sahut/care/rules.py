"""Promises and refusals of the books of care. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sahut.bedrock import Refusal
from sahut.work import Policy

ANSWER: Final = "answer"
"""The promise that a person answers; it starts with the first contact that waits. Also the policy of the first one."""
FOLLOW_UP: Final = "follow_up"
"""The promise to ask whether it helped, and its policy; it starts with our answer."""
ANSWER_LATE: Final = "answer_late"
"""The policy of an `answer` that was promised before and did not come."""
PROMISES: Final = (ANSWER, FOLLOW_UP)
"""The kinds of clocks whose subject is a case."""
MATTER_OTHER: Final = "other"

_DOUBLINGS_AT_MOST: Final = 10
TEXT_AT_MOST: Final = 4000


class NoSuchCase(Refusal):
    """There is no case with this number that you may see."""

    code = "no_such_case"


class CaseClosed(Refusal):
    """The case is solved; a new message opens a new case."""

    code = "case_closed"


class MessageKeyReused(Refusal):
    """This id was used for another text. Nothing was sent; send it under a new id."""

    code = "message_key_reused"


class ConversationMoved(Refusal):
    """Something was written that you have not seen. Your reply was not sent; it is yours to change."""

    code = "conversation_moved"
    shown = ("seen_seq", "last_seq")

    def __init__(self, seen_seq: int, last_seq: int) -> None:
        self.seen_seq, self.last_seq = seen_seq, last_seq
        super().__init__(seen_seq, last_seq)


@dataclass(frozen=True, slots=True)
class ContactState:
    """Where a contact stands. `case_number`: None while the case is being looked for (seconds at most)."""

    contact_id: int
    event_id: int
    number: str
    person_id: int
    received_at: datetime
    answer_due_at: datetime
    case_number: str | None


def next_answer_due(late: Policy, at_most: datetime, broken: int, now: datetime) -> datetime:
    """By when we answer a case whose promises were broken so often; twice as long each time, or an empty desk would
    fill the log. Not later than `at_most`."""
    times, due_at = 1, late.due_at(now)
    while due_at < at_most and times < 1 << min(broken, _DOUBLINGS_AT_MOST):
        times *= 2
        due_at = late.due_at(now, times=times)
    return min(due_at, at_most)


def as_number(kept: int) -> str:
    """The nine digits of a kept number."""
    return f"{kept:09d}"
