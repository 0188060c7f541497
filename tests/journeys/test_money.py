"""Money over HTTP: the balance, a transfer to a person, its repetition, and what is refused."""

from tests.journeys.conftest import BUDI, SARI, Service

BODY = {"to_phone": BUDI.phone, "amount_minor": 5_000_000, "currency": "IDR", "note": "makan siang"}


async def test_a_transfer_moves_money_once(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BUDI) as budi:
        first = await sari.post("/api/v1/transfers", json=BODY, headers={"idempotency-key": "lunch-0001"})
        again = await sari.post("/api/v1/transfers", json=BODY, headers={"idempotency-key": "lunch-0001"})
        payer, payee = await sari.get("/api/v1/wallet"), await budi.get("/api/v1/wallet")
        seen = (await budi.get("/api/v1/activity")).json()["items"][0]

    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.json()["to_name"] == BUDI.name
    assert payer.json()["available_minor"] == 995_000_000
    assert payee.json()["available_minor"] == 1_005_000_000
    assert (seen["direction"], seen["amount_minor"], seen["other_name"], seen["note"]) == (
        "in", 5_000_000, SARI.name, "makan siang",
    )  # fmt: skip


async def test_what_the_books_refuse_is_said_in_the_language_of_the_person(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:

        async def refused(key: str, **change: object) -> tuple[int, str, dict[str, object]]:
            answer = await sari.post("/api/v1/transfers", json={**BODY, **change}, headers={"idempotency-key": key})
            assert answer.headers["content-type"] == "application/problem+json"
            return answer.status_code, answer.json()["code"], answer.json()

        assert (await refused("key-overdraft", amount_minor=10**12))[:2] == (422, "insufficient_funds")
        assert (await refused("key-self-0001", to_phone=SARI.phone))[:2] == (422, "same_account")
        assert (await refused("key-nobody-01", to_phone="+6281299999999"))[:2] == (422, "unknown_recipient")
        assert (await refused("key-nophone-1", to_phone="abcde"))[:2] == (422, "bad_phone")
        assert (await refused("key-currency1", currency="XXX"))[:2] == (422, "unknown_currency")
        words = (await refused("key-overdraft-2", amount_minor=10**12))[2]

    assert words["title"] == "Saldo tidak cukup"
    assert "Rp10.000.000" in str(words["detail"])
    assert words["available_minor"] == 1_000_000_000


async def test_the_key_is_needed_and_belongs_to_one_command(service: Service) -> None:
    async with await service.signed_in(SARI) as sari:
        without = await sari.post("/api/v1/transfers", json=BODY)
        short = await sari.post("/api/v1/transfers", json=BODY, headers={"idempotency-key": "short"})
        await sari.post("/api/v1/transfers", json=BODY, headers={"idempotency-key": "lunch-0001"})
        other = await sari.post(
            "/api/v1/transfers", json={**BODY, "amount_minor": 1}, headers={"idempotency-key": "lunch-0001"}
        )

    assert (without.status_code, without.json()["code"]) == (400, "idempotency_key_required")
    assert (short.status_code, short.json()["code"]) == (400, "bad_idempotency_key")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


async def test_activity_comes_in_pages_whose_cursors_cannot_be_made_up(service: Service) -> None:
    async with await service.signed_in(SARI) as sari, await service.signed_in(BUDI) as budi:
        for turn in range(35):
            await sari.post(
                "/api/v1/transfers", json={**BODY, "amount_minor": 100}, headers={"idempotency-key": f"turn-{turn:05}"}
            )
        first = (await sari.get("/api/v1/activity")).json()
        second = (await sari.get("/api/v1/activity", params={"cursor": first["next_cursor"]})).json()
        stolen = await budi.get("/api/v1/activity", params={"cursor": first["next_cursor"]})
        made_up = await sari.get("/api/v1/activity", params={"cursor": "AAAA"})

    found = [one["transfer"] for one in first["items"] + second["items"]]
    assert len(found) == len(set(found)) == 36  # the opening of the demo world is one of them
    assert second["next_cursor"] is None
    assert stolen.status_code == made_up.status_code == 422


async def test_the_form_reads_amounts_and_asks_where_it_would_have_to_guess(service: Service) -> None:
    async with service.house.reading() as connection:
        sari = await connection.fetchval("select id from people.person where phone = $1", SARI.phone)
    form = {"to_phone": BUDI.phone, "note": "", "person": str(sari)}
    as_sari = {"sec-fetch-site": "same-origin", "sahut-partial": "1", "cookie": f"sahut={await service.token(SARI)}"}
    typed = {"Rp 50.000": 200, "50,000": 200, "50rb": 200, "50.00": 422, "12,50": 422, "$50": 422, "0": 422, "": 422}
    async with service.client() as client, await service.signed_in(SARI) as api:
        answers = {
            text: await client.post("/send", data={**form, "amount": text, "key": f"typed-{turn:04}"}, headers=as_sari)
            for turn, text in enumerate(typed)
        }
        wallet = await api.get("/api/v1/wallet")

    assert {text: answer.status_code for text, answer in answers.items()} == typed
    assert wallet.json()["available_minor"] == 1_000_000_000 - 3 * 5_000_000
    assert "ribuan atau desimal" in answers["50.00"].text
    assert "Rupiah ditulis bulat" in answers["12,50"].text
    assert "bukan mata uang kolom ini" in answers["$50"].text
