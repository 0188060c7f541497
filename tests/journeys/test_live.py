"""The live stream: what one sees, coming back without gap or double, and when it ends."""

import asyncio
import contextlib
import dataclasses
import socket
from typing import Any

import httpx
import pytest

from sahut.people import sign_out
from sahut.web import Hub, build_app
from sahut.web.hub import _again_and_again
from sahut.web.rules import NotReady
from tests.journeys.conftest import BIMA, BUDI, SARI, Service, open_service
from tests.journeys.watching import watching


async def pay(client: httpx.AsyncClient, key: str, amount_minor: int = 100, to: str = BUDI.phone) -> None:
    body = {"to_phone": to, "amount_minor": amount_minor, "currency": "IDR"}
    answer = await client.post("/api/v1/transfers", json=body, headers={"idempotency-key": f"live-{key}"})
    assert answer.status_code == 201, answer.text


async def test_each_sees_the_own_events_and_staff_sees_all(service: Service) -> None:
    async with (
        await service.signed_in(SARI) as sari,
        await service.signed_in(BUDI) as budi,
        await service.signed_in(BIMA) as bima,
        watching(sari) as at_sari,
        watching(budi) as at_budi,
        watching(bima) as at_bima,
    ):
        for watch in (at_sari, at_budi, at_bima):
            assert (await watch.until_said())[0] == "ready"
        await pay(sari, "first-one", 700)
        await budi.post("/api/v1/contacts", json={"client_message_id": "message-0001", "text": "Halo"})
        own, other, all_of_it = await at_sari.until(1), await at_budi.until(4), await at_bima.until(5)
        await asyncio.sleep(0.3)

    assert [one["kind"] for one in own] == ["transfer_sent"]
    assert own[0]["body"]["amount_minor"] == 700
    assert {one["kind"] for one in other} == {"transfer_received", "contact_received", "case_opened", "message_added"}
    assert next(one for one in other if one["kind"] == "message_added")["body"]["client_message_id"] == "message-0001"
    assert [one["n"] for one in all_of_it] == sorted(one["n"] for one in own + other)


async def test_coming_back_after_n_misses_nothing_and_repeats_nothing(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        seen: list[int] = []
        last: int | None = None
        for turn in range(12):
            async with watching(sari, last) as watch:
                word, n = await watch.until_said()
                assert word == "ready"
                assert last is None or n == last
                await asyncio.gather(*(pay(sari, f"{turn:03}-{one:03}") for one in range(8)))
                if turn % 3:  # leave in the middle of it, as a browser does
                    await watch.until(3)
                else:
                    await asyncio.sleep(0.05)
                last = watch.last or n
            seen += [event["n"] for event in watch.events]
            last = seen[-1] if seen else n
        async with watching(sari, last) as watch:
            await watch.until(12 * 8 - len(seen))
        seen += [event["n"] for event in watch.events]

    assert len(seen) == 12 * 8
    assert seen == sorted(set(seen))


async def test_what_was_long_ago_comes_from_the_table(app_dsn: str) -> None:
    from sahut_lab.demo import seed

    await seed(app_dsn)
    async with open_service(app_dsn, hub_options={"window_size": 10}) as service, await service.signed_in(SARI) as sari:
        await asyncio.gather(*(pay(sari, f"long-ago-{turn:03}") for turn in range(60)))
        async with watching(sari) as now:
            await now.until_said()
            await pay(sari, "the-last-one")
            await now.until(1)
        async with watching(sari, 0) as watch:
            events = await watch.until(61)
            await asyncio.sleep(0.2)

    numbers = [event["n"] for event in events if event["kind"] == "transfer_sent"]
    assert len(numbers) == len(set(numbers)) == 61
    assert numbers == sorted(numbers)


async def test_a_number_that_was_never_given_means_load_anew(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        async with watching(sari, 10**15) as watch:
            word, n = await watch.until_said()
            await pay(sari, "after-the-reset")
            event = (await watch.until(1))[0]
        wrong = await sari.get("/api/v1/live", params={"after": "-1"})

    assert word == "reset"
    assert event["n"] > n
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_field")


async def test_beats_bear_the_number_reached(app_dsn: str) -> None:
    from sahut_lab.demo import seed

    await seed(app_dsn)
    async with (
        open_service(app_dsn, hub_options={"beat_s": 0.2}) as service,
        await service.signed_in(SARI) as sari,
        await service.signed_in(BUDI) as budi,
        watching(sari) as watch,
    ):
        await watch.until_said()
        await pay(budi, "of-somebody-else", to="+6281200000003")
        async with asyncio.timeout(5):
            while watch.last < service.house.hub.head or watch.last <= watch.said[0][1]:
                await asyncio.sleep(0.05)

    assert watch.events == []


async def test_a_stream_ends_within_five_seconds_of_its_session(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BUDI) as budi:
        async with watching(sari) as of_sari, watching(budi) as of_budi:
            await of_sari.until_said()
            await of_budi.until_said()
            async with service.house.writing() as connection:
                await sign_out(connection, await service.token(SARI), service.house.clock.now())
            await of_sari.until_ended(within_s=5)
            refused = await sari.get("/api/v1/live")
            assert not of_budi.ended
        async with asyncio.timeout(5):
            while service.house.hub.stream_count:
                await asyncio.sleep(0.05)

    assert refused.status_code == 401


async def test_who_does_not_read_is_cut_off_and_disturbs_nobody(service: Service) -> None:
    token = await service.token(BIMA)
    port = int(service.address.rpartition(":")[2])
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
    await asyncio.get_running_loop().sock_sendall(
        slow, f"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    )
    hub = service.house.hub
    async with await service.signed_in(SARI) as sari, watching(sari) as watch:
        await watch.until_said()
        while hub.stream_count < 2:
            await asyncio.sleep(0.02)
        # What the log would bring in minutes, at once: far more than kernel buffers and our queue together hold.
        stuck = next(stream for stream in hub._streams if stream.person_id is None)
        for _ in range(400):
            stuck.write(b": " + b"x" * 65_536 + b"\n\n")
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            while hub.stream_count > 1:
                await asyncio.sleep(0.02)
        await pay(sari, "goes-on-0001")
        await watch.until(1)
    slow.close()


async def test_streams_are_counted_and_refused_honestly(app_dsn: str) -> None:
    from sahut_lab.demo import seed

    await seed(app_dsn)
    async with (
        open_service(app_dsn, hub_options={"streams_at_most": 2}) as service,
        await service.signed_in(SARI) as sari,
    ):
        async with watching(sari) as first, watching(sari) as second:
            await first.until_said()
            await second.until_said()
            third = await sari.get("/api/v1/live")
        async with asyncio.timeout(5):
            while service.house.hub.stream_count:
                await asyncio.sleep(0.02)
        async with watching(sari) as again:
            await again.until_said()

    assert (third.status_code, third.json()["code"]) == (503, "too_many_streams")
    assert int(third.headers["retry-after"]) > 0


async def test_who_is_still_being_brought_up_to_date_is_counted_too(app_dsn: str) -> None:
    from sahut_lab.demo import seed

    await seed(app_dsn)
    async with (
        open_service(app_dsn, hub_options={"window_size": 5, "beat_s": 0.1}) as service,
        await service.signed_in(SARI) as sari,
    ):
        hub = service.house.hub
        async with watching(sari) as now:
            await now.until_said()
            await asyncio.gather(*(pay(sari, f"far-behind-{turn:03}") for turn in range(20)))
            await now.until(20)
        async with asyncio.timeout(5):
            while hub.stream_count:
                await asyncio.sleep(0.02)
        # The table does not answer: nobody is brought up to date.
        async with hub._catching_up, contextlib.AsyncExitStack() as open_now:
            watches = [await open_now.enter_async_context(watching(sari, 0)) for _ in range(32)]
            words = [(await watch.until_said())[0] for watch in watches]
            refused = await sari.get("/api/v1/live", params={"after": 0})
            await asyncio.sleep(0.3)
            assert [watch.last for watch in watches if watch.said[0][0] == "ready"] == [0, 0], "beats tell no number"
            await open_now.aclose()
            async with asyncio.timeout(5):
                while hub.stream_count:  # who has gone is not brought up to date any more
                    await asyncio.sleep(0.02)
        assert hub._attaching == {}
        async with watching(sari, 0) as again:
            assert (await again.until_said())[0] == "ready"
            await again.until(20)

    assert sorted(words) == ["ready"] * 2 + ["reset"] * 30
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")


async def test_a_process_that_does_not_read_the_log_is_not_ready(service: Service) -> None:
    async with service.client() as client:
        before = await client.get("/readyz")
        reader = next(task for task in service.house.hub._tasks if task.get_name() == "hub: read")
        reader.cancel()
        service.house.hub._read_at -= 60
        after = await client.get("/readyz")

    assert before.status_code == 200
    assert (after.status_code, after.json()["missing"]) == (503, "live")


async def test_before_the_hub_has_started_a_stream_is_told_to_come_again(service: Service, app_dsn: str) -> None:
    late = Hub(app_dsn, service.house.clock)
    app = build_app(dataclasses.replace(service.house, hub=late))
    token = await service.token(SARI)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=service.address) as client:
        answer = await client.get("/api/v1/live", headers={"authorization": f"Bearer {token}"})
    with pytest.raises(NotReady):
        late._connection()

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "not_ready", "1")


async def test_beats_say_nothing_of_what_a_stream_has_yet_to_get(service: Service) -> None:
    heard: list[bytes] = []

    async def send(message: Any) -> None:
        heard.append(message["body"])

    hub = Hub("", service.house.clock, beat_s=0.01)
    hub._tasks.append(asyncio.create_task(hub._beat_for_ever()))
    hub._window.begin_at(40)
    hub._read_at = asyncio.get_running_loop().time()
    stream = hub.admit(send, person_id=1, session=b"s")
    await asyncio.sleep(0.05)
    early = b"".join(heard)
    hub._join(stream)
    await asyncio.sleep(0.05)
    hub._tasks[0].cancel()

    assert b": beat" in early
    assert b"id:" not in early
    assert b"id: 40" in heard[-1]


async def test_a_reader_that_fails_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sahut.web.hub.RETRY_S", 0.01)
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        raise RuntimeError("not foreseen")

    task = asyncio.create_task(_again_and_again(work, "test"))
    async with asyncio.timeout(10):
        while turns < 2:
            await asyncio.sleep(0.01)
    task.cancel()


async def test_all_streams_end_at_once_when_the_process_is_told_to(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, watching(sari) as watch:
        await watch.until_said()
        service.house.hub.end_streams()
        await watch.until_ended(within_s=1)
