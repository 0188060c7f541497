"""Receipts and the file that `sahut verify` reads: nothing can be changed in them, and nothing that is read raises."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sahut.journey import ContactProof, Promise, Receipt, receipt_is_good, verify_contact_file
from sahut.journey.proofs import ContactFile
from sahut.journey.receipts import commitment_to, rfc3339, sign_receipts
from sahut.work import HEAD, Signer, head_bytes, leaf_hash, path_in, root_of

SIGNER = Signer.from_seed(b"k" * 32)
SALT = b"s" * 16


def unsigned(number: int) -> Receipt:
    return Receipt(
        number=f"{number:09d}",
        received_at="2026-11-22T10:00:00.000001Z",
        wait_s=240,
        wait_as_of="2026-11-22T09:59:50.000000Z",
        promises=(Promise("answer", "2026-11-22T10:15:00.000001Z"),),
        commitment=commitment_to(SALT, "saldo saya kurang").hex(),
        salt=SALT.hex(),
        key_id=SIGNER.key_id,
    )


def proof_for(receipt: Receipt, *, among: int = 5) -> ContactProof:
    """A log of some events of which the last but one is this contact's, under a signed head."""
    body = {"number": receipt.number, "contact": 3, "commitment": receipt.commitment}
    leaves = [json.dumps([i, 1, "care", 7, "case_opened", {}]) for i in range(among)]
    leaves[among - 2] = json.dumps([among, 1_700_000_000_000_000, "care", 7, "contact_received", body])
    hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
    signed_at = datetime(2026, 11, 22, 10, 1, tzinfo=UTC)
    return ContactProof(
        n=among - 1,
        leaf=leaves[among - 2],
        path=tuple(step.hex() for step in path_in(hashes, among - 2)),
        head_n=among,
        root=root_of(hashes).hex(),
        signed_at=rfc3339(signed_at),
        key_id=SIGNER.key_id,
        signature=SIGNER.sign(HEAD, head_bytes(among, root_of(hashes), signed_at)).hex(),
    )


RECEIPT = sign_receipts(SIGNER, [unsigned(482193705), unsigned(111111111), unsigned(222222222)])[0]
PROOF = proof_for(RECEIPT)


def file_of(receipt: Receipt | None = RECEIPT, proof: ContactProof | None = PROOF, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(msgspec.json.encode({"receipt": receipt, "proof": proof}))
    return made | more


def verdict(file: dict[str, Any], key: bytes | None = SIGNER.public_key) -> bool:
    return verify_contact_file(json.dumps(file).encode(), key).good


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000])
def test_each_receipt_of_a_batch_verifies_by_itself(count: int) -> None:
    receipts = sign_receipts(SIGNER, [unsigned(number) for number in range(count)])

    assert [receipt.leaf_index for receipt in receipts] == list(range(count))
    assert all(receipt_is_good(SIGNER.public_key, receipt) for receipt in receipts)
    assert len({receipt.signature for receipt in receipts}) == 1


def test_a_receipt_of_another_key_does_not_verify() -> None:
    assert not receipt_is_good(Signer.from_seed(b"x" * 32).public_key, RECEIPT)


def test_a_receipt_does_not_verify_in_the_place_of_another() -> None:
    first, second, third = sign_receipts(SIGNER, [unsigned(1), unsigned(2), unsigned(3)])

    for place in (second, third):
        moved = msgspec.structs.replace(first, leaf_index=place.leaf_index, path=place.path)
        assert not receipt_is_good(SIGNER.public_key, moved)


@given(st.sampled_from(Receipt.__struct_fields__), st.data())
def test_a_receipt_with_one_changed_field_does_not_verify(field: str, data: st.DataObject) -> None:
    was = getattr(RECEIPT, field)
    changes: dict[type, st.SearchStrategy[Any]] = {
        str: st.text(max_size=140),
        int: st.integers(-3, 2**70),
        tuple: st.just(()) if field == "promises" else st.lists(st.binary(max_size=40).map(bytes.hex)).map(tuple),
    }
    now = data.draw(changes[type(was)].filter(lambda value: value != was))

    assert not receipt_is_good(SIGNER.public_key, msgspec.structs.replace(RECEIPT, **{field: now}))


@given(st.sampled_from(["commitment", "salt", "signature"]), st.data())
def test_a_receipt_with_one_changed_bit_does_not_verify(field: str, data: st.DataObject) -> None:
    was = bytes.fromhex(getattr(RECEIPT, field))
    bit = data.draw(st.integers(0, len(was) * 8 - 1))
    now = (int.from_bytes(was, "big") ^ 1 << bit).to_bytes(len(was), "big").hex()

    assert not receipt_is_good(SIGNER.public_key, msgspec.structs.replace(RECEIPT, **{field: now}))


def test_a_promise_cannot_be_moved() -> None:
    later = (Promise("answer", "2026-11-23T10:15:00.000001Z"),)

    assert not receipt_is_good(SIGNER.public_key, msgspec.structs.replace(RECEIPT, promises=later))
    assert not receipt_is_good(SIGNER.public_key, msgspec.structs.replace(RECEIPT, promises=RECEIPT.promises * 2))


def test_the_salt_opens_the_commitment_for_this_text_only() -> None:
    assert commitment_to(bytes.fromhex(RECEIPT.salt), "saldo saya kurang").hex() == RECEIPT.commitment
    assert commitment_to(bytes.fromhex(RECEIPT.salt), "saldo saya lebih").hex() != RECEIPT.commitment


def test_times_are_written_in_utc_with_microseconds() -> None:
    jakarta = datetime.fromisoformat("2026-11-22T17:00:00+07:00")

    assert rfc3339(jakarta) == "2026-11-22T10:00:00.000000Z"


def test_a_good_file_is_good() -> None:
    found = verify_contact_file(json.dumps(file_of()).encode(), SIGNER.public_key)

    assert found.good, found.lines
    assert len(found.lines) == 5
    assert not any("NOT" in line for line in found.lines)


def test_without_a_key_of_ones_own_the_one_in_the_file_counts_and_that_is_said() -> None:
    found = verify_contact_file(json.dumps(file_of(public_key=SIGNER.public_key.hex())).encode(), None)

    assert found.good
    assert "the key in the file" in found.lines[0]


def test_the_readers_key_counts_more_than_the_one_in_the_file() -> None:
    assert not verdict(file_of(public_key=SIGNER.public_key.hex()), Signer.from_seed(b"x" * 32).public_key)


def test_a_receipt_without_a_proof_is_good_and_the_proof_is_said_to_be_missing() -> None:
    found = verify_contact_file(json.dumps(file_of(proof=None)).encode(), SIGNER.public_key)

    assert found.good
    assert "no inclusion proof yet" in found.lines[-1]


Change = Callable[[dict[str, Any]], None]
FORGED: dict[str, Change] = {
    "another number": lambda f: f["receipt"].update(number="482193706"),
    "a shorter wait": lambda f: f["receipt"].update(wait_s=1),
    "no promise": lambda f: f["receipt"].update(promises=[]),
    "another event of the log": lambda f: f["proof"].update(leaf=json.dumps([1, 1, "care", 7, "case_opened", {}])),
    "an event of another room": lambda f: f["proof"].update(leaf=f["proof"]["leaf"].replace('"care"', '"wallet"')),
    "another time in the event": lambda f: f["proof"].update(leaf=f["proof"]["leaf"].replace("1700", "1701")),
    "another place in the log": lambda f: f["proof"].update(n=1),
    "a longer log": lambda f: f["proof"].update(head_n=9),
    "a shorter path": lambda f: f["proof"].update(path=f["proof"]["path"][:-1]),
    "a longer path": lambda f: f["proof"].update(path=[*f["proof"]["path"], "00" * 32]),
    "another root": lambda f: f["proof"].update(root="00" * 32),
    "a head of another time": lambda f: f["proof"].update(signed_at="2026-11-22T10:02:00.000000Z"),
    "a signature for something else": lambda f: f["proof"].update(signature=f["receipt"]["signature"]),
    "the proof of another receipt": lambda f: f.update(
        proof=json.loads(msgspec.json.encode(proof_for(unsigned(111111111))))
    ),
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_a_forged_file_is_not_good(change: Change) -> None:
    file = file_of()
    assert verdict(file)

    change(file)

    assert not verdict(file)


@given(st.integers(0, 10_000), st.integers(0, 7))
@settings(max_examples=200)
def test_one_changed_bit_anywhere_in_the_file_never_makes_another_good_file(place: int, bit: int) -> None:
    written = json.dumps(file_of()).encode()
    changed = bytearray(written)
    changed[place % len(written)] ^= 1 << bit

    found = verify_contact_file(bytes(changed), SIGNER.public_key)

    if found.good:  # the name of an optional field, a capital in hex, or how the same time is written
        kept = msgspec.json.decode(bytes(changed), type=ContactFile)
        assert plain(kept.receipt) == plain(RECEIPT)
        assert kept.proof is None or plain(kept.proof) == plain(PROOF)


def plain(struct: Receipt | ContactProof) -> dict[str, str]:
    """The fields as they are understood."""
    fields = {name: str(value).lower() for name, value in msgspec.structs.asdict(struct).items()}
    if isinstance(struct, ContactProof):
        fields |= {"signed_at": str(datetime.fromisoformat(struct.signed_at)), "key_id": ""}
    return fields


@given(st.integers(0, 3000))
def test_a_truncated_file_is_not_good(length: int) -> None:
    written = json.dumps(file_of()).encode()

    assert not verify_contact_file(written[: length % len(written)], SIGNER.public_key).good


@given(st.binary(max_size=300))
def test_garbage_never_raises_and_is_never_good(garbage: bytes) -> None:
    assert not verify_contact_file(garbage, SIGNER.public_key).good
    assert not verify_contact_file(garbage, None).good


GARBAGE_FIELDS = st.one_of(
    st.text(max_size=50), st.integers(), st.none(), st.booleans(), st.lists(st.text(max_size=5), max_size=70)
)


@given(
    st.sampled_from([("receipt", name) for name in Receipt.__struct_fields__]
                    + [("proof", name) for name in ContactProof.__struct_fields__]),
    GARBAGE_FIELDS,
)  # fmt: skip
def test_garbage_in_any_field_never_raises(place: tuple[str, str], garbage: Any) -> None:
    file = file_of()
    was = file[place[0]][place[1]]
    file[place[0]][place[1]] = garbage

    good = verdict(file)

    assert not good or garbage == was or place == ("proof", "key_id")


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"receipt": null}',
        b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        json.dumps(file_of() | {"proof": file_of()["proof"] | {"leaf": "[" * 100_000 + "]" * 100_000}}).encode(),
        json.dumps(file_of() | {"proof": file_of()["proof"] | {"leaf": "9" * 5000}}).encode(),
        json.dumps(file_of() | {"proof": file_of()["proof"] | {"n": 10**400, "head_n": 10**401}}).encode(),
        json.dumps(file_of() | {"proof": file_of()["proof"] | {"signed_at": "0001-01-01T00:00:00+23:59"}}).encode(),
        json.dumps(file_of() | {"public_key": "no hex"}).encode(),
    ],
    ids=lambda written: repr(written[:24]),
)
def test_odd_files_get_a_verdict(written: bytes) -> None:
    assert not verify_contact_file(written, None).good
    assert verify_contact_file(written, None).lines
