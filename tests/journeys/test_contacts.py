"""A message over HTTP: its receipt, its case, the answer of an agent, and who may see what."""

import asyncio
import base64
import json

import httpx

from sahut.journey import verify_contact_file
from tests.journeys.conftest import BIMA, BUDI, SARI, Service

TEXT = "Bayar gagal tapi saldo kepotong 187.500"


async def write(client: httpx.AsyncClient, text: str, message_id: str) -> dict[str, object]:
    answer = await client.post("/api/v1/contacts", json={"client_message_id": message_id, "text": text})
    assert answer.status_code == 202, answer.text
    receipt: dict[str, object] = answer.json()
    return receipt


async def case_of(client: httpx.AsyncClient, number: object) -> str:
    """The case that a contact has found; the worker needs a moment."""
    for _ in range(200):
        found = (await client.get(f"/api/v1/contacts/{number}")).json()
        if found.get("case"):
            return str(found["case"])
        await asyncio.sleep(0.02)
    raise AssertionError("the contact found no case")


def as_header(receipt: dict[str, object]) -> dict[str, str]:
    return {"sahut-receipt": base64.urlsafe_b64encode(json.dumps(receipt).encode()).decode()}


async def test_a_message_is_answered_and_the_promise_is_kept(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        receipt = await write(sari, TEXT, "message-0001")
        again = await write(sari, TEXT, "message-0001")
        number = await case_of(sari, receipt["number"])
        sent = await bima.post(
            f"/api/v1/desk/cases/{number}/replies",
            json={"client_message_id": "reply-0001", "text": "Saya cek sekarang.", "seen_seq": 1},
        )
        thread = (await sari.get(f"/api/v1/cases/{number}/messages")).json()
        later = (await sari.get(f"/api/v1/cases/{number}/messages", params={"after": 1})).json()
        case = (await sari.get(f"/api/v1/cases/{number}")).json()

    assert receipt["number"] == again["number"] == number
    assert sent.status_code == 201, sent.text
    assert [(one["seq"], one["author"], one["text"]) for one in thread["items"]] == [
        (1, "customer", TEXT),
        (2, "agent", "Saya cek sekarang."),
    ]
    assert thread["items"][1]["author_name"] == BIMA.name
    assert [one["seq"] for one in later["items"]] == [2]
    assert (case["state"], case["promise"], case["last_seq"]) == ("open", "follow_up", 2)


async def test_a_reply_is_held_back_when_the_conversation_moved(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        number = await case_of(sari, (await write(sari, TEXT, "message-0001"))["number"])
        await case_of(sari, (await write(sari, "Sudah masuk lagi.", "message-0002"))["number"])
        reply = {"client_message_id": "reply-0001", "text": "Saya cek.", "seen_seq": 1}
        held = await bima.post(f"/api/v1/desk/cases/{number}/replies", json=reply)
        new = (await bima.get(f"/api/v1/cases/{number}/messages", params={"after": 1})).json()
        sent = await bima.post(f"/api/v1/desk/cases/{number}/replies", json={**reply, "seen_seq": 2})

    assert (held.status_code, held.json()["code"], held.json()["last_seq"]) == (409, "conversation_moved", 2)
    assert [one["text"] for one in new["items"]] == ["Sudah masuk lagi."]
    assert sent.status_code == 201


async def test_who_is_not_signed_in_sees_the_contact_with_its_receipt_alone(service: Service) -> None:
    async with service.client() as nobody, await service.signed_in(BUDI) as budi:
        receipt = await write(nobody, "我登不进去", "anonymous-0123456789abcdef")
        path = f"/api/v1/contacts/{receipt['number']}"
        blind = await nobody.get(path)
        foreign = await budi.get(path)
        forged = await nobody.get(path, headers=as_header({**receipt, "wait_s": 1}))
        for _ in range(300):
            shown = await nobody.get(path, headers=as_header(receipt))
            if shown.json()["proof"]:
                break
            await asyncio.sleep(0.05)

    assert blind.status_code == foreign.status_code == forged.status_code == 404
    assert shown.status_code == 200
    assert shown.json()["receipt"] == receipt
    verdict = verify_contact_file(shown.content, service.house.public_key)
    assert verdict.good, verdict.lines
    assert shown.json()["proof"] is not None, "a signed head covers it within seconds"


async def test_each_look_of_staff_at_a_case_is_written_down(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima:
        number = await case_of(sari, (await write(sari, TEXT, "message-0001"))["number"])
        await bima.get(f"/api/v1/cases/{number}/messages")
        await sari.get(f"/api/v1/cases/{number}/messages")
    async with service.house.reading() as connection:
        rows = await connection.fetch("select body from work.event where topic = 'staff' and kind = 'case_viewed'")

    assert [json.loads(row["body"]) for row in rows] == [{"case": number, "reason": "api"}]


async def test_a_text_with_a_one_time_code_is_kept_masked(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        number = await case_of(sari, (await write(sari, "kartu saya 4111 1111 1111 1111", "message-0001"))["number"])
        kept = (await sari.get(f"/api/v1/cases/{number}/messages")).json()["items"][0]["text"]

    assert "4111 1111" not in kept


async def test_a_signed_in_customer_saves_a_receipt_that_can_be_checked(service: Service) -> None:
    async with service.client(headers={"origin": service.address}) as sari, service.client() as elsewhere:
        await sari.post("/sign-in", data={"phone": SARI.phone, "pin": SARI.pin})
        receipt = await write(sari, TEXT, "message-0001")
        path = f"/receipts/{receipt['number']}"
        fresh = await sari.get(path, params={"as": "file"})
        for _ in range(300):
            proven = await sari.get(path, params={"as": "file"})
            if proven.json()["proof"]:
                break
            await asyncio.sleep(0.05)
        await case_of(sari, receipt["number"])
        page = await sari.get("/")
        cookie = {"cookie": f"sahut={await service.token(SARI)}"}
        bare = await elsewhere.get(path, headers=cookie)
        missing = await elsewhere.get(path, params={"as": "file"}, headers=cookie)
        await sari.post("/sign-out", content=b"", headers={"content-type": "application/x-www-form-urlencoded"})
        signed_out = await sari.get(path)

    assert f'href="{path}"' in page.text
    for saved in (fresh, proven):
        assert saved.headers["content-disposition"].endswith(f'filename="sahut-{receipt["number"]}.json"')
        verdict = verify_contact_file(saved.content, service.house.public_key)
        assert verdict.good, verdict.lines
    assert proven.json()["proof"] is not None
    assert "as=file" not in bare.text, "what cannot be had is not offered"
    assert (bare.status_code, missing.status_code) == (200, 404)
    assert "peramban" in missing.text
    assert signed_out.status_code == 404, "who is signed out sees nothing more, though the browser still keeps it"


async def test_lists_say_how_many_cases_there_are(service: Service) -> None:
    async with await service.signed_in(BIMA) as bima, service.client() as nobody:
        none = (await bima.get("/api/v1/desk/cases")).json()
        first = [await write(nobody, f"Pesan {turn}", f"anonymous-{turn:04}-0123456789abcdef") for turn in range(103)]
        for _ in range(300):
            cases = (await bima.get("/api/v1/desk/cases")).json()
            if cases["total"] == len(first):
                break
            await asyncio.sleep(0.05)
        queue = await bima.get("/desk/partials/queue")

    assert none == {"items": [], "total": 0}
    assert (len(cases["items"]), cases["total"]) == (100, 103)
    assert "The first 100 of 103 cases" in queue.text
