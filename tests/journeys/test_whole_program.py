"""The program as it is started: two windows over `sahut up --demo`, and the web process killed in between."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.journeys.browsing import Complaints, chromium, needs_chromium, new_context
from tests.journeys.test_browser import say, texts

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN_S = 90


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[tuple[str, Path]]:
    """A running demo: its address and its home."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"SAHUT_HOME": str(tmp_path / "home"), "SAHUT_PORT": str(port), "PYTHONPATH": str(ROOT)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAHUT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sahut", "up", "--demo", cwd=ROOT, env={**kept, **settings},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        address = f"http://localhost:{port}"
        await until_ready(address)
        yield address, tmp_path / "home"
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)


async def until_ready(address: str) -> None:
    async with httpx.AsyncClient() as client, asyncio.timeout(READY_WITHIN_S):
        while True:
            with suppress(httpx.HTTPError):
                if (await client.get(f"{address}/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.2)


@needs_chromium
async def test_two_windows_of_the_demo_go_on_through_a_kill(program: tuple[str, Path]) -> None:
    address, home = program
    complaints = Complaints()
    async with chromium() as browser:
        pages = []
        for path, name in (("/", "Sari Wulandari"), ("/desk", "Bima")):
            page = await (await new_context(browser)).new_page()
            complaints.listen(page)
            await page.goto(address + path)
            await page.get_by_role("button", name=name).click()
            await page.wait_for_selector("[data-realm]")
            pages.append(page)
        sari, bima = pages
        await say(sari, "Halo dari demo")
        await bima.click("#queue .qrow")
        await say(bima, "Halo Sari")
        await expect(sari.locator("#thread [data-seq='2']")).to_contain_text("Halo Sari")

        os.kill(int((home / "run" / "web-0.pid").read_text()), signal.SIGKILL)
        await say(sari, "Masih di sana?")
        await expect(sari.locator("#thread [data-seq='3']")).to_contain_text("Masih di sana?", timeout=40_000)
        await expect(bima.locator("#thread [data-seq='3']")).to_contain_text("Masih di sana?", timeout=40_000)
        await expect(sari.locator("#thread .queued")).to_have_count(0)
        await expect(bima.locator("#queue .qrow")).to_contain_text(re.compile("Masih di sana"))
        assert await texts(sari) == await texts(bima) == ["Halo dari demo", "Halo Sari", "Masih di sana?"]
    assert complaints.said == []
