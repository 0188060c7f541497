"""Published heads of the sealed log, and what they say about a log that was restored.

A head tells outside the database how many events there were and what they fold to. A restored log is true when it is a
beginning of the log that was published: then the newest head also tells, honestly, how many events are missing.

After a restore to an earlier moment the log goes on differently from there. The restore writes that into the log
itself, so that heads of the branch that ended are known as such and are not mistaken for damage.
"""

import contextlib
import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sahut.app.backups.store import copy_plain, give_to_owner
from sahut.db import Connection
from sahut.work import HEAD, head_bytes, key_id_of, read_tile, root_of, signature_is_good

COMPARED = 256
_NAMES = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].jsonl"
# The tree lies in tiles of 256 hashes; a tile's root is one hash of the next level.
_TILE_BITS, _TILE_MASK, _LEVELS = 8, 255, 8
_LINES_BYTES = 1 << 20  # of each day's file, from its end: some four thousand heads


@dataclass(frozen=True, slots=True)
class PublishedHead:
    n: int
    root: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Branch:
    """The log was cut back to ``n`` events at ``at``: heads from before with more events are of a branch that ended."""

    n: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """``log_n``: events of the restored log; ``published_n``: what the newest published head says, 0 without any.

    ``proven_n``: the newest head that the restored log folds to, 0 when none could be compared.
    """

    log_n: int
    published_n: int
    published_at: datetime | None
    proven_n: int
    findings: tuple[str, ...]

    @property
    def missing(self) -> int:
        return max(0, self.published_n - self.log_n)


def copy_heads(source: Path, target: Path) -> int:
    """Copy what is new in published heads. They only grow, so a shorter file never replaces a longer one.

    **Returns**: how many files were copied.
    """
    copied = 0
    for path in sorted(source.glob(_NAMES)):
        beside = target / path.name
        found = path.lstat()
        size = found.st_size
        if not stat.S_ISREG(found.st_mode):
            continue
        if beside.exists() and beside.stat().st_size >= size:
            continue
        draft = target / f".{path.name}"
        copy_plain(path, draft)
        draft.replace(beside)
        give_to_owner(target, beside)
        copied += 1
    return copied


def read_heads(directories: Iterable[Path], public_key: bytes) -> list[PublishedHead]:
    """Read the published heads that our key has signed, newest (largest n) first. Other lines are left out."""
    found: set[PublishedHead] = set()
    key_id = key_id_of(public_key)
    for directory in directories:
        for path in sorted(directory.glob(_NAMES))[-3:]:
            for line in _last_lines(path):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    told = json.loads(line)
                    head = PublishedHead(
                        told["n"], bytes.fromhex(told["root"]), datetime.fromisoformat(told["signed_at"])
                    )
                    signed = head_bytes(head.n, head.root, head.signed_at)
                    signature = bytes.fromhex(told["signature"])
                    if told["key_id"] == key_id and signature_is_good(public_key, HEAD, signed, signature):
                        found.add(head)
    return sorted(found, key=lambda head: (head.n, head.signed_at), reverse=True)


async def compare_heads(
    connection: Connection, log_n: int, heads: list[PublishedHead], branches: list[Branch]
) -> Comparison:
    """Hold the restored log of ``log_n`` events against the published heads. Reads only."""
    living = [head for head in heads if not any(_is_dead(head, branch) for branch in branches)]
    findings = []
    proven_n = 0
    for head in [head for head in living if head.n <= log_n][:COMPARED]:
        if await _root_at(connection, head.n) == head.root:
            proven_n = max(proven_n, head.n)
        else:
            findings.append(f"The first {head.n} events do not fold to the head published at {head.signed_at}.")
    newest = max(living, key=lambda head: head.n, default=None)
    return Comparison(
        log_n=log_n,
        published_n=newest.n if newest else 0,
        published_at=newest.signed_at if newest else None,
        proven_n=proven_n,
        findings=tuple(findings[:10]),
    )


def newest_head_n(directory: Path) -> int:
    """Give the number of the newest head in a directory of heads, unchecked; 0 when there is none."""
    newest = 0
    for path in sorted(directory.glob(_NAMES))[-1:]:
        for line in _last_lines(path)[-2:]:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                newest = max(newest, int(json.loads(line)["n"]))
    return newest


async def _root_at(connection: Connection, n: int) -> bytes:
    """The root over the first ``n`` events, from the tiles of the log: some three reads, however long the log is."""
    subtrees: list[bytes] = []
    for level in reversed(range(_LEVELS)):
        count = n >> _TILE_BITS * level & _TILE_MASK
        if count == 0:
            continue
        hashes = (await read_tile(connection, level, n >> _TILE_BITS * (level + 1)))[:count]
        while hashes:  # the binary ones of the count are the perfect subtrees, the largest first
            width = 1 << len(hashes).bit_length() - 1
            subtrees.append(root_of(hashes[:width]))
            hashes = hashes[width:]
    if not subtrees:
        return root_of([])
    root = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        root = root_of([left, root])
    return root


def _is_dead(head: PublishedHead, branch: Branch) -> bool:
    return head.n > branch.n and head.signed_at < branch.at


def _last_lines(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LINES_BYTES))
        return file.read().decode(errors="replace").splitlines()
