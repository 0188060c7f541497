"""The keys of a home in a backup: apart from the data, and closed with a passphrase when there is one.

Without ``number.key`` contact numbers repeat, and without ``desk.key`` another key signs, so a restored home needs its
secrets. But who erases a person destroys a key, and a key that lies in a yearly copy is not destroyed; therefore the
keys are files of their own, kept exactly as long as the base backups here, and to be left out of any longer store.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sahut.app.backups.store import write_whole
from sahut.app.cannot_start import CannotStart

# 64 MiB and some 0.2 s for each guess (RFC 7914); the passphrase is typed by nobody, so it may be long.
_COST, _BLOCK, _PARALLEL = 1 << 16, 8, 1
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_LEAST_PASSPHRASE = 12
_SECRET_BYTES = 64 << 10


def read_secrets(home: Path) -> dict[str, bytes]:
    """**Returns**: name → content of every file in ``secrets/``."""
    directory = home / "secrets"
    if not directory.is_dir():
        raise CannotStart(f"{home} has no secrets: `sahut backup` runs where `sahut up` has run.")
    found = {}
    for path in sorted(directory.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.stat().st_size <= _SECRET_BYTES:
            found[path.name] = path.read_bytes()
    return found


def write_secrets(home: Path, secrets: Mapping[str, bytes]) -> None:
    """Put secrets into a new home. **Writes**: ``secrets/``, readable by the owner alone."""
    directory = home / "secrets"
    directory.mkdir(mode=0o700)
    for name, content in secrets.items():
        if not name.isprintable() or "/" in name or name.startswith("."):
            raise CannotStart(f"The keys name a file {name!r}, which no home has: they are damaged.")
        write_whole(directory / name, content)


def seal_keys(secrets: Mapping[str, bytes], passphrase: bytes | None) -> bytes:
    """Give the keys as the file of a backup; encrypted when there is a passphrase (scrypt, AES-256-GCM)."""
    content = {name: base64.b64encode(secret).decode() for name, secret in secrets.items()}
    if passphrase is None:
        return json.dumps({"format": 1, "closed": False, "secrets": content}).encode()
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    shown = {"format": 1, "closed": True, "kdf": "scrypt", "n": _COST, "r": _BLOCK, "p": _PARALLEL}
    shown |= {"salt": salt.hex(), "nonce": nonce.hex()}
    key = _stretch(passphrase, salt, _COST, _BLOCK, _PARALLEL)
    sealed = AESGCM(key).encrypt(nonce, json.dumps(content).encode(), _bound(shown))
    return json.dumps({**shown, "sealed": base64.b64encode(sealed).decode()}).encode()


def open_keys(file: Path, passphrase: bytes | None) -> dict[str, bytes]:
    """Read the keys of a backup again. **Refuses**: ``CannotStart`` when they are missing, closed or damaged."""
    try:
        told = json.loads(file.read_bytes())
        if told["closed"]:
            if passphrase is None:
                raise CannotStart(f"{file} is encrypted: name its passphrase with SAHUT_BACKUP_PASSPHRASE_FILE.")
            shown = {name: value for name, value in told.items() if name != "sealed"}
            if not (1 << 14 <= told["n"] <= 1 << 20 and told["r"] == _BLOCK and told["p"] == _PARALLEL):
                raise CannotStart(f"{file} is damaged: it asks for a key that we do not make.")
            key = _stretch(passphrase, bytes.fromhex(told["salt"]), told["n"], told["r"], told["p"])
            opened = AESGCM(key).decrypt(bytes.fromhex(told["nonce"]), base64.b64decode(told["sealed"]), _bound(shown))
            content = json.loads(opened)
        else:
            content = told["secrets"]
        return {str(name): base64.b64decode(secret, validate=True) for name, secret in content.items()}
    except FileNotFoundError:
        raise CannotStart(f"The keys {file} are missing: put them back beside the backup.") from None
    except InvalidTag:
        raise CannotStart(f"{file} cannot be opened: the passphrase is another one, or the file is damaged.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CannotStart(f"{file} is damaged: take the keys of another backup.") from None


def read_passphrase(file: Path | None) -> bytes | None:
    """**Refuses**: ``CannotStart`` when the file cannot be read or is too short to protect anything."""
    if file is None:
        return None
    try:
        passphrase = file.read_bytes().strip()
    except OSError as problem:
        raise CannotStart(f"SAHUT_BACKUP_PASSPHRASE_FILE {file} cannot be read: {problem.strerror}.") from problem
    if len(passphrase) < _LEAST_PASSPHRASE:
        raise CannotStart(f"SAHUT_BACKUP_PASSPHRASE_FILE {file} needs {_LEAST_PASSPHRASE} characters or more.")
    return passphrase


def _stretch(passphrase: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=cost, r=block, p=parallel).derive(passphrase)


def _bound(shown: Mapping[str, object]) -> bytes:
    """What stands beside the sealed part cannot be changed without its opening failing."""
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).digest()
