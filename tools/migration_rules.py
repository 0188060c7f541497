"""What a migration may do while the release before it still runs: docs/migrations.md, as far as a machine can check it.

Pure: from the text of a file to sentences. A house test asks it for every file.
"""

import re
from collections.abc import Callable

from sahut.db import Migration
from sahut.db.tokens import bare, statements

_NAME = r"[\w.\"]+"
_VOLATILE = r"(random|gen_random_uuid|uuidv7|clock_timestamp|nextval)"
# What the release before it may still need, or what its next insert would break on: only in a file that contracts.
_CONTRACTS: tuple[tuple[str, str], ...] = (
    (r"^drop (table|view|materialized view|function|type|schema|sequence|domain|procedure)\b", "drops"),
    (r"^alter table .*\bdrop (?!constraint|not null|default|identity|expression)", "drops a column"),
    (r"^alter .*\brename\b", "renames"),
    (r"^alter .*\bset schema\b", "moves"),
    (r"^alter table .*\bset not null\b", "forbids nulls that the release before may write"),
    (
        r"^alter table .*\badd (constraint \S+ )?(check|unique|primary key|foreign key|exclude)\b(?!.*not valid)",
        "forbids rows",
    ),
    (r"^revoke\b", "takes rights away"),
    (r"^truncate\b|^delete\b", "removes rows"),
)
# What holds a table for as long as it is large.
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"^alter table .*\balter (column )?\S+ (set data )?type\b", "changes a type"),
    (rf"^alter table .*\badd .*\bdefault\b.*\b{_VOLATILE}\(", "fills a column row by row"),
    (r"^alter table .*\badd .*\bgenerated always as \((?!.*\bvirtual\b)", "fills a column row by row"),
    (r"^alter table .*\badd .*\bgenerated (always|by default) as identity\b", "fills a column row by row"),
    (r"^alter table .*\bset (un)?logged\b|^cluster\b|^vacuum full\b", "writes a table anew"),
    (r"^update\b", "changes rows of a table"),
)  # fmt: skip
_INDEX = re.compile(
    r"^create (unique )?index (?P<concurrently>concurrently )?(?P<safely>if not exists )?(\S+ )?on (only )?"
    rf"(?P<table>{_NAME})"
)
_MADE = re.compile(rf"^create table (if not exists )?(?P<table>{_NAME})")
_ADDS_NOT_NULL = re.compile(r"\badd (column )?(if not exists )?(?!constraint)\S+ [^,]*\bnot null\b")
_REPEATABLE = re.compile(
    r"\bif (not )?exists\b|^(set|reset|comment on|grant|analyze)\b|^insert .*\bon conflict\b|^create or replace\b"
)


def broken_rules(migration: Migration) -> list[str]:
    """What the file may not do, a sentence each; empty when the release before it can go on beside it."""
    texts = [bare(statement) for statement in statements(migration.text)]
    made = {found["table"] for text in texts if (found := _MADE.match(text))}
    check = _Check(migration, made)
    return [sentence for text in texts for sentence in check(text)]


class _Check:
    def __init__(self, migration: Migration, made: set[str]) -> None:
        self._migration, self._made = migration, made

    def __call__(self, text: str) -> list[str]:
        rules: tuple[Callable[[str], str | None], ...] = (
            self._contracts,
            self._rewrites,
            self._index,
            self._not_null,
            self._repeatable,
        )
        return [f"{self._migration.name} {said}: {text[:80]}" for rule in rules if (said := rule(text)) is not None]

    def _contracts(self, text: str) -> str | None:
        if self._migration.contracts or self._is_new(text):
            return None
        return next(
            (f"{what} and has no line `-- contract: why`" for how, what in _CONTRACTS if re.search(how, text)), None
        )

    def _rewrites(self, text: str) -> str | None:
        if self._migration.rewrites or self._is_new(text):
            return None
        return next(
            (f"{what} and has no line `-- rewrite: why`" for how, what in _REWRITES if re.search(how, text)), None
        )

    def _index(self, text: str) -> str | None:
        found = _INDEX.match(text)
        if found is None or found["table"] in self._made:
            return None
        if found["concurrently"] and found["safely"] and not self._migration.in_transaction:
            return None
        if not found["concurrently"] and self._migration.rewrites:
            return None
        return (
            "makes an index on a table that is there:"
            " `create index concurrently if not exists` in a file with `-- no transaction`"
        )

    def _not_null(self, text: str) -> str | None:
        if not text.startswith("alter table") or self._is_new(text) or self._migration.contracts:
            return None
        first, *more = text.split(", add ")
        for adds in [first, *(f"add {part}" for part in more)]:
            if _ADDS_NOT_NULL.search(adds) and " default " not in adds and " generated " not in adds:
                return "adds a column that must not be null and has no default"
        return None

    def _repeatable(self, text: str) -> str | None:
        if self._migration.in_transaction or _REPEATABLE.search(text):
            return None
        return "cannot be begun again after a kill (`if not exists`)"

    def _is_new(self, text: str) -> bool:
        """Whether the statement is about a table that this very file makes."""
        found = re.match(
            rf"^(alter table|drop trigger \S+ on|update|delete from) (if exists )?(only )?(?P<table>{_NAME})", text
        )
        return found is not None and found["table"] in self._made
