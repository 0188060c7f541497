"""A wire between a sealer and the database that can be made to swallow everything, in both directions."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit


class Wire:
    """A socket in `folder` that leads to the database of `dsn`; `dsn` of the wire is what to connect to."""

    def __init__(self, folder: Path, dsn: str) -> None:
        address = urlsplit(dsn)
        asked = parse_qs(address.query)
        self._there = Path(asked["host"][0]) / ".s.PGSQL.5432"
        self._here = folder / ".s.PGSQL.5432"
        self.dsn = urlunsplit(address._replace(query=f"host={quote(str(folder), safe='')}"))
        self.swallows = False
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._here)

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._there)
        await asyncio.gather(self._carry(reader, to_server), self._carry(from_server, writer), return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65_536):
            if not self.swallows:
                writer.write(piece)
                await writer.drain()
        if not self.swallows:  # a lost network tells nobody that the other side has gone
            writer.close()
