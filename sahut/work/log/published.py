"""Published heads, checked without us: signatures, and that each head extends the one before. Pure.

A line of a published file is one JSON object: `n`, `root`, `signed_at`, `key_id`, `signature`, and `extends`: the head
published before it (`n`, `root`) with the proof of RFC 9162 section 2.1.4 that its tree is the beginning of this one.
Bytes are in hex. Lines of releases before the proofs have no `extends`.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from sahut.work import merkle
from sahut.work.log.reading import head_bytes
from sahut.work.signing import HEAD, key_id_of, signature_is_good

_TOLD_AT_MOST = 20


class Extends(msgspec.Struct, frozen=True):
    """The head that was published before, and at most 64 hashes that lead from it."""

    n: int
    root: str
    proof: tuple[str, ...]


class PublishedHead(msgspec.Struct, frozen=True):
    """A line of a published file, as it is written."""

    n: int
    root: str
    signed_at: str
    key_id: str
    signature: str
    extends: Extends | None = None


def read_heads(written: bytes) -> list[PublishedHead]:
    """The heads of one file, in its order. Raises `msgspec.MsgspecError` when it is no file of heads."""
    decode = msgspec.json.Decoder(PublishedHead).decode
    return [decode(line) for line in written.splitlines() if line.strip()]


def verify_heads(files: list[bytes], public_key: bytes | None) -> tuple[bool, list[str]]:
    """Whether the published heads of some files hold together, and sentences that say so; no bytes make it raise.

    `public_key`: 32 bytes that the reader trusts; without one there is nothing to check against.
    """
    if public_key is None or len(public_key) != 32:
        return False, ["Heads name no key; give the public key with --key."]
    try:
        heads = [head for written in files for head in read_heads(written)]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False, ["A file holds something else than published heads."]
    return check_heads(heads, public_key)


def check_heads(heads: Iterable[PublishedHead], public_key: bytes) -> tuple[bool, list[str]]:
    """Whether all of it holds, and a sentence for what was checked and each thing that does not hold, at most 20.

    `heads`: of one file or several, in any order. `public_key`: 32 bytes that the reader trusts.
    """
    ordered = sorted(heads, key=lambda head: (head.n, head.signed_at))
    if not ordered:
        return False, ["There is no head in it."]
    wrong: list[str] = []
    before: PublishedHead | None = None
    for head in ordered:
        wrong += _wrong_in(head, before, public_key)
        before = head
    first, last = ordered[0], ordered[-1]
    begins = f"extends the head of {first.extends.n}" if first.extends else "comes with no proof of what was before"
    lines = [
        f"Checked against the key {key_id_of(public_key)}.",
        f"{len(ordered)} heads, of {first.n} to {last.n} events; the first {begins}.",
        *wrong[:_TOLD_AT_MOST],
    ]
    if len(wrong) > _TOLD_AT_MOST:
        lines.append(f"{len(wrong) - _TOLD_AT_MOST} more things do not hold.")
    if not wrong:
        lines.append("Every signature is good, and each head extends the one before.")
    return not wrong, lines


def _wrong_in(head: PublishedHead, before: PublishedHead | None, public_key: bytes) -> list[str]:
    named = f"The head of {head.n} events"
    try:
        root, signature = bytes.fromhex(head.root), bytes.fromhex(head.signature)
        signed_at = datetime.fromisoformat(head.signed_at)
        proof = [bytes.fromhex(step) for step in head.extends.proof] if head.extends else []
        extended = bytes.fromhex(head.extends.root) if head.extends else b""
    except ValueError:
        return [f"{named} cannot be read."]
    wrong: list[str] = []
    if head.n < 0 or not signature_is_good(public_key, HEAD, head_bytes(head.n, root, signed_at), signature):
        wrong.append(f"{named}: the signature is NOT good.")
    if head.extends is not None and not merkle.extends(head.extends.n, extended, head.n, root, proof):
        wrong.append(f"{named} does NOT extend the head of {head.extends.n} events that it names.")
    if before is None:
        return wrong
    if before.n == head.n and before.root != head.root:
        wrong.append(f"{named} has two roots.")
    elif head.extends is not None and (head.extends.n, head.extends.root) != (before.n, before.root):
        wrong.append(f"{named} names another head before it than the one of {before.n} events: a file is missing.")
    elif head.extends is None and before.extends is not None:
        wrong.append(f"{named} has no proof, although those before it have.")
    return wrong
