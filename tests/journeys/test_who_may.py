"""Who may what: every row of the route table for nobody, a customer and an agent, own and foreign; and the headers."""

import itertools

import pytest

from sahut.web.edge import HEADERS
from sahut.web.routes import TABLE
from sahut.web.table import ANYONE, Row
from tests.journeys.conftest import BIMA, BUDI, SARI, Service
from tests.journeys.test_contacts import case_of, write

# What each row declares, written down a second time by hand: a change of a right must be meant.
RIGHTS = {
    "POST /api/v1/sessions": "anonymous customer agent",
    "DELETE /api/v1/sessions/current": "customer agent",
    "GET /api/v1/wallet": "customer",
    "GET /api/v1/activity": "customer",
    "POST /api/v1/transfers": "customer",
    "POST /api/v1/contacts": "anonymous customer agent",
    "GET /api/v1/contacts/{number}": "anonymous customer agent",
    "GET /api/v1/cases": "customer",
    "GET /api/v1/cases/{number}": "customer agent",
    "GET /api/v1/cases/{number}/messages": "customer agent",
    "GET /api/v1/desk/cases": "agent",
    "POST /api/v1/desk/cases/{number}/replies": "agent",
    "GET /api/v1/live": "customer agent",
    "GET /livez": "anonymous customer agent",
    "GET /readyz": "anonymous customer agent",
    "GET /.well-known/customer-service.json": "anonymous customer agent",
    "GET /": "anonymous customer agent",
    "POST /sign-in": "anonymous customer agent",
    "POST /sign-out": "customer agent",
    "POST /desk/sign-out": "customer agent",
    "POST /write": "anonymous customer agent",
    "GET /receipts/{number}": "anonymous customer agent",
    "POST /send": "customer",
    "POST /messages": "customer",
    "GET /partials/wallet": "customer",
    "GET /partials/activity": "customer",
    "GET /partials/thread": "customer",
    "GET /desk": "anonymous customer agent",
    "GET /desk/cases/{number}": "agent",
    "POST /desk/cases/{number}/replies": "agent",
    "GET /desk/partials/queue": "agent",
    "GET /desk/partials/feed": "agent",
    "GET /desk/partials/cases/{number}": "agent",
    "GET /desk/partials/cases/{number}/facts": "agent",
    "GET /static/{version}/{name}": "anonymous customer agent",
}


def test_the_table_declares_the_rights_that_are_meant() -> None:
    declared = {f"{row.method} {row.path}": row.allowed for row in TABLE}
    assert declared == {name: frozenset(roles.split()) for name, roles in RIGHTS.items()}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path}")
def test_every_row_says_what_it_does(row: Row) -> None:
    assert row.says.endswith((".", ";")), "the first line of the view's docstring stands in the guide"
    assert row.method in {"GET", "POST", "DELETE"}


async def test_each_role_reaches_what_it_may_and_nothing_else(service: Service) -> None:
    tokens = {"customer": await service.token(SARI), "agent": await service.token(BIMA)}
    async with service.client() as client:
        for row, role in itertools.product(TABLE, ("anonymous", "customer", "agent")):
            if role in row.allowed and (row.allowed == ANYONE or row.path.endswith(("/live", "/current", "sign-out"))):
                continue
            headers = {"sec-fetch-site": "same-origin", "sahut-partial": "1"}
            if role != "anonymous":
                headers["authorization"] = f"Bearer {tokens[role]}"
            path = row.path.replace("{number}", "123456780")
            answer = await client.request(row.method, path, headers=headers)
            if role not in row.allowed:
                expected = (401, "sign_in_needed") if role == "anonymous" else (403, "not_for_you")
                assert (answer.status_code, answer.json()["code"]) == expected, (row.path, role)
            else:
                assert answer.status_code not in {401, 403}, (row.path, role, answer.text)


async def test_what_belongs_to_somebody_else_is_absent(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BUDI) as budi:
        number = await case_of(sari, (await write(sari, "Saldo saya hilang", "message-0001"))["number"])
        paths = [f"/api/v1/cases/{number}", f"/api/v1/cases/{number}/messages", f"/api/v1/contacts/{number}"]
        for path in paths:
            own, foreign = await sari.get(path), await budi.get(path)
            missing = await budi.get(path.replace(number, "123456780"))
            assert own.status_code == 200
            assert foreign.status_code == missing.status_code == 404
            assert foreign.text.replace(number, "") == missing.text.replace("123456780", "")
        page = await budi.get(f"/receipts/{number}")
        thread = await budi.get("/partials/thread", params={"case": number})

    assert page.status_code == 404
    assert "Saldo saya hilang" not in thread.text


async def test_a_token_that_was_signed_out_holds_no_longer(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        before = await sari.get("/api/v1/wallet")
        out = await sari.delete("/api/v1/sessions/current")
        after = await sari.get("/api/v1/wallet")
        contact = await sari.post("/api/v1/contacts", json={"client_message_id": "a" * 24, "text": "Halo"})

    assert (before.status_code, out.status_code, after.status_code, contact.status_code) == (200, 204, 401, 401)


async def test_signing_in_by_the_api(service: Service) -> None:
    async with service.client() as client:
        good = await client.post("/api/v1/sessions", json={"phone": "0812-0000-0001", "pin": SARI.pin})
        bad = await client.post("/api/v1/sessions", json={"phone": SARI.phone, "pin": "000000"})
        unknown = await client.post("/api/v1/sessions", json={"phone": "+6281299999999", "pin": "000000"})

    assert good.status_code == 201
    assert good.json()["person"] == {"name": SARI.name, "role": "customer", "language": "id"}
    assert (bad.status_code, bad.json()["code"]) == (401, "wrong_phone_or_pin")
    assert bad.text == unknown.text


async def test_every_answer_carries_our_headers(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, service.client() as nobody:
        answers = [
            await nobody.get("/"),
            await nobody.get("/nothing"),
            await nobody.get("/api/v1/wallet"),
            await nobody.get("/api/v1/nothing"),
            await sari.get("/"),
            await sari.get("/api/v1/wallet"),
            await sari.get("/partials/wallet"),
            await nobody.get("/livez"),
        ]
        style = (await nobody.get("/")).text.partition('rel="stylesheet" href="')[2].partition('"')[0]
        static = await nobody.get(style)

    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (answer.url, name)
    assert static.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert static.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]


async def test_the_cookie_of_a_page_is_out_of_reach_for_scripts(service: Service) -> None:
    async with service.client() as client:
        answer = await client.post(
            "/sign-in", data={"phone": SARI.phone, "pin": SARI.pin}, headers={"sec-fetch-site": "same-origin"}
        )

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("sahut=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
