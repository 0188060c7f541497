"""The receipt of a contact: what we promise to whoever wrote, signed. Pure.

One signature covers all receipts of a batch: the receipts are the leaves of a small Merkle tree whose root is signed,
and each carries its path.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import msgspec

from sahut.bedrock import Refusal
from sahut.work import RECEIPTS, Signer, leaf_hash, root_and_paths, root_by_path, signature_is_good


class ContactKeyReused(Refusal):
    """This id was used for another text. Nothing was received; send it under a new id."""

    code = "contact_key_reused"


class Promise(msgspec.Struct, frozen=True):
    """Something we do by a time (RFC 3339, UTC)."""

    kind: str
    due_at: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender keeps.

    `number`: nine digits. `received_at`, `wait_as_of`: RFC 3339, UTC. `wait_s`: how long an answer takes now, by the
    last estimate, made at `wait_as_of`. `commitment`: SHA-256 of salt and masked text, hex; the sealed log holds the
    same. `salt`: hex, so that the sender can show which text was received. `key_id`, `signature` (hex), `leaf_index`,
    `leaf_count`, `path` (hex): the proof that we gave it.
    """

    number: str
    received_at: str
    wait_s: int
    wait_as_of: str
    promises: tuple[Promise, ...]
    commitment: str
    salt: str
    key_id: str
    leaf_index: int = 0
    leaf_count: int = 1
    path: tuple[str, ...] = ()
    signature: str = ""


def commitment_to(salt: bytes, text: str) -> bytes:
    """The commitment to a text: 32 bytes that say nothing of it without the salt."""
    return sha256(salt + text.encode()).digest()


def rfc3339(moment: datetime) -> str:
    """A time as receipts and the API write it: UTC, microseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def sign_receipts(signer: Signer, receipts: Sequence[Receipt]) -> list[Receipt]:
    """The receipts of one batch (1 to 1,000) with their signature."""
    leaves = [leaf_hash(_signed_part(receipt)) for receipt in receipts]
    root, paths = root_and_paths(leaves)
    signature = signer.sign(RECEIPTS, _signed_root(len(leaves), root)).hex()
    return [
        msgspec.structs.replace(
            receipt,
            leaf_index=index,
            leaf_count=len(leaves),
            path=tuple(step.hex() for step in paths[index]),
            signature=signature,
        )
        for index, receipt in enumerate(receipts)
    ]


def receipt_is_good(public_key: bytes, receipt: Receipt) -> bool:
    """Whether the holder of this key gave this receipt; any changed field says no."""
    try:
        path, signature = [bytes.fromhex(step) for step in receipt.path], bytes.fromhex(receipt.signature)
    except ValueError:
        return False
    root = root_by_path(leaf_hash(_signed_part(receipt)), receipt.leaf_index, receipt.leaf_count, path)
    return root is not None and signature_is_good(
        public_key, RECEIPTS, _signed_root(receipt.leaf_count, root), signature
    )


def _signed_part(receipt: Receipt) -> bytes:
    """The fields that are signed, as one text without two readings."""
    promises = [[promise.kind, promise.due_at] for promise in receipt.promises]
    return msgspec.json.encode(
        [receipt.number, receipt.received_at, receipt.wait_s, receipt.wait_as_of, promises, receipt.commitment,
         receipt.salt, receipt.key_id]
    )  # fmt: skip


def _signed_root(count: int, root: bytes) -> bytes:
    return f"{count}\n{root.hex()}".encode()
