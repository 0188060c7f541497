"""The verdict by the screens: what each viewer was shown, against what was acknowledged and what the log says."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sahut_lab.outside import Outcome, Shown, Viewer
from sahut_lab.trial.books import Books
from sahut_lab.trial.load import World, person_of
from sahut_lab.trial.verdict import Verdict

Sight = tuple[str, str]  # kind of event, and the id by which the outside knows what it is about


@dataclass(frozen=True, slots=True)
class Expectation:
    """This viewer must be shown this, exactly once."""

    viewer: str
    sight: Sight


def sight_of(shown: Shown) -> Sight:
    """Messages and contacts by what the client named them, transfers by the id in their answer."""
    body = shown.body
    about = body.get("client_message_id") or body.get("transfer") or body.get("number") or json.dumps(body)
    return shown.kind, str(about)


def expectations(outcomes: Iterable[Outcome], desks: list[str]) -> Iterator[Expectation]:
    """What follows from acknowledged deeds, for the customers concerned and for each desk."""
    for outcome in outcomes:
        if outcome.verdict != "ok":
            continue
        who = person_of(outcome.deed.who).name
        if outcome.deed.kind == "transfer":
            transfer = str(outcome.answer["transfer"])
            payee = person_of(outcome.deed.body["to_phone"]).name
            sights = [(who, ("transfer_sent", transfer)), (payee, ("transfer_received", transfer))]
        else:
            received, added = ("contact_received", outcome.answer["number"]), ("message_added", outcome.deed.key)
            sights = [(who, received), (who, added)]
        for name, sight in sights:
            yield Expectation(name, sight)
            yield from (Expectation(desk, sight) for desk in desks)


def counted(viewer: Viewer) -> Counter[Sight]:
    return Counter(sight_of(shown) for shown in viewer.shown)


def missing(world: World, outcomes: Iterable[Outcome]) -> list[Expectation]:
    """What nobody has been shown yet."""
    seen = {viewer.name: counted(viewer) for viewer in world.viewers}
    desks = [viewer.name for viewer in world.viewers if viewer.name.startswith("desk")]
    return [one for one in expectations(outcomes, desks) if not seen[one.viewer][one.sight]]


def judge_screens(world: World, books: Books, verdict: Verdict) -> None:
    """Shown exactly once, in order, only what is in the log, and to a customer only what is the own."""
    outcomes = list(world.outcomes())
    log = {row["n"]: (row["topic"], row["kind"], row["subject"], json.loads(row["body"])) for row in books.log}
    twice = order = phantoms = foreign = 0
    for viewer in world.viewers:
        numbers = [shown.n for shown in viewer.shown]
        twice += sum(count - 1 for count in counted(viewer).values())
        order += sum(later <= one for one, later in pairwise(numbers))
        phantoms += sum(log.get(s.n) != (s.topic, s.kind, s.subject, s.body) for s in viewer.shown)
        foreign += 0 if viewer.name.startswith("desk") else max(0, len({shown.subject for shown in viewer.shown}) - 1)
    desks = [viewer for viewer in world.viewers if viewer.name.startswith("desk")]
    of_desk = sum(row["topic"] in {"wallet", "care"} for row in books.log)
    verdict.count(
        shown=sum(len(viewer.shown) for viewer in world.viewers),
        streams_cut=sum(viewer.cuts for viewer in world.viewers),
    )
    verdict.must_be_zero(
        acknowledged_and_not_shown=len(missing(world, outcomes)),
        shown_twice=twice,
        shown_out_of_order=order,
        shown_and_not_in_the_log=phantoms,
        shown_to_somebody_else=foreign,
        not_shown_to_a_desk=sum(abs(len(viewer.shown) - of_desk) for viewer in desks),
        streams_reset=sum(viewer.resets for viewer in world.viewers),
    )
