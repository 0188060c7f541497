"""The proof that a contact was received, and its check without us: receipt, event, path, signed head."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from sahut.care import ContactState
from sahut.db import Connection
from sahut.journey.receipts import Receipt, receipt_is_good, rfc3339
from sahut.work import HEAD, head_bytes, key_id_of, leaf_hash, prove_inclusion, root_by_path, signature_is_good


class ContactProof(msgspec.Struct, frozen=True):
    """That a contact's event is in the sealed log. Bytes in hex, times RFC 3339.

    `leaf`: the event as it was hashed. `n`: its number in the log; `head_n`, `root`, `signed_at`, `key_id`,
    `signature`: a signed head that covers it; `path`: from the leaf to the root.
    """

    n: int
    leaf: str
    path: tuple[str, ...]
    head_n: int
    root: str
    signed_at: str
    key_id: str
    signature: str


class ContactFile(msgspec.Struct, frozen=True):
    """What `sahut verify` reads: the receipt, and the proof once there is one. Further fields are passed over.

    A receipt alone, as `POST /api/v1/contacts` answers it, is read too.
    """

    receipt: Receipt
    proof: ContactProof | None = None
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What the check found: `good` when all that the file claims holds; `lines`: a sentence for each thing checked."""

    good: bool
    lines: list[str]


async def proof_of_contact(connection: Connection, contact: ContactState) -> ContactProof | None:
    """The proof for a contact; None until its event is sealed under a signed head (some ten seconds). Reads only."""
    found = await prove_inclusion(connection, contact.event_id)
    if found is None:
        return None
    return ContactProof(
        n=found.n,
        leaf=found.leaf,
        path=tuple(step.hex() for step in found.path),
        head_n=found.head_n,
        root=found.root.hex(),
        signed_at=rfc3339(found.signed_at),
        key_id=found.key_id,
        signature=found.signature.hex(),
    )


def verify_contact_file(written: bytes, public_key: bytes | None) -> FileVerdict:
    """Check a saved receipt and its inclusion proof offline.

    `public_key`: 32 bytes that the reader trusts; None takes the one in the file and says so.
    Returns a verdict for any bytes; nothing raises.
    """
    try:
        file = _read_file(written)
        key = bytes.fromhex(file.public_key or "") if public_key is None else public_key
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return FileVerdict(False, [f"This file is no receipt: {_shown(str(error))}"])
    if len(key) != 32:
        return FileVerdict(False, ["There is no public key to check against; give one with --key."])
    source = (
        "the key in the file, so compare it with our signed directory" if public_key is None else "the key you gave"
    )
    lines = [f"Checked against {source}: {key_id_of(key)}."]
    good = _check_receipt(file.receipt, key, lines)
    if file.proof is None:
        lines.append("The file has no inclusion proof yet; ask for the contact again in a minute.")
        return FileVerdict(good, lines)
    return FileVerdict(_check_proof(file.receipt, file.proof, key, lines) and good, lines)


def _shown(text: str) -> str:
    """What a file says, in one line and without what could draw on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:120])


def _read_file(written: bytes) -> ContactFile:
    fields = msgspec.json.decode(written, type=dict[str, msgspec.Raw])
    if "receipt" in fields:
        return msgspec.json.decode(written, type=ContactFile)
    return ContactFile(msgspec.json.decode(written, type=Receipt))


def _check_receipt(receipt: Receipt, key: bytes, lines: list[str]) -> bool:
    good = receipt_is_good(key, receipt)
    named = f"Receipt {_shown(receipt.number)} of {_shown(receipt.received_at)}"
    lines.append(f"{named}: the signature is {'good' if good else 'NOT good'}.")
    return good


def _check_proof(receipt: Receipt, proof: ContactProof, key: bytes, lines: list[str]) -> bool:
    try:
        path = [bytes.fromhex(step) for step in proof.path]
        root, signature = bytes.fromhex(proof.root), bytes.fromhex(proof.signature)
        signed_at = datetime.fromisoformat(proof.signed_at)
        event = json.loads(proof.leaf)
    except (ValueError, RecursionError) as error:
        lines.append(f"The proof cannot be read: {_shown(str(error))}")
        return False
    same = _is_about(event, receipt)
    lines.append(f"The event in the log {'is about this receipt' if same else 'is NOT about this receipt'}.")
    inside = root_by_path(leaf_hash(proof.leaf.encode()), proof.n - 1, proof.head_n, path) == root
    lines.append(f"Event {proof.n} {'is' if inside else 'is NOT'} in the log of {proof.head_n} events.")
    signed = signature_is_good(key, HEAD, head_bytes(proof.head_n, root, signed_at), signature)
    lines.append(
        f"The head of the log of {_shown(proof.signed_at)}: the signature is {'good' if signed else 'NOT good'}."
    )
    return same and inside and signed


def _is_about(event: Any, receipt: Receipt) -> bool:
    """Whether a leaf is the event of this receipt: same number, same commitment."""
    if not (isinstance(event, list) and len(event) == 6 and isinstance(event[5], dict)):
        return False
    body = event[5]
    return (event[2], event[4]) == ("care", "contact_received") and (body.get("number"), body.get("commitment")) == (
        receipt.number,
        receipt.commitment,
    )
