"""Named SQL: the text stands in `queries.sql`, each query under `-- name: …`, with parameters written `:like_this`.

A parameter becomes `$1`, `$2` … in the order in which it first appears. Everything inside quotes, comments, casts
(`::bigint`) and array slices (`a[1:2]`) stays as it is.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import asyncpg

from sahut.db.pool import Connection

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
# What must not be touched comes first, a parameter last: a colon after a colon or a word is a cast or a slice.
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|(?<=[\w\])]):|:([a-z_]\w*)")


class Query:
    """One named statement. The methods take the parameters by their names and go to asyncpg's of the same name."""

    __slots__ = ("name", "parameters", "text")

    def __init__(self, name: str, written: str) -> None:
        self.name = name
        order: dict[str, int] = {}

        def number(token: re.Match[str]) -> str:
            parameter = token[1]
            if parameter is None:
                return token[0]
            return f"${order.setdefault(parameter, len(order) + 1)}"

        self.text = _TOKEN.sub(number, written).strip().rstrip(";")
        self.parameters = tuple(order)

    def _arguments(self, values: dict[str, Any]) -> list[Any]:
        if len(values) != len(self.parameters):
            raise TypeError(f"{self.name} takes {', '.join(self.parameters)}")
        return [values[parameter] for parameter in self.parameters]

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
        parts = _NAME.split(written)
        self._queries = {name: Query(name, body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}

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
