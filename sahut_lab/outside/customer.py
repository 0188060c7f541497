"""A customer's device: it means something, writes that down, asks, and asks again with the same key until it knows."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from sahut_lab.outside.journal import Journal
from sahut_lab.outside.wire import Answer, NoAnswer, Talk, ask

Verdict = Literal["ok", "refused", "unknown"]

ONCE_MORE = 0.10  # the share of known deeds that are sent again: the answer must be the same
BOTH_AT_ONCE = 0.05  # the share that goes out twice at the same moment, as an impatient device does
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be done exactly once, under `key`. `wanted` is the status that says so."""

    kind: Literal["transfer", "contact", "reply"]
    who: str
    key: str
    path: str
    body: dict[str, Any]
    wanted: int
    extra: dict[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deed ended. `answer` is the body; `known_at` is the loop's time at which the answer was there."""

    deed: Deed
    verdict: Verdict
    answer: dict[str, Any]
    known_at: float


@dataclass
class Customer:
    """One person with a device. `name` is how the journal calls it; `talk` holds the session."""

    name: str
    talk: Talk
    journal: Journal
    outcomes: list[Outcome] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    async def do(self, deed: Deed, chance: random.Random, still: Callable[[], bool]) -> Outcome:
        """Do the deed, whatever happens meanwhile. `still` tells whether to go on asking; then it stays unknown."""
        await self.journal.write(what="intent", kind=deed.kind, who=deed.who, key=deed.key, body=deed.body)
        if chance.random() < BOTH_AT_ONCE:
            both = await asyncio.gather(self._until_known(deed, still), self._until_known(deed, still))
            outcome = both[0] if both[0].verdict == "ok" else both[1]
            self._must_agree(*both)
        else:
            outcome = await self._until_known(deed, still)
        if outcome.verdict == "ok" and chance.random() < ONCE_MORE:
            self.counts["repeated"] += 1
            self._must_agree(outcome, await self._until_known(deed, still))
        self.outcomes.append(outcome)
        return outcome

    async def _until_known(self, deed: Deed, still: Callable[[], bool]) -> Outcome:
        pause = FIRST_PAUSE_S
        while True:
            try:
                answer = await ask(self.talk, "POST", deed.path, deed.body, extra=deed.extra)
            except NoAnswer:
                verdict: Verdict = "unknown"
                self.counts["no_answer"] += 1
            else:
                verdict = self._judge(deed, answer)
                if verdict != "unknown":
                    return await self._know(deed, verdict, answer.json())
            await self.journal.write(what="unknown", key=deed.key)
            if not still():
                return Outcome(deed, "unknown", {}, asyncio.get_running_loop().time())
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _judge(self, deed: Deed, answer: Answer) -> Verdict:
        self.counts[f"status_{answer.status}"] += 1
        if answer.status == deed.wanted:
            return "ok"
        if answer.status in {409, 429, 503}:  # in flight, or told to come again: the same key, later
            if answer.status == 503 and "retry-after" not in answer.headers:
                self.complaints.append(f"503 without Retry-After for a {deed.kind}")
            return "unknown"
        if answer.status >= 500:
            self.complaints.append(f"{answer.status} for a {deed.kind}: {answer.body[:200]!r}")
            return "unknown"
        return "refused"

    async def _know(self, deed: Deed, verdict: Verdict, answer: dict[str, Any]) -> Outcome:
        known_at = asyncio.get_running_loop().time()
        await self.journal.write(what=verdict, key=deed.key, answer=answer)
        return Outcome(deed, verdict, answer, known_at)

    def _must_agree(self, first: Outcome, second: Outcome) -> None:
        if "unknown" in {first.verdict, second.verdict}:
            return
        one, other = fingerprint(first), fingerprint(second)
        if one != other:
            self.complaints.append(f"the same {first.deed.kind} was answered twice differently: {one} and {other}")


def fingerprint(outcome: Outcome) -> tuple[str, Any]:
    """What must not change when a deed is sent again: the transfer's id, the contact's number."""
    name = {"transfer": "transfer", "contact": "number", "reply": "seq"}[outcome.deed.kind]
    return outcome.verdict, outcome.answer.get(name)


async def sign_in(port: int, phone: str, pin: str) -> Talk:
    """A session as the customer's application opens it."""
    answer = await ask(Talk(port), "POST", "/api/v1/sessions", {"phone": phone, "pin": pin}, wait_s=30)
    assert answer.status == 201, f"sign-in of {phone}: {answer.status} {answer.body[:300]!r}"
    return Talk(port, answer.json()["token"])
