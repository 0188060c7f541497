"""The verdict by the tables: everything is read plainly, and compared with what the journals say."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg

from sahut_lab.outside import Deed, Outcome
from sahut_lab.trial import merkle
from sahut_lab.trial.load import tag
from sahut_lab.trial.verdict import Verdict

Rows = list[asyncpg.Record]

TRANSFERS = """
    select t.id, t.memo, t.debit, t.credit, t.amount_minor, t.debit_seq, t.credit_seq, t.debit_after, t.credit_after
      from ledger.transfer t order by t.id"""
BALANCES = "select account_id, posted, seq from ledger.balance"
CONTACTS = """
    select c.id, lpad(c.number::text, 9, '0') as number, c.provider_key, c.person_id,
           (select count(*) from care.message m where m.contact_id = c.id) as messages,
           (select count(distinct m.case_id) from care.message m where m.contact_id = c.id) as cases
      from care.contact c"""
MESSAGE_GAPS = """
    select count(*) from (select k.last_seq, count(m.seq) as counted, coalesce(max(m.seq), 0) as highest
                            from care.case k left join care.message m on m.case_id = k.id group by k.id) as x
     where last_seq <> counted or counted <> highest"""
LEFT_OVER = """
    select (select count(*) from work.job where buried_at is not null) as buried,
           (select count(*) from work.job where buried_at is null) as waiting,
           (select count(*) from work.event where topic = 'alarm') as alarms,
           (select count(*) from work.event) as events,
           (select count(*) from work.event e
             where not exists (select from work.seal s where s.event_id = e.id)) as unsealed,
           (select n from work.head) as n"""


class Books:
    """What stood in the tables at one moment, after the house had come to rest."""

    def __init__(
        self, tables: Mapping[str, Rows], left: asyncpg.Record, message_gaps: int, head: asyncpg.Record
    ) -> None:
        self.transfers, self.balances = tables["transfers"], tables["balances"]
        self.contacts, self.log = tables["contacts"], tables["log"]
        self.left, self.message_gaps, self.head = left, message_gaps, head
        self.by_memo: dict[str, Rows] = defaultdict(list)
        for row in self.transfers:
            if row["memo"] is not None:
                self.by_memo[row["memo"]].append(row)
        self.by_key: dict[str, Rows] = defaultdict(list)
        for row in self.contacts:
            self.by_key[row["provider_key"].partition(":")[2]].append(row)


async def read_books(dsn: str) -> Books:
    """All in one snapshot."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            queries = {
                "transfers": TRANSFERS, "balances": BALANCES, "contacts": CONTACTS, "log": merkle.EVENTS_IN_ORDER
            }  # fmt: skip
            tables = {name: await connection.fetch(query) for name, query in queries.items()}
            left = await connection.fetchrow(LEFT_OVER)
            head = await connection.fetchrow("select n, root from work.head")
            assert left is not None
            assert head is not None
            return Books(tables, left, await connection.fetchval(MESSAGE_GAPS), head)
    finally:
        await connection.close()


def judge_transfers(books: Books, outcomes: Iterable[Outcome], deeds: Mapping[str, Deed], verdict: Verdict) -> None:
    """Acknowledged means there, once, as it was meant; refused means not there; nothing that nobody meant."""
    mine = [outcome for outcome in outcomes if outcome.deed.kind == "transfer"]
    known = Counter(outcome.verdict for outcome in mine)
    lost = other = refused_and_done = 0
    for outcome in mine:
        rows = books.by_memo.get(tag(outcome.deed.key), [])
        if outcome.verdict == "ok":
            there = [row for row in rows if str(row["id"]) == str(outcome.answer["transfer"])]
            lost += not there
            other += any(row["amount_minor"] != outcome.deed.body["amount_minor"] for row in there)
        elif outcome.verdict == "refused":
            refused_and_done += bool(rows)
    meant = {tag(key) for key, deed in deeds.items() if deed.kind == "transfer"}
    verdict.count(transfers_acknowledged=known["ok"], transfers_refused=known["refused"])
    verdict.must_be_zero(
        transfers_acknowledged_and_lost=lost,
        transfers_done_twice=sum(len(rows) - 1 for rows in books.by_memo.values()),
        transfers_of_another_amount=other,
        transfers_refused_and_done=refused_and_done,
        transfers_that_nobody_meant=len(set(books.by_memo) - meant),
        transfers_unknown_to_the_end=known["unknown"],
    )
    verdict.must(known["ok"] > 0, "no transfer was acknowledged, so this run has proved nothing")


def judge_sums(books: Books, verdict: Verdict) -> None:
    """Each account's entries follow one another without a gap and end in its balance; all balances sum to zero."""
    entries: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for row in books.transfers:
        entries[row["debit"]].append((row["debit_seq"], -row["amount_minor"], row["debit_after"]))
        entries[row["credit"]].append((row["credit_seq"], row["amount_minor"], row["credit_after"]))
    broken = wrong = 0
    for balance in books.balances:
        posted = 0
        ordered = sorted(entries[balance["account_id"]])
        broken += [seq for seq, _, _ in ordered] != list(range(1, balance["seq"] + 1))
        for _, amount, after in ordered:
            posted += amount
            wrong += posted != after
        wrong += posted != balance["posted"]
    verdict.must_be_zero(
        accounts_with_gaps=broken, balances_wrong=wrong, sum_of_all=abs(sum(row["posted"] for row in books.balances))
    )


def judge_contacts(books: Books, outcomes: Iterable[Outcome], deeds: Mapping[str, Deed], verdict: Verdict) -> None:
    """Acknowledged means there, once, under its number, in one message of one case."""
    mine = [outcome for outcome in outcomes if outcome.deed.kind == "contact"]
    known = Counter(outcome.verdict for outcome in mine)
    lost = outside = 0
    for outcome in mine:
        if outcome.verdict == "ok":
            rows = [row for row in books.by_key[outcome.deed.key] if row["number"] == outcome.answer["number"]]
            lost += not rows
            outside += any((row["messages"], row["cases"]) != (1, 1) for row in rows)
    meant = {key for key, deed in deeds.items() if deed.kind == "contact"}
    verdict.count(contacts_acknowledged=known["ok"])
    verdict.must_be_zero(
        contacts_acknowledged_and_lost=lost,
        contacts_done_twice=sum(len(rows) - 1 for rows in books.by_key.values() if rows),
        contacts_not_in_exactly_one_case=outside,
        contacts_refused=known["refused"],
        contacts_that_nobody_meant=len({key for key, rows in books.by_key.items() if rows} - meant),
        contacts_unknown_to_the_end=known["unknown"],
        conversations_with_gaps=books.message_gaps,
    )
    verdict.must(known["ok"] > 0, "no message was acknowledged, so this run has proved nothing")


def judge_log(books: Books, verdict: Verdict) -> None:
    """Every event has its number, the numbers have no hole, and the head follows from them by the standard's text."""
    numbers = [row["n"] for row in books.log]
    leaves = [merkle.leaf_hash(merkle.event_text(*row[1:]).encode()) for row in books.log]
    recomputed = (len(leaves), merkle.tree_hash(leaves)) == (books.head["n"], bytes(books.head["root"]))
    verdict.count(events=len(numbers), head_recomputes=recomputed)
    verdict.must(recomputed, "the head does not recompute from the events in the order of their numbers")
    verdict.must_be_zero(
        holes_in_n=sum(n != i for i, n in enumerate(numbers, 1)),
        unsealed=books.left["unsealed"],
        alarms=books.left["alarms"],
        jobs_buried=books.left["buried"],
        jobs_left=books.left["waiting"],
    )


def wallets_by_journal(outcomes: Iterable[Outcome], opening_minor: int) -> dict[str, int]:
    """Phone → the balance that follows from acknowledged transfers alone."""
    balance: dict[str, int] = defaultdict(lambda: opening_minor)
    for outcome in outcomes:
        if outcome.deed.kind == "transfer" and outcome.verdict == "ok":
            body: dict[str, Any] = outcome.deed.body
            balance[outcome.deed.who] -= body["amount_minor"]
            balance[body["to_phone"]] += body["amount_minor"]
    return dict(balance)
