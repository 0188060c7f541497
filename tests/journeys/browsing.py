"""A real browser for tests: Debian's Chromium, which is told to keep to the page and whose complaints are collected."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

CHROMIUM = os.environ.get("SAHUT_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# Without the last ones it asks hosts of its maker for updates at each start.
_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")


@dataclass
class Complaints:
    """What the pages complained about: script errors, and everything that the security policy stopped."""

    said: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.said.append(f"{page.url}: {error}"))
        page.on("console", self._take)

    def _take(self, message: ConsoleMessage) -> None:
        # A refusal that a form shows, or a server that is away for a moment, is no fault of the page.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.said.append(message.text)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            await browser.close()


async def new_context(browser: Browser, *, width: int = 1280, **more: object) -> BrowserContext:
    """A browser of somebody: cookies and storage of their own."""
    height = 844 if width < 600 else 900
    context = await browser.new_context(viewport={"width": width, "height": height}, **more)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    return context


async def sign_in(context: BrowserContext, complaints: Complaints, address: str, who: object) -> Page:
    """A page of one of the demo people, signed in by the form."""
    page = await context.new_page()
    complaints.listen(page)
    await page.goto(address)
    await page.fill("#phone", who.phone)  # type: ignore[attr-defined]
    await page.fill("#pin", who.pin)  # type: ignore[attr-defined]
    await page.click("form[action='/sign-in'] .btn-primary")
    await page.wait_for_selector("[data-realm]")
    return page
