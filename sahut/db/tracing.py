"""What caused what: the trace that a request, a batch or a job belongs to. Off unless the operator asks for it.

A cause is a W3C `traceparent`, a text of 55 characters that holds two random numbers and a flag and nothing else. It is
known to whatever runs on behalf of a request (`cause`), rides in the transaction (`sahut.traceparent`, from where a job
takes it), and comes back with the job, days later and in another process.

The floors below `app` know only this page. Who really records spans is installed at the start (`install`), so nothing
of OpenTelemetry is imported while it is off, and a span that nobody records costs a comparison.
Source: W3C Trace Context, level 1.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol

Kind = Literal["server", "internal", "producer", "consumer"]
Value = str | int | float | bool

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
LINKS_AT_MOST = 128
SETTING = "sahut.traceparent"


class Span(Protocol):
    """A span while it runs."""

    @property
    def traceparent(self) -> str | None:
        """What is told to who works on its behalf; None when this span is not recorded."""

    def note(self, name: str, value: Value) -> None:
        """Add an attribute: a word, a size or a count, never personal data."""

    def rename(self, name: str) -> None:
        """What it is called is known only now."""

    def fail(self, kind: str) -> None:
        """Mark it as failed; `kind` is the name of an exception or the code of a refusal, never a text."""

    def end(self) -> None:
        """The work is done; whatever is said afterwards is passed over."""


class Tracer(Protocol):
    """Who records spans."""

    def begin(
        self, name: str, kind: Kind, parent: str | None, links: Sequence[str], attributes: Mapping[str, Value]
    ) -> Span:
        """Begin a span under `parent` (a traceparent, or None: a trace of its own)."""


class RequestId:
    """The number under which a request is written down; drawn when first asked for, since most are never spoken of."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = ""

    def __str__(self) -> str:
        self._text = self._text or secrets.token_hex(6)
        return self._text


request: ContextVar[RequestId | None] = ContextVar("sahut_request", default=None)
_tracer: Tracer | None = None
_cause: ContextVar[str | None] = ContextVar("sahut_cause", default=None)
NOTHING: AbstractContextManager[None] = nullcontext()


def install(tracer: Tracer | None) -> None:
    """Record spans with this tracer from now on; None: no longer. The start of a process calls it once."""
    global _tracer  # noqa: PLW0603 — like logging, there is one for each process
    _tracer = tracer


def is_on() -> bool:
    """Whether spans are recorded in this process."""
    return _tracer is not None


def cause() -> str | None:
    """The traceparent of what runs now; None when nothing of it is recorded, and always while tracing is off."""
    return None if _tracer is None else _cause.get()


def in_sql() -> str:
    """The statement that tells a transaction what caused it, so that the jobs it writes know; empty when nothing did.

    It is text, to go in one round trip with `begin`: a traceparent holds nothing but hexadecimal digits.
    """
    caused = cause()
    return f"select set_config('{SETTING}', '{caused}', true)" if caused and is_traceparent(caused) else ""


def is_traceparent(text: str) -> bool:
    """Whether a text is a traceparent as we write it; only such a one may go into SQL."""
    return _TRACEPARENT.fullmatch(text) is not None


def is_sampled(traceparent: str) -> bool:
    """Whether its sender records it."""
    return bool(int(traceparent[-2:], 16) & 1)


def span(
    name: str,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    links: Sequence[str | None] = (),
    **attributes: Value,
) -> AbstractContextManager[Span | None]:
    """A span around a block of work; gives None while tracing is off.

    `parent`: the traceparent under which it stands; None: what runs now, if anything does. `links`: others that caused
    it as well, at most 128 are kept; None among them is passed over. What the block raises marks the span as failed.
    """
    if _tracer is None:
        return NOTHING
    return _recorded(_tracer, name, kind, parent or _cause.get(), links, attributes)


@contextmanager
def _recorded(
    tracer: Tracer,
    name: str,
    kind: Kind,
    parent: str | None,
    links: Sequence[str | None],
    attributes: Mapping[str, Value],
) -> Iterator[Span]:
    linked = [link for link in links if link is not None and is_traceparent(link)][:LINKS_AT_MOST]
    begun = tracer.begin(name, kind, parent if parent and is_traceparent(parent) else None, linked, attributes)
    before = _cause.set(begun.traceparent)
    try:
        yield begun
    except BaseException as error:
        begun.fail(getattr(error, "code", None) or type(error).__name__)
        raise
    finally:
        _cause.reset(before)
        begun.end()
