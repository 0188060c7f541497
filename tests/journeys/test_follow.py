"""README's *Follow one message* and *Follow one payment*: the log reads as they say."""

import asyncio
import re
from pathlib import Path

import pytest

from sahut.work import LogEntry, read_head, read_log
from tests.journeys.conftest import BUDI, SARI, Service

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def told(heading: str) -> list[tuple[str, str]]:
    """The rows of the table (topic, kind) under a heading."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| (\w+) \| (\w+) \|$", section, re.MULTILINE)[1:]


async def all_sealed(service: Service) -> int:
    """The number of the last event, once all that the demo world made are sealed."""
    async with asyncio.timeout(10), service.house.pool.acquire() as connection:
        events: int = await connection.fetchval("select count(*) from work.event")
        while (await read_head(connection)).n < events:
            await asyncio.sleep(0.02)
        return events


async def log_after(service: Service, n: int, count: int) -> list[LogEntry]:
    """What was sealed above n, once it is so many events."""
    async with asyncio.timeout(10), service.house.pool.acquire() as connection:
        while len(entries := await read_log(connection, n, 100)) < count:
            await asyncio.sleep(0.02)
        return entries


@pytest.mark.parametrize(
    ("heading", "address", "body"),
    [
        ("Follow one message", "/api/v1/contacts", {"client_message_id": "follow-me-0001", "text": "Bayar gagal"}),
        (
            "Follow one payment",
            "/api/v1/transfers",
            {"to_phone": BUDI.phone, "amount_minor": 5_000_000, "currency": "IDR"},
        ),
    ],
)
async def test_the_log_reads_as_the_readme_says(
    service: Service, heading: str, address: str, body: dict[str, object]
) -> None:
    expected = told(heading)
    before = await all_sealed(service)

    async with await service.signed_in(SARI) as sari:
        answer = await sari.post(address, json=body, headers={"idempotency-key": "follow-me-0001"})
    entries = await log_after(service, before, len(expected))

    assert answer.is_success
    assert len(expected) == 3
    assert [(entry.topic, entry.kind) for entry in entries] == expected
