"""Migrations as files: what was applied once never changes, and what is new leaves the release before it running."""

import re
from hashlib import sha256

import pytest

from sahut.db import Migration, known_migrations
from tools.migration_rules import broken_rules

# What has landed. A home that has these was made with them; add to the list, never change it.
LANDED = {
    "0001_work_log_jobs_and_clocks": "8f8c467ff2551e423728db927de354353789f038693423319676c056c2a445a4",
    "0002_ledger_accounts_and_transfers": "e8d424f0a0cbc15e0601d4ce1cc8219345ed65e7fac0c6f8cfbedb55bc92ae79",
    "0003_people_and_care": "452d61698ab989548345638099069940a3cb6bf711d8d9c87698ba13960317ff",
    "0004_work_clock": "741b49b245f3369d1611c7443357b28bdfa8c7a0e4d483f24975b6637dbc7b09",
    "0005_jobs": "b52ca30e0306461566c41205c934b85e7118984bea507c18efec4c244b474dc0",
    "0006_log_partitions": "37b27b927e36fa7e99b1aa66d1082ca162ef8c28cdb115d8d82c3fe5a372e2bb",
    "0007_deadlines": "7c5d1c5896854c8a282e9586f147ea133dcd7c089ab0ec889f38d73e119ff4a4",
    "0008_idempotency": "52390556b54b87711bff83caa8b797fd20c55b6f6fa2aea1bbd33802a5e3615e",
    "0009_rights": "bc4475f10ead0e2d1d815c5c88421c8f3a370446320ed697286b934a96f41ddd",
}
BEFORE_THE_FIRST_RELEASE = 9  # until then there is no release before it that could still be running


def new(text: str, header: str = "") -> Migration:
    return Migration("0099_new", f"-- Why: to try.\n{header}{text}")


def test_what_has_landed_reads_as_it_did() -> None:
    now = {one.name: sha256(one.text.encode()).hexdigest() for one in known_migrations() if one.name in LANDED}

    assert now == LANDED


@pytest.mark.parametrize("migration", known_migrations(), ids=lambda migration: migration.name)
def test_each_file_leaves_the_release_before_it_running_or_says_why_not(migration: Migration) -> None:
    if int(migration.name[:4]) > BEFORE_THE_FIRST_RELEASE:
        assert broken_rules(migration) == []
    assert re.match(r"-- Why: \S", migration.text)


@pytest.mark.parametrize(
    "text",
    [
        "drop table care.case",
        "DROP  TABLE /* quietly */ care.case",
        "select 1; drop view ledger.entry",
        "alter table care.case drop column matter",
        "alter table care.case drop matter",
        "alter table care.case rename column matter to topic",
        "alter table care.case rename to matter",
        "alter type care.mood rename value 'a' to 'b'",
        "alter table care.case alter matter set not null",
        "alter table care.case add check (risk > 0)",
        "alter table care.case add constraint risky check (risk > 0)",
        "alter table care.case add foreign key (owner) references people.person (id)",
        "alter table care.case set schema people",
        "revoke update on care.case from sahut_app",
        "delete from care.case",
        "truncate care.case",
        "alter table care.case add column mood text not null",
        "alter table care.case add column tone text, add column mood text not null",
    ],
)
def test_what_the_release_before_cannot_bear_is_refused_unless_the_file_contracts(text: str) -> None:
    assert broken_rules(new(text)), text
    assert broken_rules(new(text, "-- contract: nobody uses it since 1.4\n")) == []


@pytest.mark.parametrize(
    "text",
    [
        "alter table care.case alter matter type varchar(5)",
        "alter table care.case alter column risk set data type int",
        "alter table care.case add column token uuid default gen_random_uuid()",
        "alter table care.case add column n bigint generated always as identity",
        "alter table care.case add column twice int generated always as (risk * 2) stored",
        "alter table care.case set unlogged",
        "update care.case set risk = 1",
        "create index case_risk on care.case (risk)",
        "create unique index if not exists case_risk on care.case (risk)",
    ],
)
def test_what_holds_a_table_for_long_is_refused_unless_the_file_says_why(text: str) -> None:
    assert broken_rules(new(text)), text
    assert broken_rules(new(text, "-- rewrite: the table is small\n")) == []


@pytest.mark.parametrize(
    "text",
    [
        "create table care.mood (id bigint, what text not null); create index mood_what on care.mood (what)",
        "create table care.mood (what text); alter table care.mood add check (what <> ''); delete from care.mood",
        "alter table care.case add column mood text",
        "alter table care.case add column if not exists mood text not null default 'calm'",
        "alter table care.case add constraint risky check (risk > 0) not valid",
        "alter table care.case drop constraint risky",
        "alter table care.case alter matter drop not null",
        "comment on table care.case is 'drop table care.case; delete from care.case'",
        "grant update (risk) on care.case to sahut_app",
        "create function care.clean() returns trigger language plpgsql as $$ begin delete from care.case; end $$",
    ],
)
def test_what_only_adds_is_allowed(text: str) -> None:
    assert broken_rules(new(text)) == []


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("create index concurrently if not exists case_risk on care.case (risk)", True),
        ("create index concurrently case_risk on care.case (risk)", False),
        ("create index if not exists case_risk on care.case (risk)", False),
        ("alter table care.case add column mood text", False),
        ("alter table care.case add column if not exists mood text", True),
    ],
)
def test_a_file_without_a_transaction_can_be_begun_again(text: str, good: bool) -> None:
    assert (broken_rules(new(text, "-- no transaction\n")) == []) is good
