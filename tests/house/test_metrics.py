"""Figures: one page out of many, bounded, with no word of a person on it."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from sahut.app.observing.database import Figures, ask_for_figures
from sahut.app.observing.gathering import Gathering
from sahut.app.observing.merging import merge
from sahut.app.observing.port import AT_ONCE, SILENT, Port, Said, ask_at, healthy, listen_at
from sahut.app.observing.process import figures
from sahut.app.settings import ObservingSettings, Settings
from sahut.db import Pool, transaction
from sahut.web.refusals import TABLE as REFUSALS
from sahut.web.routes import TABLE as ROUTES
from sahut.work import JobRow, enqueue
from sahut.work.metrics import KINDS_AT_MOST, OTHER, _Kinds
from tests.conftest import Database

ROOT = Path(__file__).resolve().parents[2]
OURS = re.compile(r"\bsahut_[a-z_]+\b")

ONE = """# HELP a_total What a { } counts.
# TYPE a_total counter
a_total{kind="x{} \\"y\\" z"} 1.0
a_total 2.0
# HELP h_seconds How long.
# TYPE h_seconds histogram
h_seconds_bucket{le="0.1"} 1.0
h_seconds_bucket{le="+Inf"} 2.0
h_seconds_count 2.0
h_seconds_sum 0.5
"""
TWO = """# HELP g Only here.
# TYPE g gauge
g{} 7.0
# HELP a_total What a { } counts.
# TYPE a_total counter
a_total{kind="w"} 3.0
no sample at all
{} 4
"""


# The page of many processes.


def test_pages_become_one_and_each_sample_knows_its_process() -> None:
    page = merge({"web-0": ONE, "work-0": TWO})

    families = {family.name: family for family in text_string_to_metric_families(page)}
    told = {
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in families.values()
        for sample in family.samples
    }
    assert ("a_total", (("kind", 'x{} "y" z'), ("process", "web-0")), 1.0) in told
    assert ("a_total", (("process", "web-0"),), 2.0) in told
    assert ("a_total", (("kind", "w"), ("process", "work-0")), 3.0) in told
    assert ("g", (("process", "work-0"),), 7.0) in told
    assert len([one for one in told if one[0].startswith("h_seconds")]) == 4
    assert "no sample" not in page


def test_each_family_stands_on_the_page_once_and_whole() -> None:
    lines = merge({"web-0": ONE, "work-0": TWO}).splitlines()

    assert len([line for line in lines if line == "# TYPE a_total counter"]) == 1
    places = [number for number, line in enumerate(lines) if line.startswith("a_total{")]
    assert places == list(range(places[0], places[0] + 3))


def test_our_own_page_can_be_merged_without_loss() -> None:
    own = generate_latest().decode()

    before = [sample for family in text_string_to_metric_families(own) for sample in family.samples]
    after = [
        sample for family in text_string_to_metric_families(merge({"a": own, "b": own})) for sample in family.samples
    ]
    assert len(after) == 2 * len(before)


# The children of one `up`.


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Path]:
    """One child that answers, one that hangs, one that never stops talking, one that died, and one that is broken."""

    async def good() -> Said:
        return Said(200, b"# TYPE g gauge\ng 1.0\n")

    async def hangs() -> Said:
        await asyncio.sleep(60)
        raise AssertionError

    async def endless() -> Said:
        return Said(200, b"x" * (5 << 20))

    async def broken() -> Said:
        raise RuntimeError("a secret of somebody")

    run = tmp_path / ("a" * 100)  # deeper than a socket's path may be long
    run.mkdir()
    ports = []
    for name, ask in (("good", good), ("hangs", hangs), ("endless", endless), ("broken", broken)):
        port = Port({"/metrics": ask, "/readyz": ask})
        await port.listen([listen_at(run / f"{name}.metrics")])
        ports.append(port)
    with socket.socket(socket.AF_UNIX) as dead:
        listening = listen_at(run / "dead.metrics")
        listening.close()
        del dead
    yield run
    for port in ports:
        await port.close()


async def test_a_child_that_hangs_or_floods_or_died_costs_only_its_part(children: Path) -> None:
    names = ("good", "hangs", "endless", "broken", "dead", "never_there")
    gathering = Gathering(children, names, within_s=0.3)

    said = await gathering.metrics()

    page = {
        (sample.name, sample.labels["process"]): sample.value
        for family in text_string_to_metric_families(said.body.decode())
        for sample in family.samples
        if "process" in sample.labels and sample.name in {"g", "sahut_process_up"}
    }
    assert page == {("g", "good"): 1.0} | {("sahut_process_up", name): float(name == "good") for name in names}


async def test_more_questions_at_once_than_are_answered_are_refused_and_no_exception_is_told(children: Path) -> None:
    gathering = Gathering(children, ["hangs"] * (AT_ONCE + 2), within_s=0.5)
    flood = asyncio.ensure_future(gathering._ask_all("/metrics"))
    answers = [await gathering._ask("broken", "/metrics"), await flood]

    assert answers[0] is not None
    assert answers[0][0] == 500
    assert b"secret" not in answers[0][1]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n\r\n", 200),
        (b"GET /metrics?name=x HTTP/1.1\r\n\r\n", 200),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /other HTTP/1.1\r\n\r\n", 404),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 404),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"y" * 10_000 + b"\r\n\r\n", 431),
    ],
)
async def test_the_port_answers_what_it_knows_and_nothing_else(tmp_path: Path, sent: bytes, status: int) -> None:
    async def metrics() -> Said:
        return Said(200, figures())

    port = Port({"/metrics": metrics})
    await port.listen([listen_at(tmp_path / "s")])
    reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
    writer.write(sent)

    answer = await reader.read()

    writer.close()
    await port.close()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_who_only_holds_connections_keeps_nobody_from_asking(tmp_path: Path) -> None:
    async def livez() -> Said:
        return healthy()

    port = Port({"/livez": livez})
    await port.listen([listen_at(tmp_path / "it")])
    silent = []
    try:
        for _ in range(SILENT + AT_ONCE):
            silent.append(await asyncio.open_unix_connection(tmp_path / "it"))
        answered = await asyncio.gather(
            *(ask_at(tmp_path / "it", "/livez", within_s=5, at_most_bytes=1 << 16) for _ in range(AT_ONCE))
        )
        assert [status for status, _ in answered] == [200] * AT_ONCE
    finally:
        for _, writer in silent:
            writer.transport.abort()
        await port.close()


def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    listen_at(tmp_path / "s").close()

    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


# What is on the page.


def test_kinds_that_nobody_knows_cannot_flood_the_page() -> None:
    shown = _Kinds()

    told = {shown(f"flood_{number}") for number in range(3 * KINDS_AT_MOST)}

    assert len(told) == KINDS_AT_MOST + 1
    assert OTHER in told
    assert shown("flood_0") == "flood_0"


@pytest.mark.slow
async def test_after_a_flood_of_strange_requests_the_page_is_bounded_and_holds_nothing_of_them(
    service_address: str,
) -> None:
    canary = "628111222333"
    async with httpx.AsyncClient(base_url=service_address) as client:
        for number in range(40):
            for path in (f"/{canary}/{number}", f"/api/v1/contacts/{canary}{number}", f"/api/v1/cases/{canary}"):
                await client.get(path, params={"q": canary}, headers={"x-canary": canary})
            await client.request(f"CANARY{number}", f"/api/v1/wallet?{canary}")
            await client.post("/api/v1/sessions", json={"phone": f"+{canary}", "pin": str(number)})

    page = figures().decode()
    assert canary not in page
    assert "CANARY" not in page
    routes = {sample.labels["route"] for sample in _samples("sahut_request_seconds")}
    assert routes <= {row.path for row in ROUTES} | {"none"}
    assert "/api/v1/contacts/{number}" in routes
    sets = {tuple(sorted(sample.labels.items())) for sample in _samples("sahut_request_seconds")}
    assert len(sets) <= 20 * len(ROUTES) * 3
    assert {sample.labels["code"] for sample in _samples("sahut_refusals")} <= REFUSALS.keys()


@pytest.fixture
async def service_address(app_dsn: str) -> AsyncIterator[str]:
    from sahut_lab.demo import seed
    from tests.journeys.conftest import open_service

    await seed(app_dsn)
    async with open_service(app_dsn) as service:
        yield service.address


def _samples(name: str) -> list[object]:
    family = next(family for family in REGISTRY.collect() if family.name == name)
    return list(family.samples)


async def test_the_names_say_their_units_as_prometheus_wants() -> None:
    for family in REGISTRY.collect():
        if family.name.startswith("sahut_"):
            assert family.documentation, family.name
            if family.type == "histogram":
                assert family.name.endswith(("_seconds", "_commands")), family.name
            assert not family.name.endswith(("_ms", "_s", "_total")), family.name


async def test_whatever_the_house_does_is_counted(service_address: str) -> None:
    before = _counts()
    async with httpx.AsyncClient(base_url=service_address, timeout=10) as client:
        session = {"phone": "+62 812-0000-0001", "pin": "246813"}
        opened = await client.post("/api/v1/sessions", json=session)
        assert opened.status_code == 201, opened.text
        token = opened.json()["token"]
        own = {"authorization": f"Bearer {token}"}
        sent = {"client_message_id": "0123456789abcdef012345", "text": "Halo"}
        for headers in (own, own, {}):
            assert (await client.post("/api/v1/contacts", json=sent, headers=headers)).status_code == 202
        money = {"to_phone": "+6281200000002", "amount_minor": 100, "currency": "IDR", "note": ""}
        key = {"idempotency-key": "6f1f9a52-52a9-4a55-9f5e-6d1f0a3b2c1d"}
        assert (await client.post("/api/v1/transfers", json=money, headers=own | key)).status_code == 201
        assert (await client.post("/api/v1/transfers", json=money, headers=own)).status_code == 400

        def risen(name: str, **labels: str) -> float:
            return sum(
                value - before.get((found, told), 0.0)
                for (found, told), value in _counts().items()
                if found == name and labels.items() <= dict(told).items()
            )

        await _until(lambda: risen("sahut_jobs_total", kind="find_case", outcome="done") == 2)
        await _until(lambda: risen("sahut_live_ring_to_screen_seconds_count") > 0)
        expected = {
            ("sahut_request_seconds_count", "route", "/api/v1/contacts"): 3,
            ("sahut_contacts_acknowledged_total", "repeated", "no"): 2,
            ("sahut_contacts_acknowledged_total", "repeated", "yes"): 1,
            ("sahut_refusals_total", "code", "idempotency_key_required"): 1,
            ("sahut_batch_commands_sum", "batcher", "intake"): 3,
            ("sahut_batch_commands_sum", "batcher", "ledger"): 1,
            ("sahut_commit_seconds_count", "what", "ledger"): 1,
            ("sahut_batch_wait_seconds_count", "batcher", "ledger"): 1,
        }
        assert {key: risen(key[0], **{key[1]: key[2]}) for key in expected} == expected
        for name in (
            "sahut_commit_seconds_count", "sahut_job_seconds_count", "sahut_job_wait_seconds_count",
            "sahut_deadline_marks_total", "sahut_seal_tick_seconds_count", "sahut_sealed_events_total",
            "sahut_seal_lag_seconds_count", "sahut_pool_wait_seconds_count",
        ):  # fmt: skip
            assert risen(name) > 0, name
        assert _counts()["sahut_sealing", ()] == 1
        assert ("sahut_blocking_held", (("pool", "pin"),)) in _counts()


def _counts() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if family.name.startswith("sahut_")
    }


# Of the database.


@pytest.mark.slow
async def test_one_of_two_processes_asks_the_database_and_the_other_follows(
    database: Database, pool: Pool, tmp_path: Path
) -> None:
    async with transaction(pool) as connection:
        await enqueue(connection, JobRow("unheard_of", "unheard_of 1", {}))
        await connection.execute("update work.job set run_at = run_at - interval '1 hour'")
    settings = _settings(tmp_path, database.app_dsn)
    shown = Figures(), Figures()
    asking = [
        asyncio.create_task(ask_for_figures(settings, name=f"asks-{number}", shown=one, every_s=0.1))
        for number, one in enumerate(shown)
    ]
    try:
        await _until(lambda: any(list(one.collect()) for one in shown))
        await asyncio.sleep(0.3)
        holding = [bool(list(one.collect())) for one in shown]
        assert sorted(holding) == [False, True]
        found = {family.name: family for family in shown[holding.index(True)].collect()}
        assert 3600 <= found["sahut_jobs_due_oldest_seconds"].samples[0].value < 3700
        assert found["sahut_jobs_due_oldest_seconds"].samples[0].labels == {"kind": "unheard_of"}
        assert found["sahut_database_bytes"].samples[0].value > 1_000_000
        assert found["sahut_figures_age_seconds"].samples[0].value < 5

        asking[holding.index(True)].cancel()

        await _until(lambda: bool(list(shown[holding.index(False)].collect())))
        assert not list(shown[holding.index(True)].collect())
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await pool.execute("delete from work.job")


def _settings(home: Path, dsn: str) -> Settings:
    return Settings(home, 1, "http://localhost", 1, 1, dsn, None, "info", observing=ObservingSettings(port=1))


async def _until(reached: object) -> None:
    async with asyncio.timeout(30):
        while not reached():  # type: ignore[operator]
            await asyncio.sleep(0.05)
