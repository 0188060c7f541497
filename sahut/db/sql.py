"""Named SQL: the text stands in `queries.sql`, each query under `-- name: …`, with parameters written `:like_this`.

A parameter becomes `$1`, `$2` … in the order in which it first appears. Everything inside quotes (single, double,
dollar), comments, casts (`::bigint`) and array slices (`a[1:2]`) stays as it is. A file that cannot be read this way
stops the program at its start.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from sahut.db.pool import Connection
from sahut.db.tokens import Kind, Unfinished, statements, tokens

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
# A colon after a colon or a word is a cast or a slice.
_PARAMETER = re.compile(r"::|(?<=[\w\])\"]):|:([a-z_]\w*)")


class BadQuery(ValueError):
    """A query in a file of ours cannot be read; the sentence names it."""


class Query:
    """One named statement. The methods take the parameters by their names and go to asyncpg's of the same name."""

    __slots__ = ("name", "parameters", "text")

    def __init__(self, name: str, written: str) -> None:
        self.name = name
        order: dict[str, int] = {}

        def number(found: re.Match[str]) -> str:
            return found[0] if found[1] is None else f"${order.setdefault(found[1], len(order) + 1)}"

        try:
            if len(statements(written)) != 1:
                raise BadQuery(f"{name} is to be one statement")
            parts = [_numbered(kind, part, before, number) for kind, part, before in _with_what_stands_before(written)]
        except Unfinished as problem:
            raise BadQuery(f"{name}: {problem}") from None
        self.text = "".join(parts).strip().rstrip(";")
        self.parameters = tuple(order)

    def _arguments(self, values: dict[str, Any]) -> list[Any]:
        if len(values) == len(self.parameters):
            try:
                return [values[parameter] for parameter in self.parameters]
            except KeyError:
                pass  # told below
        missing, unknown = set(self.parameters) - set(values), set(values) - set(self.parameters)
        raise TypeError(
            f"{self.name} takes {', '.join(self.parameters) or 'nothing'}"
            + (f"; missing: {', '.join(sorted(missing))}" if missing else "")
            + (f"; unknown: {', '.join(sorted(unknown))}" if unknown else "")
        )

    async def fetch(self, connection: Connection, **values: Any) -> list[asyncpg.Record]:
        return await connection.fetch(self.text, *self._arguments(values))

    async def fetchrow(self, connection: Connection, **values: Any) -> asyncpg.Record | None:
        return await connection.fetchrow(self.text, *self._arguments(values))

    async def fetchval(self, connection: Connection, **values: Any) -> Any:
        return await connection.fetchval(self.text, *self._arguments(values))

    async def execute(self, connection: Connection, **values: Any) -> str:
        """Returns the status that PostgreSQL gives, such as `UPDATE 3`."""
        return await connection.execute(self.text, *self._arguments(values))


class Queries:
    """The named queries of one room, each an attribute."""

    def __init__(self, written: str) -> None:
        before, *parts = _NAME.split(written)
        names = parts[::2]
        if any(kind != "comment" and part.strip() for kind, part in tokens(before)):
            raise BadQuery("a statement stands before the first name")
        if twice := {name for name in names if names.count(name) > 1}:
            raise BadQuery(f"named twice: {', '.join(sorted(twice))}")
        self._queries = {name: Query(name, body) for name, body in zip(names, parts[1::2], strict=True)}

    @staticmethod
    @cache
    def load(package: str) -> "Queries":
        """The queries of `queries.sql` in a package such as `sahut.ledger`; read once for each process."""
        return Queries(files(package).joinpath("queries.sql").read_text("utf-8"))

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"no query is named {name}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def _with_what_stands_before(written: str) -> Iterator[tuple[Kind, str, str]]:
    """Each part with the last character before it: a colon at its beginning may be a slice's."""
    before = ""
    for kind, part in tokens(written):
        yield kind, part, before
        before = part[-1]


def _numbered(kind: Kind, part: str, before: str, number: Callable[[re.Match[str]], str]) -> str:
    if kind != "text":
        return part
    return _PARAMETER.sub(number, before + part)[len(before) :]
