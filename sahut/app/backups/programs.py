"""PostgreSQL's own programs for backups, and how they are told where the database is.

No secret is ever on a command line or in an environment: the address goes without its password, which stands in a file
that only we can read.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sahut.app.backups.store import give_to_owner
from sahut.app.cannot_start import CannotStart
from sahut.app.child import Child
from sahut.app.engines.binaries import find_programs

_ALIVE = "keepalives_idle=5&keepalives_interval=2&keepalives_count=3"
_SENTENCE_EVERY_S = 5.0
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Access:
    """How a program reaches the database: ``url`` without a password, and the file that has it."""

    url: str
    environment: Mapping[str, str]


def access(dsn: str, home: Path, name: str) -> Access:
    """Prepare the way in for PostgreSQL's programs.

    **Writes**: ``run/NAME.pgpass`` in the home, readable by us alone.
    """
    parts = urlsplit(dsn)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    location = parts.netloc.rsplit("@", 1)[-1]
    query = "&".join(part for part in (parts.query, f"application_name={quote(name)}", _ALIVE) if part)
    url = urlunsplit(parts._replace(netloc=f"{quote(user)}@{location}", query=query))
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}
    if password:
        escaped = password.replace("\\", "\\\\").replace(":", "\\:")
        file = home / "run" / f"{name}.pgpass"
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(f"*:*:*:{user}:{escaped}\n")
        give_to_owner(file.parent, draft)
        draft.replace(file)
        environment["PGPASSFILE"] = str(file)
    return Access(url, environment)


def program(name: str) -> str:
    return str(find_programs() / name)


def start(name: str, options: list[str | Path], way: Access, output: int) -> Child:
    """Start one of the programs as a child that ends with us."""
    return Child.start(
        name,
        [program(name), *options],
        death_signal=signal.SIGINT,
        environment=way.environment,
        output=output,
    )


async def run(
    name: str, options: list[str | Path], way: Access | None, words: Path, progress: Callable[[float], None]
) -> None:
    """Run one of the programs to its end. ``words``: a file for what it says; ``progress`` hears the seconds.

    **Refuses**: ``CannotStart`` with its last words when it fails.
    """
    with words.open("wb") as output:
        child = start(name, options, way or Access("", {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}), output.fileno())
        ended = asyncio.ensure_future(child.wait())
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while not (await asyncio.wait({ended}, timeout=_SENTENCE_EVERY_S))[0]:
                progress(loop.time() - began)
        except BaseException:
            await child.end(signal.SIGINT, grace_s=5)
            raise
    if (code := ended.result()) != 0:
        raise CannotStart(f"{name} ended with {code}: {last_words(words)}")


def last_words(file: Path) -> str:
    """Give the last lines that a program said, in one line; the programs of backups never quote rows."""
    said = file.read_text(errors="replace")[-_LAST_WORDS:].strip().splitlines()
    return " ".join(line.strip() for line in said[-3:]) or "it said nothing"
