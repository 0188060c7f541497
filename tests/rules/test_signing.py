"""Signatures are for one purpose and one text."""

import pytest

from sahut.work import HEAD, RECEIPTS, Signer, key_id_of, signature_is_good

SEED = b"k" * 32


def test_a_signature_holds_for_its_key_purpose_and_data_only() -> None:
    signer = Signer.from_seed(SEED)

    signature = signer.sign(HEAD, b"head")

    assert signature_is_good(signer.public_key, HEAD, b"head", signature)
    assert not signature_is_good(signer.public_key, RECEIPTS, b"head", signature)
    assert not signature_is_good(signer.public_key, HEAD, b"heaD", signature)
    assert not signature_is_good(Signer.from_seed(b"x" * 32).public_key, HEAD, b"head", signature)


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"x" * 64, b"x" * 65])
def test_garbage_is_no_signature(signature: bytes) -> None:
    assert not signature_is_good(Signer.from_seed(SEED).public_key, HEAD, b"head", signature)


@pytest.mark.parametrize("key", [b"", b"x" * 31, b"\xff" * 32])
def test_garbage_is_no_key(key: bytes) -> None:
    assert not signature_is_good(key, HEAD, b"head", Signer.from_seed(SEED).sign(HEAD, b"head"))


def test_the_same_seed_is_the_same_key() -> None:
    signer = Signer.from_seed(SEED)

    assert signer.key_id == Signer.from_seed(SEED).key_id == key_id_of(signer.public_key)
    assert len(signer.key_id) == 16
