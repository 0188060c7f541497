"""Signatures of the house: Ed25519 (RFC 8032), each for one purpose only.

The purpose is signed with the data, so that a signature for a receipt can never pass as one for a head of the log.
"""

from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

RECEIPTS = "sahut receipts v1"
HEAD = "sahut log head v1"


class Signer:
    """Signs with one key. `key_id`: 16 hex digits of the hash of the public key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    @staticmethod
    def from_seed(seed: bytes) -> "Signer":
        """From the 32 secret bytes of the key."""
        return Signer(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, purpose: str, data: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(_signed_bytes(purpose, data))


def key_id_of(public_key: bytes) -> str:
    """The short name of a public key of 32 bytes."""
    return sha256(public_key).hexdigest()[:16]


def signature_is_good(public_key: bytes, purpose: str, data: bytes, signature: bytes) -> bool:
    """Whether this key signed this data for this purpose."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _signed_bytes(purpose, data))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed_bytes(purpose: str, data: bytes) -> bytes:
    return purpose.encode() + b"\n" + data
