"""Two windows that react to each other, in a real browser, through restarts, in several tabs, and without scripts."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from sahut.journey import verify_contact_file
from sahut_lab.demo import seed
from tests.journeys.browsing import Complaints, chromium, needs_chromium, new_context, sign_in
from tests.journeys.conftest import BIMA, BUDI, SARI, Service, open_service

pytestmark = needs_chromium


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


async def say(page: Page, text: str) -> None:
    await page.fill("#composer textarea", text)
    await page.click("#composer .btn-primary")


async def texts(page: Page) -> list[str]:
    return [text.strip() for text in await page.locator("#thread .bubble").all_inner_texts()]


async def test_customer_and_desk_react_to_each_other(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    at_sari, at_bima = await new_context(browser, width=390), await new_context(browser)
    sari = await sign_in(at_sari, complaints, service.address, SARI)
    bima = await sign_in(at_bima, complaints, f"{service.address}/desk", BIMA)

    await say(sari, "Bayar di Toko Melati gagal, tapi saldo saya kepotong")
    await expect(sari.locator("#thread [data-seq='1']")).to_contain_text("Toko Melati")
    await expect(sari.locator("#thread .queued")).to_have_count(0)
    await expect(sari.locator("[data-receipt] dd").first).to_have_text(re.compile(r"\d{3} \d{3} \d{3}"))
    await bima.click("#queue .qrow")
    await bima.keyboard.press("r")
    await bima.keyboard.type("Halo Sari, saya Bima. Saya cek sekarang.")
    await bima.keyboard.press("Control+Enter")
    await expect(sari.locator("#thread [data-seq='2']")).to_contain_text("saya Bima")
    await expect(sari.locator("[data-receipt] .chip")).to_have_attribute("data-tone", "ok")
    await expect(bima.locator("#facts [data-tone=ok]").first).to_be_visible()
    assert await texts(sari) == await texts(bima)
    assert complaints.said == []


async def test_a_transfer_changes_both_pages(service: Service, browser: Browser, complaints: Complaints) -> None:
    sari = await sign_in(await new_context(browser), complaints, service.address, SARI)
    budi = await sign_in(await new_context(browser, width=390), complaints, service.address, BUDI)
    bima = await sign_in(await new_context(browser), complaints, f"{service.address}/desk", BIMA)

    await sari.fill("#to", "0812 0000 0002")
    await sari.fill("#amount", "Rp150.000")
    await sari.fill("#note", "patungan")
    await sari.click("#send .btn-primary")
    await expect(sari.locator("#send .banner")).to_contain_text("Rp150.000 terkirim ke Budi Santoso")
    await expect(sari.locator("#balance .money")).to_have_text("Rp9.850.000")
    await expect(budi.locator("#balance .money")).to_have_text("Rp10.150.000")
    await expect(budi.locator("#activity .row").first).to_contain_text("patungan")
    await expect(bima.locator("#feed")).to_contain_text("Rp150.000")

    await sari.fill("#to", "0812 0000 0002")
    await sari.fill("#amount", "99.000.000")
    await sari.click("#send .btn-primary")
    await expect(sari.locator("#amount-hint")).to_contain_text("Rp9.850.000")
    await expect(sari.locator("#amount")).to_have_value("99.000.000")
    assert complaints.said == []


async def test_two_tabs_share_one_stream_and_hand_it_over(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    context = await new_context(browser)
    first = await sign_in(context, complaints, service.address, SARI)
    second = await context.new_page()
    complaints.listen(second)
    await second.goto(service.address)
    await asyncio.sleep(0.7)
    assert service.house.hub.stream_count == 1

    await say(second, "Satu")
    await expect(first.locator("#thread [data-seq='1']")).to_contain_text("Satu")
    await first.close()
    await say(second, "Dua")
    await expect(second.locator("#thread [data-seq='2']")).to_contain_text("Dua")
    await asyncio.sleep(0.5)
    assert service.house.hub.stream_count == 1
    assert await texts(second) == ["Satu", "Dua"]
    assert complaints.said == []


async def test_customer_and_desk_are_open_in_one_browser(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    context = await new_context(browser)
    bima = await sign_in(context, complaints, f"{service.address}/desk", BIMA)
    sari = await sign_in(context, complaints, service.address, SARI)
    await say(sari, "Dari jendela sebelah")
    await expect(bima.locator("#queue .qrow")).to_contain_text("Dari jendela sebelah")
    assert service.house.hub.stream_count == 2
    await sari.click("[data-sign-out] button")
    await sari.wait_for_selector("form[action='/sign-in']")
    await bima.click("#queue .qrow")
    await say(bima, "Tetap masuk")
    await expect(bima.locator("#thread [data-seq='2']")).to_contain_text("Tetap masuk")
    assert complaints.said == []


async def test_a_stopped_server_costs_time_and_nothing_else(
    app_dsn: str, browser: Browser, complaints: Complaints
) -> None:
    await seed(app_dsn)
    context = await new_context(browser)
    async with open_service(app_dsn) as service:
        address, port = service.address, int(service.address.rpartition(":")[2])
        sari = await sign_in(context, complaints, address, SARI)
        await say(sari, "Sebelum berhenti")
        await expect(sari.locator("#thread [data-seq='1']")).to_be_visible()
    await say(sari, "Selama berhenti")
    await expect(sari.locator("#thread .queued")).to_contain_text("Selama berhenti")
    await expect(sari.locator("#net")).to_be_visible()
    other = await context.new_page()  # a reload in between loses nothing either: the message waits in the browser
    async with open_service(app_dsn, port=port) as service:
        async with httpx.AsyncClient(base_url=address) as budi:
            token = await service.token(BUDI)
            await budi.post(
                "/api/v1/transfers",
                json={"to_phone": SARI.phone, "amount_minor": 100_000},
                headers={"authorization": f"Bearer {token}", "idempotency-key": "while-away-1"},
            )
        await expect(sari.locator("#thread [data-seq='2']")).to_contain_text("Selama berhenti", timeout=30_000)
        await expect(sari.locator("#balance .money")).to_have_text("Rp10.001.000", timeout=30_000)
        await expect(sari.locator("#net")).to_be_hidden()
        await expect(sari.locator("#thread .queued")).to_have_count(0)
        assert await texts(sari) == ["Sebelum berhenti", "Selama berhenti"]
        await other.goto(address)
        assert await texts(other) == ["Sebelum berhenti", "Selama berhenti"]
    assert complaints.said == []


async def test_what_the_browser_calls_offline_is_believed_only_when_it_is_so(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    context = await new_context(browser)
    sari = await sign_in(context, complaints, service.address, SARI)
    await asyncio.sleep(0.5)
    await sari.evaluate("dispatchEvent(new Event('offline'))")
    await asyncio.sleep(2)
    await expect(sari.locator("#net")).to_be_hidden()
    await say(sari, "Masih tersambung")
    await expect(sari.locator("#thread [data-seq='1']")).to_be_visible()
    await context.set_offline(True)
    await expect(sari.locator("#net")).to_be_visible()
    await asyncio.sleep(2)
    await expect(sari.locator("#net")).to_be_visible()
    await context.set_offline(False)
    await expect(sari.locator("#net")).to_be_hidden()
    assert complaints.said == []


async def test_the_receipt_is_reached_from_the_conversation(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    sari = await sign_in(await new_context(browser, width=390), complaints, service.address, SARI)
    await say(sari, "Tolong simpan tanda terimanya")
    await sari.click("[data-receipt] a")
    async with sari.expect_download() as download:
        await sari.click("a[download]")
    saved = Path(await (await download.value).path())
    verdict = verify_contact_file(saved.read_bytes(), service.house.public_key)
    assert verdict.good, verdict.lines
    assert complaints.said == []


async def test_a_reply_against_an_outdated_conversation_comes_back(
    service: Service, browser: Browser, complaints: Complaints
) -> None:
    sari = await sign_in(await new_context(browser), complaints, service.address, SARI)
    at_desk = await new_context(browser)
    bima = await sign_in(at_desk, complaints, f"{service.address}/desk", BIMA)
    await say(sari, "Saldo saya hilang")
    await bima.click("#queue .qrow")
    await bima.wait_for_selector("#thread [data-seq='1']")
    await at_desk.set_offline(True)  # the desk does not hear what comes now
    await bima.fill("#composer textarea", "Apakah masih hilang?")
    await say(sari, "Sudah muncul lagi")
    await expect(sari.locator("#thread [data-seq='2']")).to_be_visible()
    # The reply goes out before the desk has caught up: held back at the server, so hold the catching up here.
    await bima.route("**/desk/partials/**", lambda route: route.abort())
    await at_desk.set_offline(False)
    await bima.evaluate("document.querySelector('.thread-part').dataset.last = '1'")
    await bima.click("#composer .btn-primary")
    await expect(bima.locator("#composer textarea")).to_have_value("Apakah masih hilang?")
    await bima.unroute("**/desk/partials/**")
    await expect(bima.locator("#thread [data-seq='2']")).to_contain_text("Sudah muncul lagi")
    await bima.click("#composer .btn-primary")
    await expect(sari.locator("#thread [data-seq='3']")).to_contain_text("Apakah masih hilang?")


async def test_everything_works_without_scripts(service: Service, browser: Browser, complaints: Complaints) -> None:
    sari = await sign_in(await new_context(browser, java_script_enabled=False), complaints, service.address, SARI)
    await say(sari, "Tanpa skrip")
    await expect(sari.locator("#help")).to_contain_text("sudah kami terima")
    await sari.fill("#to", "081200000002")
    await sari.fill("#amount", "20000")
    await sari.click("#send .btn-primary")
    await expect(sari.locator("#send .banner")).to_contain_text("Rp20.000 terkirim ke Budi Santoso")
    await sari.goto(service.address)
    await expect(sari.locator("#thread [data-seq='1']")).to_contain_text("Tanpa skrip")

    bima = await sign_in(
        await new_context(browser, java_script_enabled=False), complaints, f"{service.address}/desk", BIMA
    )
    await bima.click("#queue .qrow")
    await bima.fill("#composer textarea", "Dijawab tanpa skrip")
    await bima.click("#composer .btn-primary")
    await expect(bima.locator("#thread [data-seq='2']")).to_contain_text("Dijawab tanpa skrip")

    nobody = await (await new_context(browser, java_script_enabled=False)).new_page()
    await nobody.goto(f"{service.address}/?lang=en")
    await nobody.fill("#text", "I cannot sign in")
    await nobody.click("form[action='/write'] button")
    await expect(nobody.locator(".receipt dd").first).to_have_text(re.compile(r"\d{3} \d{3} \d{3}"))
    assert complaints.said == []


@pytest.mark.parametrize("language", ["id", "zh", "en"])
@pytest.mark.parametrize("width", [320, 390, 1440])
async def test_pages_fit_in_each_language(service: Service, browser: Browser, language: str, width: int) -> None:
    page = await (await new_context(browser, width=width)).new_page()
    for path in ("/", "/desk", "/nothing"):
        await page.goto(f"{service.address}{path}?lang={language}")
        assert await page.get_attribute("html", "lang") == language
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert await page.locator("main").count() == 1
        assert await page.locator("h1").count() == 1
