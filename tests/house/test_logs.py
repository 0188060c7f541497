"""Logs: lines that a machine reads, bounded, and not a word of a person in any of them."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import pytest

from sahut.app.engines import app_dsn

ROOT = Path(__file__).resolve().parents[2]

# What our journeys bring in and no log may ever say.
NAME, PHONE, TEXT = "Canarywati", "+6281377766555", "Rahasianingsih kehilangan dompet merah"
NOTE, AMOUNT, PIN, ADDRESS = "untuk Canarybudi", 7_654_321, "739518", "canary@example.org"
CANARIES = (
    NAME, PHONE, PHONE[3:], "0813-7776-6555", "Rahasianingsih", "dompet merah", "Canarybudi", str(AMOUNT), "76.543,21",
    PIN, ADDRESS,
)  # fmt: skip
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log of a process, in which everything unexpected has happened."""
    program = f"""
import asyncio, gc, logging, sys, threading
from pathlib import Path
import structlog
from sahut.app.logs import write_logs
write_logs("debug", "web-0", Path({str(tmp_path / "web-0.log")!r}))
logging.getLogger("uvicorn.error").warning("bad request %s", {NAME!r})
logging.getLogger("httpx").debug("sent %s", {PIN!r})
try:
    raise ValueError({TEXT!r})
except ValueError as error:
    logging.getLogger("library").exception("broken: %s\\n%s", {PHONE!r}, {TEXT!r})
    structlog.get_logger().exception("ours")
    try:
        raise KeyError({NAME!r}) from error
    except KeyError:
        structlog.get_logger().exception("with_its_cause")
async def task():
    raise LookupError({TEXT!r})
async def main():
    forgotten = asyncio.create_task(task())
    await asyncio.sleep(0.01)
    del forgotten
    gc.collect()
asyncio.run(main())
class Unraisable:
    def __del__(self):
        raise RuntimeError({TEXT!r})
Unraisable()
thread = threading.Thread(target=lambda: int({NAME!r}))
thread.start()
thread.join()
raise SystemError({TEXT!r})
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (tmp_path / "web-0.err").write_text(ended.stderr + ended.stdout)
    return tmp_path


def test_what_exceptions_and_libraries_say_is_not_written(log: Path) -> None:
    written = (log / "web-0.log").read_text() + (log / "web-0.err").read_text()

    for canary in CANARIES:
        assert canary not in written
    told = [json.loads(line) for line in (log / "web-0.log").read_text().splitlines()]
    assert [line["event"] for line in told] == [
        "bad request %s", "broken: %s", "ours", "with_its_cause", "Task exception was never retrieved",
        "uncaught", "uncaught", "uncaught",
    ]  # fmt: skip
    assert "ValueError at <string>:10 <module>" in told[3]["exception"]
    assert all(line["role"] == "web-0" and line["timestamp"].endswith("Z") for line in told)


def test_a_line_has_bounded_fields_and_knows_its_request_and_trace(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
import structlog
from sahut.app.logs import write_logs
from sahut.db import tracing
write_logs("info", "web-0", Path({str(tmp_path / "x.log")!r}))
number = tracing.RequestId()
tracing.request.set(number)
tracing.install(object())
tracing._cause.set({TRACE!r})
structlog.get_logger().warning("long", text="x" * 10000, many=["y"] * 10000, **{{f"f{{n}}": n for n in range(99)}})
print(number)
"""
    asked = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    line = (tmp_path / "x.log").read_text()
    assert len(line) < 3_000
    told = json.loads(line)
    assert told["request"] == asked.strip()
    assert (told["trace_id"], told["span_id"]) == ("a" * 32, "b" * 16)


@dataclass(frozen=True)
class Program:
    """The running program. `up`: its process."""

    address: str
    home: Path
    up: asyncio.subprocess.Process


@pytest.fixture
async def program() -> AsyncIterator[Program]:
    home = Path(tempfile.mkdtemp(prefix="sahut-logs-"))  # where PostgreSQL's own user may pass, so all logs are in it
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, metrics = free.getsockname()[1], other.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    own |= {"SAHUT_HOME": str(home), "SAHUT_PORT": str(port), "PYTHONPATH": str(ROOT)}
    own |= {"SAHUT_LOG": "debug", "SAHUT_METRICS_PORT": str(metrics)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "sahut", "up", "--demo", env=own,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    made = Program(f"http://localhost:{port}", home, process)
    try:
        await _until_ready(made)
        yield made
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 30)
        shutil.rmtree(home, ignore_errors=True)


async def _until_ready(program: Program) -> None:
    async with httpx.AsyncClient(base_url=program.address) as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)


async def _journeys(program: Program) -> None:
    """Everything a customer can say, well and wrongly, while the database is whole, while it is killed, and after."""
    async with httpx.AsyncClient(base_url=program.address, timeout=10) as client:
        body = {"phone": "+62 812-0000-0001", "pin": "246813"}
        token = (await client.post("/api/v1/sessions", json=body)).json()["token"]
        own = {"authorization": f"Bearer {token}"}
        for number in range(6):
            sent = {"client_message_id": f"0123456789abcdef01234{number}", "text": f"{TEXT} {NAME} {PHONE} {ADDRESS}"}
            money = {"to_phone": "+6281200000002", "amount_minor": AMOUNT, "currency": "IDR", "note": NOTE}
            key = {"idempotency-key": f"6f1f9a52-52a9-4a55-9f5e-6d1f0a3b2c{number:02d}"}
            if number == 3:
                os.kill(int((program.home / "run" / "postgres.pid").read_text()), signal.SIGKILL)
            calls = (
                client.post("/api/v1/contacts", json=sent),
                client.post("/api/v1/contacts", json=sent, headers=own),
                client.post("/api/v1/contacts", json={**sent, "client_message_id": PHONE}),
                client.post("/api/v1/contacts", content=f'{{"text": "{TEXT}", "text": "{NAME}"'.encode()),
                client.post("/api/v1/transfers", json=money, headers=own | key),
                client.post("/api/v1/transfers", json={**money, "to_phone": PHONE}, headers=own | key),
                client.post("/api/v1/sessions", json={"phone": PHONE, "pin": PIN}),
                client.post("/sign-in", data={"phone": PHONE, "pin": PIN}, headers={"origin": program.address}),
                client.get(f"/api/v1/contacts/{PHONE}", params={"q": NAME}, headers={"sahut-receipt": TEXT}),
                client.get(f"/{NAME}/{PHONE}", headers={"host": NAME, "traceparent": NAME, "x-request-id": NAME}),
                client.request("CANARY", f"/{NAME}?text={TEXT}"),
            )
            await asyncio.gather(*calls, return_exceptions=True)
    await _until_ready(program)
    await _break_inside(program)


async def _break_inside(program: Program) -> None:
    """What only a bug or an operator could do: statements that fail on rows, and jobs whose bodies nobody can read."""
    connection = await asyncpg.connect(app_dsn(program.home))
    try:
        for statement in (
            "insert into people.person (name, phone, pin_hash, language, role) values ($1, $2, $3, 'xx', 'nobody')",
            "insert into work.job (kind, key, body) values ($1, $2, to_jsonb($3::text))",
            "insert into work.event (topic, subject, kind, body) values ($1 || repeat($2, 99), 0, $3, '{}')",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement, NAME, PHONE, TEXT)
        await connection.execute(
            "insert into work.job (kind, key, body)"
            " select 'find_case', $1 || n, jsonb_build_object('contact', $2::text) from generate_series(1, 3) as n",
            NAME, PHONE,
        )  # fmt: skip
        async with asyncio.timeout(30):
            while not await connection.fetchval(
                "select bool_and(attempts > 0) from work.job where key like $1 || '%'", NAME
            ):
                await asyncio.sleep(0.1)
    finally:
        await connection.close()
    os.kill(int((program.home / "run" / "work-0.pid").read_text()), signal.SIGABRT)
    os.kill(int((program.home / "run" / "web-0.pid").read_text()), signal.SIGKILL)
    await asyncio.sleep(0.2)
    await _until_ready(program)


@pytest.mark.slow
async def test_no_file_of_the_whole_program_says_anything_of_a_person(program: Program) -> None:
    await _journeys(program)
    program.up.send_signal(signal.SIGTERM)
    await asyncio.wait_for(program.up.wait(), 30)

    files = [path for path in program.home.rglob("*") if path.is_file() and _is_told(path, program.home)]
    written = {path: path.read_bytes() for path in files}
    found = [
        f"{path.name}: {line.decode(errors='replace')[:300]}"
        for path, text in written.items()
        for line in text.splitlines()
        if any(canary.encode() in line for canary in CANARIES)
    ]
    assert not found, "\n".join(found[:20])
    # It would have been written if it were: all that was provoked stands there, in the logs of all who write any.
    everything = b"".join(written.values())
    for event in (b"job_failed", b"child_ended", b"sealing", b"violates check constraint", b"sealer_lost_its_session"):
        assert event in everything, event
    for name in ("up.log", "web-0.log", "work-0.log", "work-1.log"):
        assert any(path.name == name for path in files), name
    assert any("postgres" in str(path.relative_to(program.home)) for path in files)


def _is_told(path: Path, home: Path) -> bool:
    """Whether somebody writes there what happens: logs, process numbers, heads; not the database and not the keys."""
    return path.relative_to(home).parts[0] not in {"engine", "secrets"} or path.suffix in {".log", ".json", ".csv"}
