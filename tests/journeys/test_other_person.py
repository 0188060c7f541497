"""A second person signs in in the same browser: pages of the first do nothing, and show nothing, as the second."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, BrowserContext, expect

from tests.journeys.browsing import Complaints, chromium, needs_chromium, new_context, sign_in
from tests.journeys.conftest import BIMA, BUDI, SARI, Service


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


async def id_of(service: Service, who: object) -> str:
    async with service.house.reading() as connection:
        return str(await connection.fetchval("select id from people.person where phone = $1", who.phone))  # type: ignore[attr-defined]


async def test_a_cookie_acts_only_for_the_person_whom_the_page_names(service: Service) -> None:
    sari, budi = await id_of(service, SARI), await id_of(service, BUDI)
    origin = {"sec-fetch-site": "same-origin", "sahut-partial": "1"}
    as_budi = {**origin, "cookie": f"sahut={await service.token(BUDI)}"}
    contact = {"client_message_id": "message-0001", "text": "Halo"}
    form = {"client_message_id": "message-0002", "text": "Halo", "person": sari}
    send = {"to_phone": "+6281200000003", "amount": "1000", "note": "", "key": "other-person-1", "person": sari}
    async with service.client() as client:
        refused = [
            await client.post("/api/v1/contacts", json=contact, headers={**as_budi, "sahut-person": sari}),
            await client.post("/messages", data=form, headers=as_budi),
            await client.post("/send", data=send, headers=as_budi),
            await client.post("/sign-out", data={"person": sari}, headers=as_budi),
            await client.get("/partials/wallet", headers={**as_budi, "sahut-person": sari}),
            await client.get("/api/v1/live", headers={**as_budi, "sahut-person": sari}),
        ]
        nobody = await client.post("/api/v1/contacts", json=contact, headers={**origin, "sahut-person": sari})
        plain = await client.post("/messages", data=form, headers={**as_budi, "sahut-partial": "0"})
        own = await client.get("/partials/wallet", headers={**as_budi, "sahut-person": budi})
        untouched = await client.post("/send", data={**send, "person": budi, "amount": ""}, headers=as_budi)
        bearer = {"authorization": f"Bearer {await service.token(BUDI)}", "sahut-person": sari}
        program = await client.get("/api/v1/wallet", headers=bearer)
    async with service.house.reading() as connection:
        contacts = await connection.fetchval("select count(*) from care.contact")

    assert [(one.status_code, one.json()["code"]) for one in refused] == [(409, "other_person")] * len(refused)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "sign_in_needed")
    assert plain.status_code == 409
    assert "akun lain" in plain.text
    assert (own.status_code, untouched.status_code, program.status_code, contacts) == (200, 422, 200, 0)


async def sign_in_behind(context: BrowserContext, service: Service, who: object) -> None:
    """Another tab of the same browser signs somebody in; the pages that are open do not hear of it."""
    answer = await context.request.post(
        f"{service.address}/sign-in",
        form={"phone": who.phone, "pin": who.pin},  # type: ignore[attr-defined]
        headers={"sec-fetch-site": "same-origin", "origin": service.address},
        max_redirects=0,
    )
    assert answer.status == 303, await answer.text()


@needs_chromium
async def test_a_message_that_waits_is_never_sent_as_somebody_else(service: Service, browser: Browser) -> None:
    complaints, context = Complaints(), await new_context(browser)
    page = await sign_in(context, complaints, service.address, SARI)
    await page.wait_for_load_state()
    await page.route("**/api/v1/contacts", lambda route: route.abort())
    await page.fill("#composer textarea", "Hanya dari Sari")
    await page.click("#composer .btn-primary")
    await expect(page.locator("#thread .queued")).to_contain_text("Hanya dari Sari")
    await sign_in_behind(context, service, BUDI)
    await page.unroute("**/api/v1/contacts")
    # The page tries again by itself, is refused, and loads anew as Budi's.
    await expect(page.locator(f"body[data-person='{await id_of(service, BUDI)}']")).to_be_attached(timeout=20_000)
    await expect(page.locator("#thread")).not_to_contain_text("Hanya dari Sari")
    await sign_in_behind(context, service, SARI)
    await page.reload()
    await expect(page.locator("#thread [data-seq='1']")).to_contain_text("Hanya dari Sari")
    async with service.house.reading() as connection:
        senders = await connection.fetch("select person_id from care.contact")
    assert [str(row["person_id"]) for row in senders] == [await id_of(service, SARI)]
    assert complaints.said == []


@needs_chromium
async def test_signing_out_asks_before_an_unsent_message_goes(service: Service, browser: Browser) -> None:
    complaints, context, asked, answers = Complaints(), await new_context(browser), [], [False, True]
    page = await sign_in(context, complaints, service.address, SARI)
    sari = await id_of(service, SARI)
    other = f"sahut-{sari}2-outbox"
    await page.evaluate(f"localStorage.setItem('{other}', '[{{}}]')")
    await page.wait_for_load_state()
    await page.route("**/api/v1/contacts", lambda route: route.abort())
    await page.fill("#composer textarea", "Belum terkirim")
    await page.click("#composer .btn-primary")
    await expect(page.locator("#thread .queued")).to_contain_text("Belum terkirim")

    async def answer(dialog: object) -> None:
        asked.append(dialog.message)  # type: ignore[attr-defined]
        await (dialog.accept() if answers.pop(0) else dialog.dismiss())  # type: ignore[attr-defined]

    page.on("dialog", answer)
    await page.click("[data-sign-out] button")
    await expect(page.locator("#thread .queued")).to_contain_text("Belum terkirim")
    kept = json.loads(await page.evaluate(f"localStorage.getItem('sahut-{sari}-outbox')"))
    await page.click("[data-sign-out] button")
    await page.wait_for_selector("form[action='/sign-in']")
    left = await page.evaluate("Object.keys(localStorage)")

    assert [entry["text"] for entry in kept] == ["Belum terkirim"]
    assert len(asked) == 2
    assert "belum sampai" in asked[0]
    assert left == [other]


@needs_chromium
async def test_the_streams_of_two_persons_do_not_meet(service: Service, browser: Browser) -> None:
    complaints, context = Complaints(), await new_context(browser)
    first = await sign_in(context, complaints, service.address, SARI)
    while not service.house.hub.stream_count:
        await asyncio.sleep(0.05)
    await sign_in_behind(context, service, BUDI)
    second = await context.new_page()
    complaints.listen(second)
    await second.goto(service.address)
    locks = await second.evaluate("navigator.locks.query().then((all) => all.held.map((one) => one.name))")
    assert {f"sahut-live-customer-{await id_of(service, one)}" for one in (SARI, BUDI)} <= set(locks)
    async with await service.signed_in(BUDI) as budi:
        body = {"client_message_id": "message-0009", "text": "Dari Budi"}
        await budi.post("/api/v1/contacts", json=body)
    await expect(second.locator("#thread [data-seq='1']")).to_contain_text("Dari Budi")
    await expect(first.locator("#thread")).not_to_contain_text("Dari Budi")
    assert await first.get_attribute("body", "data-person") == await id_of(service, SARI)
    bima = await sign_in(context, complaints, f"{service.address}/desk", BIMA)  # the desk has a cookie of its own
    await bima.wait_for_selector("#queue .qrow")
    assert complaints.said == []
