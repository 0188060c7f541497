"""Traces: off they cost nothing; on they lead from a request to the job that follows, and hold no word of a person."""

import asyncio
import gzip
import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sahut.app.cannot_start import CannotStart
from sahut.app.observing.collector import Collector, collector_of, traced
from sahut.app.observing.spans import OtlpExporter, Recorder
from sahut.app.settings import read_settings
from sahut.db import Pool, tracing, transaction
from sahut.web.house import House
from sahut.work import JobRow, enqueue
from tests.journeys.conftest import open_service

ROOT = Path(__file__).resolve().parents[2]
STRANGER = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
CANARY = "Canarywati Rahasianingsih 0812-9999-1234"


class Receiver:
    """A collector that keeps what it is sent, on a real port."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        kept = self.raw

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                kept.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
                assert self.path == "/v1/traces"
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def spans(self) -> list[Span]:
        found = []
        for body in list(self.raw):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found

    async def named(self, name: str) -> Span:
        """The first span of this name, once it has come."""
        async with asyncio.timeout(60):
            while True:
                for span in self.spans():
                    if span.name == name:
                        return span
                await asyncio.sleep(0.1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


# Off.


def test_nothing_of_the_sdk_is_imported_while_it_is_off() -> None:
    program = (
        "import sys\n"
        "import sahut.app.roles.web, sahut.app.roles.work, sahut.app.roles.up\n"
        "from sahut.app.observing.collector import traced\n"
        "with traced('web-0', {}):\n    pass\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf'))])\n"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"


def test_off_a_span_is_nothing() -> None:
    with tracing.span("anything", parent=STRANGER, size=1) as span:
        assert span is None
        assert tracing.cause() is None
        assert tracing.in_sql() == ""


# The settings of OpenTelemetry.


def test_the_collector_is_named_as_opentelemetry_says() -> None:
    base = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/x/"}

    assert collector_of({}) is None
    assert collector_of({**base, "OTEL_SDK_DISABLED": "true"}) is None
    assert collector_of({**base, "OTEL_TRACES_EXPORTER": "none"}) is None
    assert collector_of(base) == Collector("http://c:4318/x/v1/traces", {}, None)
    assert collector_of(
        {
            **base,
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://d/v1/mine",
            "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x,broken, a = b ",
        }
    ) == Collector("https://d/v1/mine", {"authorization": "Bearer x", "a": "b"}, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:99999"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(name: str, value: str) -> None:
    with pytest.raises(CannotStart, match=name):
        collector_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", name: value})


def test_our_own_settings_leave_those_of_opentelemetry_alone() -> None:
    read_settings({"SAHUT_HOME": "/srv/sahut", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_ANYTHING": "x"})


# On.


@pytest.fixture
def recorded(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with traced("test", {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address}):
        yield receiver


async def test_a_span_knows_its_parent_its_links_and_its_failure(recorded: Receiver) -> None:
    def fail() -> None:
        with tracing.span("outer", links=[STRANGER, None, "no traceparent"]):
            with tracing.span("inner", size=3) as inner:
                assert inner is not None
                assert tracing.is_traceparent(tracing.cause() or "")
            raise ValueError("secret of a row")

    with pytest.raises(ValueError, match="secret"):
        fail()

    outer, within = await recorded.named("outer"), await recorded.named("inner")
    assert within.trace_id == outer.trace_id
    assert within.parent_span_id == outer.span_id
    assert not outer.parent_span_id
    assert [link.trace_id.hex() for link in outer.links] == ["a" * 32]
    assert {one.key: one.value.string_value for one in outer.attributes} == {"error.type": "ValueError"}
    assert not any(b"secret" in body for body in recorded.raw)


async def test_a_job_takes_its_trace_from_the_transaction_and_not_from_the_one_before(
    recorded: Receiver, pool: Pool
) -> None:
    with tracing.span("cause") as span:
        assert span is not None
        async with transaction(pool) as connection:
            await enqueue(connection, JobRow("nobody", "nobody 1", {}))
        caused = span.traceparent
    async with transaction(pool) as connection:
        await enqueue(connection, JobRow("nobody", "nobody 2", {}))

    rows = await pool.fetch("delete from work.job returning key, traceparent")
    assert {row["key"]: row["traceparent"] for row in rows} == {"nobody 1": caused, "nobody 2": None}


@pytest.mark.parametrize("trusted", [False, True])
async def test_a_stranger_does_not_choose_our_trace(
    recorded: Receiver, app_dsn: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_service(app_dsn) as service:
        object.__setattr__(service.house, "trust_traceparent", trusted)
        async with service.client(headers={"traceparent": STRANGER}) as client:
            await client.get("/livez")
            await client.get("/", headers={"traceparent": "00-" + "0" * 32 + "-" + "b" * 16 + "-01 " + "x" * 5000})

    span = await recorded.named("GET /livez")
    assert isinstance(service.house, House)
    assert (span.trace_id.hex() == "a" * 32) is trusted
    assert [link.trace_id.hex() for link in span.links] == ([] if trusted else ["a" * 32])
    assert not (await recorded.named("GET /")).links


def test_a_collector_that_is_away_costs_spans_and_no_time() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        away = Collector(f"http://127.0.0.1:{free.getsockname()[1]}/v1/traces", {}, None)
    recorder = Recorder("test", OtlpExporter(away))
    tracing.install(recorder)
    try:
        for _ in range(5000):
            with tracing.span("lost"):
                pass
    finally:
        tracing.install(None)
        recorder.close()


@pytest.fixture
async def program(receiver: Receiver) -> AsyncIterator[str]:
    """The whole program in its own processes, which send their spans to the receiver; its address."""
    home = tempfile.mkdtemp(prefix="sahut-traces-")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    own |= {
        "SAHUT_HOME": home,
        "SAHUT_PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "sahut", "up", "--demo", env=own,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        address = f"http://localhost:{port}"
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                try:
                    if (await client.get(f"{address}/readyz")).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)
        shutil.rmtree(home, ignore_errors=True)


@pytest.mark.slow
async def test_one_contact_is_one_trace_from_the_request_to_the_job_in_another_process(
    program: str, receiver: Receiver
) -> None:
    async with httpx.AsyncClient(base_url=program, timeout=10) as client:
        sent = {"client_message_id": "0123456789abcdef012345", "text": f"Halo, saya {CANARY}"}
        answer = await client.post("/api/v1/contacts", json=sent)
        assert answer.status_code == 202
        session = {"phone": "+62 812-0000-0001", "pin": "246813"}
        token = (await client.post("/api/v1/sessions", json=session)).json()["token"]
        money = {"to_phone": "+6281200000002", "amount_minor": 7654300, "currency": "IDR", "note": CANARY}
        key = "6f1f9a52-52a9-4a55-9f5e-6d1f0a3b2c1d"
        headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
        assert (await client.post("/api/v1/transfers", json=money, headers=headers)).status_code == 201

    request = await receiver.named("POST /api/v1/contacts")
    batch = await receiver.named("batch intake")
    job = await receiver.named("job find_case")
    posted = await receiver.named("batch ledger")
    transfer = await receiver.named("POST /api/v1/transfers")
    assert request.trace_id == batch.trace_id == job.trace_id
    assert batch.parent_span_id == request.span_id
    assert job.parent_span_id == batch.span_id
    assert posted.parent_span_id == transfer.span_id

    told = b"".join(receiver.raw)
    for private in ("Canarywati", "Rahasianingsih", "9999", "7654300", "81200000001", "246813", token, "Sari"):
        assert private.encode() not in told, private
