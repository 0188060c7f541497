"""Every query finds its rows by keys: on tables that nobody has analyzed yet, and beside a few that are full."""

import json
from typing import Any

import asyncpg
import pytest

from sahut.db import Connection, Pool, Queries, Query
from tests.conftest import Database
from tools.plans import faults
from tools.schemas import PACKAGES

# Queries that may read much, each with its reason.
EXCEPTIONS = {
    "app.backups.restores_before": "asked once after a restore",
    "app.backups.what_stands": "asked once after a restore",
    "app.doctor.clocks": "a person asks the doctor, once",
    "care.cases": "the desk's queue is one list, cut after it is sorted, until the desk has an order of its own",
    "care.count_cases": "the desk counts what waits",
    "work.deadlines.newest_policies_by_calendar": "a few dozen policies",
    "work.jobs.give_back": "once, when a process ends; jobs that are done are gone",
    "work.jobs.jobs_by_kind": "a person asks, once",
    "work.log.gaps_for_sealer": "gaps live for seconds",
    "work.log.stray_months": "only what fell into no month is there",
}
AUDIT = "audit_"  # by name: the auditor reads everything, on purpose


async def plan_of(connection: Connection, query: Query) -> dict[str, Any]:
    """The generic plan, as the application's settings make it for every execution."""
    await connection.execute(f"prepare planned as {query.text}")
    try:
        values = f"({', '.join('null' for _ in query.parameters)})" if query.parameters else ""
        said = await connection.fetchval(f"explain (format json, verbose) execute planned {values}")
    finally:
        await connection.execute("deallocate planned")
    plan: dict[str, Any] = json.loads(said)[0]["Plan"]
    return plan


async def wrong_plans(connection: Connection) -> dict[str, list[str]]:
    """Query → faults, of all queries that are no exception."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for query in Queries.load(package):
            name = f"{package.removeprefix('sahut.')}.{query.name}"
            if query.name.startswith(AUDIT):
                continue
            try:
                said = faults(await plan_of(connection, query))
            except asyncpg.InsufficientPrivilegeError:
                continue  # asked by the owner only
            if said:
                found[name] = said
    return found


async def skew(dsn: str) -> None:
    """Some tables are full, of rows that look alike, and their neighbours are empty; then all are analyzed."""
    above = await asyncpg.connect(dsn)
    try:
        await above.execute("set session_replication_role = replica")
        await above.execute(
            "insert into work.job (kind, key, body)"
            " select 'find_case', 'find_case ' || n, '{}' from generate_series(1, 4000) n"
        )
        await above.execute(
            "insert into work.event (topic, subject, kind, body)"
            " select 'care', n % 3, 'contact_received', '{}' from generate_series(1, 4000) n"
        )
        await above.execute(
            "insert into care.case (number, person_id, matter, language, state, opened_at, changed_at)"
            " select n, 0, 'other', 'id', 'open', now(), now() from generate_series(1, 4000) n"
        )
        await above.execute(
            "insert into people.session (token_hash, person_id, opened_at, ends_at)"
            " select sha256(n::text::bytea), 1, now(), now() from generate_series(1, 4000) n"
        )
        month = await above.fetchval("select tableoid::regclass::text from work.event limit 1")
        await above.execute(f"analyze work.job, {month}, care.case, people.session")
    finally:
        await above.close()


@pytest.mark.books_may_be_wrong("rows are made up for the planner")
@pytest.mark.parametrize("state", ["never analyzed", "skewed"])
async def test_every_query_finds_its_rows_by_keys(state: str, database: Database, pool: Pool) -> None:
    if state == "skewed":
        await skew(database.superuser_dsn)

    async with pool.acquire() as connection:
        found = await wrong_plans(connection)

    assert {name: said for name, said in found.items() if name not in EXCEPTIONS} == {}


@pytest.mark.books_may_be_wrong("rows are made up for the planner")
async def test_each_exception_is_still_needed(database: Database, pool: Pool) -> None:
    async with pool.acquire() as connection:
        needed = set(await wrong_plans(connection))
        await skew(database.superuser_dsn)
        needed |= set(await wrong_plans(connection))

    assert set(EXCEPTIONS) - needed == set()


# The faults that stopped us once (ADR 83), made again on real tables.
FAULTS = {
    "a table is read although its key is known": (
        "select kind from work.job where id = :id",
        {"enable_seqscan": "on", "enable_indexscan": "off"},
        "reads the whole of work.job",
    ),
    "an anti-join reads the other side once and searches it": (
        "select id from care.contact c where not exists (select from care.message m where m.at < c.received_at)",
        {"enable_material": "on", "enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_seqscan": "on"},
        "has a side read whole and kept",
    ),
    "a look-up is turned round: each row is held against each": (
        "select c.id from care.contact c join work.job j on j.key like 'find_case ' || c.id || ' %'",
        {},
        "holds each row",
    ),
    "the first few are taken after everything was sorted": (
        "select id from care.contact where person_id > :person order by received_at limit 10",
        {},
        "sorts all of care.contact to take the first",
    ),
    "an index is read from end to end": (
        "select id from care.case where matter = :matter",
        {"enable_seqscan": "off"},
        "reads the whole",
    ),
    "two tables are hashed": (
        "select c.id from care.contact c join care.message m on m.contact_id = c.id",
        {"enable_hashjoin": "on", "enable_nestloop": "off"},
        "has a hash join",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_faults_that_stopped_us_once_are_refused(fault: str, pool: Pool) -> None:
    written, settings, said = FAULTS[fault]
    async with pool.acquire() as connection, connection.transaction():
        for name, value in settings.items():
            await connection.execute(f"set local {name} = {value}")
        found = faults(await plan_of(connection, Query("fault", written)))

    assert [one for one in found if one.startswith(said)], found


async def test_what_goes_by_keys_is_not_refused(pool: Pool) -> None:
    good = (
        "select c.id, m.text from unnest(:ids::bigint[]) as asked (id) join care.contact c on c.id = asked.id"
        " left join care.message m on m.contact_id = c.id order by c.id limit 10"
    )
    async with pool.acquire() as connection:
        found = faults(await plan_of(connection, Query("good", good)))

    assert [one for one in found if not one.startswith("sorts")] == []
