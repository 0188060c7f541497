"""What nobody can send: every bad request ends in a named refusal, and never in a fault of ours."""

import itertools
import json
import re
from typing import Any

import httpx
import pytest

from sahut import care, wallet
from sahut.bedrock import BadText, Refusal
from sahut.channels import chat_inbound
from sahut.journey import Intake
from sahut.ledger import Ledger, PostingRefused
from sahut.people import SignIn, TryLater
from sahut.wallet import Transfers
from sahut.web.api.money import idempotency_key
from sahut.web.cases import case_for
from sahut.web.contacts import find_contact
from sahut.web.cursor import read_cursor
from sahut.web.hub import Hub
from sahut.web.reading import read_number
from sahut.web.refusals import TABLE, detail_of
from sahut.web.routes import API
from sahut.web.table import Row
from sahut.web.words import LANGUAGES, words_in
from tests.journeys.conftest import BIMA, SARI, Service

GOOD = {"to_phone": "+6281200000002", "amount_minor": 100, "currency": "IDR", "note": ""}
BODIES: tuple[tuple[bytes, int, str, str | None], ...] = (
    (b"", 400, "not_json", None),
    (b"{", 400, "not_json", None),
    (b"\xff\xfe", 400, "not_json", None),
    (b"NaN", 400, "not_json", None),
    (b"[" * 60_000, 400, "not_json", None),
    (b'{"amount_minor": ' + b"9" * 5000 + b"}", 400, "not_json", None),
    (b'"\x00"', 400, "not_json", None),
    (b"null", 422, "wrong_field", "body"),
    (b"[]", 422, "wrong_field", "body"),
    (b"{}", 422, "missing_field", "to_phone"),
    (b'{"to_phone": "+62812", "to_phone": "+62813"}', 400, "duplicate_field", "to_phone"),
    (json.dumps({**GOOD, "surprise": 1}).encode(), 422, "unknown_field", "surprise"),
    (json.dumps({**GOOD, "to_phone": 5}).encode(), 422, "wrong_field", "to_phone"),
    (json.dumps({**GOOD, "to_phone": ["a"]}).encode(), 422, "wrong_field", "to_phone"),
    (json.dumps({**GOOD, "to_phone": "x" * 33}).encode(), 422, "wrong_field", "to_phone"),
    (json.dumps({**GOOD, "to_phone": "+62812\0000"}).encode(), 422, "bad_characters", "to_phone"),
    (json.dumps({**GOOD, "note": "\ud800"}).encode(), 422, "bad_characters", "note"),
    (json.dumps({**GOOD, "\ud800": ""}).encode(), 422, "bad_characters", "body"),
    (json.dumps({**GOOD, "amount_minor": 0}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": -1}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": 10**30}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": 1.5}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": True}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": "100"}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "amount_minor": None}).encode(), 422, "wrong_field", "amount_minor"),
    (json.dumps({**GOOD, "currency": "rupiah"}).encode(), 422, "wrong_field", "currency"),
    (b'{"note": "' + b"x" * 70_000 + b'"}', 413, "body_too_large", None),
)
JSON = {"content-type": "application/json", "idempotency-key": "refusing-0001"}


def assert_expected(row: Row, answer: httpx.Response) -> None:
    """What was refused is one of the codes that the row of the table names."""
    elsewhere = answer.request.url.path.count("/") != row.path.count("/")  # a number with a slash is another address
    if answer.status_code >= 400 and not elsewhere:
        assert answer.json()["code"] in row.can_refuse, (row.method, row.path, answer.text)
        assert answer.json()["instance"] == answer.request.url.path


async def test_each_bad_body_has_its_name_and_its_field(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        for body, status, code, named in BODIES:
            answer = await sari.post("/api/v1/transfers", content=body, headers=JSON)
            problem = answer.json()
            assert (answer.status_code, problem["code"], problem.get("field")) == (status, code, named), body[:80]
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(problem) >= {"type", "title", "status", "detail", "instance", "code"}


async def test_a_body_without_length_is_bounded_while_it_is_read(service: Service) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield b" " * 8192

    async with await service.signed_in(SARI) as sari:
        answer = await sari.post("/api/v1/transfers", content=endless(), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_wrong_types_methods_and_addresses(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        plain = await sari.post("/api/v1/transfers", content=b"{}", headers={**JSON, "content-type": "text/plain"})
        latin = await sari.post(
            "/api/v1/transfers", content=b"{}", headers={**JSON, "content-type": "application/json; charset=latin-1"}
        )
        put = await sari.put("/api/v1/transfers", json={})
        options = await sari.request("OPTIONS", "/api/v1/wallet")
        nowhere = await sari.get("/api/v1/nothing", headers={"accept-language": "zh-CN"})
        page = await sari.get("/nothing")
        head = await sari.head("/api/v1/wallet")

    assert (plain.status_code, latin.status_code) == (415, 415)
    assert (put.status_code, put.headers["allow"]) == (405, "POST")
    assert (options.status_code, options.headers["allow"]) == (405, "GET, HEAD")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_here")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (head.status_code, head.content) == (200, b"")


async def test_nothing_that_is_sent_makes_a_fault_of_ours(service: Service) -> None:
    values: list[Any] = [
        "",
        "\0",
        "\ud800",
        "x" * 5000,
        -1,
        0,
        2**63,
        2**64,
        1e308,
        True,
        None,
        [],
        {},
        [[]],
        {"a": {}},
    ]
    numbers = ["000000000", "123456789", "99999999999999999999", "%00", "%ff%fe", "..%2f", "٠١٢٣٤٥٦٧٨", "-1", "a" * 300]
    seen: set[int] = set()
    async with await service.signed_in(SARI) as sari, await service.signed_in(BIMA) as bima, service.client() as nobody:
        for row, client in itertools.product(API, (sari, bima, nobody)):
            if row.path.endswith(("/live", "/sessions/current")):
                continue
            for number in numbers if "{number}" in row.path else [""]:
                path = row.path.replace("{number}", number)
                answer = await client.request(row.method, path, params={"after": "x" * 30, "cursor": "\ud7ff!"})
                seen.add(answer.status_code)
                assert answer.status_code < 500, (row, number, answer.text)
                assert_expected(row, answer)
        for row in API:
            for name, value in itertools.product(row.takes.__struct_fields__ if row.takes else (), values):
                body = json.dumps({"phone": "+62812345678", "pin": "1", **GOOD, name: value}).encode()
                answer = await bima.request(
                    row.method, row.path.replace("{number}", numbers[0]), content=body, headers=JSON
                )
                assert answer.status_code < 500, (row, name, value, answer.text)
                assert_expected(row, answer)
        for header in ("Bearer", "Basic YTpi", "Bearer " + "x" * 5000, "bearer \xff"):
            answer = await nobody.get("/api/v1/wallet", headers=[(b"authorization", header.encode("latin-1"))])
            assert answer.status_code == 401
        for value in ("x", "e30", "x" * 9000, "é"):
            answer = await nobody.get("/api/v1/contacts/123456789", headers=[(b"sahut-receipt", value.encode())])
            assert answer.status_code in {404, 422}

    assert seen <= {200, 400, 401, 403, 404, 409, 415, 422}


async def test_a_page_of_somebody_else_cannot_act_with_our_cookie(service: Service) -> None:
    cookie = {"cookie": f"sahut={await service.token(SARI)}"}
    body = {"client_message_id": "message-0001", "text": "Halo"}
    origin = service.house.public_url
    tries: list[tuple[dict[str, str], int]] = [
        ({}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": origin}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": origin}, 202),
        ({"sec-fetch-site": "same-origin"}, 202),
    ]
    async with service.client() as client:
        for headers, status in tries:
            answer = await client.post("/api/v1/contacts", json=body, headers={**cookie, **headers})
            assert answer.status_code == status, (headers, answer.text)
        form = await client.post("/sign-in", data={"phone": SARI.phone, "pin": SARI.pin})
    assert form.status_code == 403


async def test_only_our_own_names_are_answered(service: Service) -> None:
    port = service.address.rpartition(":")[2]
    async with service.client() as client:
        foreign = await client.get("/api/v1/wallet", headers={"host": "evil.example"})
        page = await client.get("/?a=b", headers={"host": f"127.0.0.1:{port}"})
        api = await client.get("/api/v1/wallet", headers={"host": f"127.0.0.1:{port}"})
        balancer = await client.get("/livez", headers={"host": "10.0.0.7"})

    assert (foreign.status_code, foreign.json()["code"]) == (421, "wrong_host")
    assert (page.status_code, page.headers["location"]) == (307, f"{service.address}/?a=b")
    assert api.status_code == 401
    assert balancer.status_code == 200


def all_refusals(base: type[Refusal] = Refusal) -> set[type[Refusal]]:
    below = set(base.__subclasses__())
    return below.union(*(all_refusals(one) for one in below)) if below else below


def test_every_refusal_has_its_row_and_its_words() -> None:
    codes = {one.code for one in all_refusals() if one.__module__.startswith("sahut.")} | {"refused"}
    assert codes - set(TABLE) == set()
    for language, code in itertools.product(LANGUAGES, codes):
        assert words_in(language).has(f"refusal.{code}.title"), (language, code)
        assert words_in(language).has(f"refusal.{code}.detail"), (language, code)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_refusal_name_only_fields_that_it_has(language: str) -> None:
    for one in all_refusals():
        if not one.__module__.startswith("sahut."):
            continue
        named = set(re.findall(r"{(\w+)}", words_in(language).say(f"refusal.{one.code}.detail")))
        assert named <= set(one.shown), one.code


# The doors behind the rows that act or read by a number; what their docstrings refuse, the row must name.
DOORS: dict[str, tuple[Any, ...]] = {
    "POST /api/v1/sessions": (SignIn.sign_in,),
    "GET /api/v1/wallet": (wallet.overview,),
    "GET /api/v1/activity": (wallet.activity, read_cursor),
    "POST /api/v1/transfers": (Transfers.send, Ledger.post, idempotency_key),
    "POST /api/v1/contacts": (chat_inbound, Intake.receive),
    "GET /api/v1/contacts/{number}": (find_contact,),
    "GET /api/v1/cases/{number}": (case_for,),
    "GET /api/v1/cases/{number}/messages": (case_for, read_number),
    "POST /api/v1/desk/cases/{number}/replies": (care.reply,),
    "GET /api/v1/live": (Hub.admit, read_number),
}


@pytest.mark.parametrize("row", API, ids=lambda row: f"{row.method} {row.path}")
def test_a_row_names_what_its_doors_refuse(row: Row) -> None:
    documented = {
        code
        for door in DOORS.get(f"{row.method} {row.path}", ())
        for refuses in re.findall(r"Refuses: (.*?)(?:\.\s|\.$|Writes|$)", door.__doc__, re.DOTALL)
        for code in re.findall(r"`([a-z_]+)`", refuses)
    }
    if row.path.endswith("/transfers"):
        documented |= {one.code for one in PostingRefused.__subclasses__()}
    assert documented - row.can_refuse == set()
    assert row.can_refuse - set(TABLE) == set()


def test_seconds_are_said_as_a_length_of_time() -> None:
    said = [detail_of(TryLater(seconds), words_in("en")) for seconds in (1, 2, 120)]
    assert [text.partition(".")[0] for text in said] == [
        "Try again in 1 second", "Try again in 2 seconds", "Try again in 2 minutes",
    ]  # fmt: skip


def test_a_text_that_cannot_be_taken_is_told_by_field_and_reason() -> None:
    for language in LANGUAGES:
        said = {
            detail_of(BadText("note", reason, 140), words_in(language))
            for reason in ("too_short", "too_long", "nul", "not_unicode")
        }
        assert len(said) == 4
        assert all("note" in text for text in said)


async def test_health_and_directory(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.address) as client:
        ready = await client.get("/readyz")
        directory = (await client.get("/.well-known/customer-service.json")).json()

    assert ready.json() == {"status": "ok"}
    assert directory["keys"][0]["public_key"] == service.house.public_key.hex()
