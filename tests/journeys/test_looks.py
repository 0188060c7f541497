"""What staff sees of cases: each look leaves a trace, long conversations show their end, floods hide nobody."""

import json

import httpx

from tests.journeys.conftest import BIMA, SARI, Service
from tests.journeys.test_contacts import case_of, write

OURS = {"sec-fetch-site": "same-origin"}


async def looks(service: Service) -> list[str]:
    async with service.house.reading() as connection:
        rows = await connection.fetch("select body from work.event where kind = 'case_viewed' order by id")
    return [json.loads(row["body"])["reason"] for row in rows]


async def a_case(sari: httpx.AsyncClient) -> str:
    return await case_of(sari, (await write(sari, "Saldo saya hilang", "message-0001"))["number"])


async def test_no_way_to_read_a_conversation_leaves_no_trace(service: Service) -> None:
    paths = (
        "/desk/partials/cases/{}", "/desk/partials/cases/{}?after=1", "/desk/partials/cases/{}/facts",
        "/api/v1/cases/{}/messages?after=1", "/api/v1/cases/{}/messages", "/api/v1/cases/{}",
    )  # fmt: skip
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        number = await a_case(sari)
        for path in paths:
            service.house.looks._noted.clear()  # as after a quarter of an hour
            before = await looks(service)
            assert (await bima.get(path.format(number))).status_code == 200
            assert len(await looks(service)) == len(before) + 1, path
        noted = len(await looks(service))
        for path in paths[:4] * 3:  # going on is part of the same look
            await bima.get(path.format(number))
        assert len(await looks(service)) == noted
        await sari.get(f"/api/v1/cases/{number}/messages")
        assert len(await looks(service)) == noted


async def test_a_link_puts_no_reason_into_the_log(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        path = f"/desk/cases/{await a_case(sari)}"
        await bima.get(path, params={"reason": "queue"})
        await bima.get(path, params={"reason": "queue"}, headers={"sec-fetch-site": "cross-site"})
        await bima.get(path, params={"reason": "queue"}, headers=OURS)
        await bima.get(path, params={"reason": "the customer asked"}, headers=OURS)
        form = {"client_message_id": "reply-0001", "text": "Saya cek.", "seen_seq": "7"}
        held = await bima.post(f"{path}/replies", data=form, headers=OURS)

    assert held.status_code == 409
    assert await looks(service) == ["link", "link", "queue", "link", "reply"]


async def test_a_long_conversation_shows_its_end_and_can_be_answered(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        number = await a_case(sari)
        async with service.house.writing() as connection:
            case = await connection.fetchval("select id from care.case where number = $1", int(number))
            await connection.execute(
                "insert into care.message (case_id, seq, author, author_id, client_message_id, text, at)"
                " select $1, n, 'agent', $2, 'long-' || n, 'Pesan ke-' || n, now() from generate_series(2, 230) n",
                case, await connection.fetchval("select id from people.person where phone = $1", BIMA.phone),
            )  # fmt: skip
            await connection.execute("update care.case set last_seq = 230 where id = $1", case)
        desk = (await bima.get(f"/desk/cases/{number}")).text
        home = (await sari.get("/")).text
        seen = desk.partition('name="seen_seq" value="')[2].partition('"')[0]
        form = {"client_message_id": "reply-0001", "text": "Saya cek.", "seen_seq": seen}
        answer = await bima.post(f"/desk/cases/{number}/replies", data=form, headers=OURS)

    for shown in (desk, home):
        assert "Pesan ke-230" in shown
        assert "Pesan ke-31" in shown
        assert "Pesan ke-30<" not in shown
        assert "data-older" in shown
    assert seen == "230"
    assert answer.status_code == 303


async def test_a_flood_from_nobody_pushes_no_customer_off_the_queue(service: Service) -> None:
    async with service.house.writing() as connection:
        await connection.execute(
            "with flood as (insert into care.case"
            " (number, person_id, matter, language, state, opened_at, changed_at)"
            " select 300000000 + n, 0, 'other', 'id', 'open', now(), now() from generate_series(1, 120) n"
            " returning id)"
            " insert into work.deadline (kind, subject, audience, policy, opened_at, due_at)"
            " select 'answer', id, 'customer', 'answer_within_15_min', now(), now() + interval '1 minute' from flood"
        )
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        number = await a_case(sari)
        queue = (await bima.get("/api/v1/desk/cases")).json()

    due = [one["due_at"] for one in queue["items"]]
    assert number in [one["number"] for one in queue["items"]]
    assert (len(due), due, queue["total"]) == (100, sorted(due), 121)


async def test_a_line_end_is_no_part_of_an_id(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        answer = await sari.post("/api/v1/contacts", json={"client_message_id": "message-0001\n", "text": "Halo"})
    assert (answer.status_code, answer.json()["field"]) == (422, "client_message_id")
