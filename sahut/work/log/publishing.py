"""Signed heads outside the database: a file a day, a line for each head with the proof that it extends the one before.

The table has every signed head, the files say what was published last, and whatever lies between is published next. So
a full disk, or a sealer on another machine, delays lines and loses none.
"""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from sahut.db import Connection, Queries
from sahut.work import merkle
from sahut.work.log.reading import prove_consistency

AT_ONCE = 10  # lines; a tick waits for them, and one new head comes in ten seconds
_NEWEST_FILES = 40
_TAIL = 65_536  # bytes; a line has some 5,000 at most
_BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)

_queries = Queries.load("sahut.work.log")
_log = structlog.get_logger()


class Publisher:
    """Appends to the files of one folder; `publish` is called by one sealer at a time.

    `is_behind`: there may be more to publish at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[int, datetime, bytes] | None = None
        self.is_behind = False

    async def publish(self, connection: Connection) -> int:
        """Append the signed heads that are not in the files yet, at most ten; how many. A full disk raises nothing.

        A folder without lines begins with the oldest head of the table. Reads `work.signed_head` and tiles.
        """
        try:
            if self._last is None:
                self._last = await asyncio.to_thread(_last_published, self._folder)
            n, signed_at, root = self._last
            rows = await _queries.heads_signed_after.fetch(connection, n=n, signed_at=signed_at, at_most=AT_ONCE)
            for row in rows:
                proof = await prove_consistency(connection, n, row["n"])
                line = line_of(row, n, root, proof)
                await asyncio.to_thread(_append, self._folder / f"{row['signed_at']:%Y-%m-%d}.jsonl", line)
                n, signed_at, root = self._last = row["n"], row["signed_at"], row["root"]
            self.is_behind = len(rows) == AT_ONCE
        except OSError as error:  # sealing goes on; the heads stand in the table and are tried again
            _log.error("heads_not_published", error=type(error).__name__)
            self._last, self.is_behind = None, False
            return 0
        return len(rows)


def line_of(row: Any, after: int, after_root: bytes, proof: list[bytes]) -> dict[str, Any]:
    """A published head as it is written: all that a reader needs to check it, and that it extends the one before."""
    return {
        "n": row["n"],
        "root": row["root"].hex(),
        "signed_at": row["signed_at"].isoformat(timespec="microseconds"),
        "key_id": row["key_id"],
        "signature": row["signature"].hex(),
        "extends": {"n": after, "root": after_root.hex(), "proof": [step.hex() for step in proof]},
    }


def _last_published(folder: Path) -> tuple[int, datetime, bytes]:
    """The head of the highest line. A clock that was set back may have written it into an older file."""
    last = 0, _BEFORE_ALL, merkle.EMPTY_ROOT
    for path in sorted(folder.glob("????-??-??.jsonl"))[-_NEWEST_FILES:]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            lines = file.read().split(b"\n")
        for line in lines[:-1]:  # what stands after the last newline was torn off, and is published again
            try:
                said = json.loads(line)
                head = said["n"], datetime.fromisoformat(said["signed_at"]), bytes.fromhex(said["root"])
            except (ValueError, KeyError, TypeError):
                continue  # the first piece of the tail, or not ours
            last = max(last, head)
    return last


def _append(path: Path, line: dict[str, Any]) -> None:
    """Append the line whole and on disk, or not at all."""
    written = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        end = _end_of_lines(handle)
        os.ftruncate(handle, end)
        try:
            _write_whole(handle, written, end)
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise
    finally:
        os.close(handle)


def _write_whole(handle: int, written: bytes, at: int) -> None:
    if os.pwrite(handle, written, at) != len(written):
        raise OSError("the disk took only a part of a line")


def _end_of_lines(handle: int) -> int:
    """After the last newline: behind it stands only what a kill has torn off."""
    size = os.fstat(handle).st_size
    start = max(0, size - _TAIL)
    return start + os.pread(handle, _TAIL, start).rfind(b"\n") + 1
