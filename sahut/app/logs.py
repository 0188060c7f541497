"""Logs: one JSON object a line, without personal data.

Events have names and ids. What an exception *says* may quote a row, and rows hold names and numbers of people, so of an
exception only its kinds and the places in our code are written, never its text; that holds for what nobody caught, too,
and of a library's line only the words that stand in the library. A line knows the request and the trace that it belongs
to, and has a bound.
"""

import contextlib
import logging
import logging.handlers
import os
import sys
import threading
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import ExcInfo, Processor

from sahut.db import tracing

_FILE_BYTES = 10 << 20
_FILES = 5
_WORDS_BYTES = 1 << 20
_SERVER_FILES = 8
_FIELDS, _VALUE_LETTERS, _EXCEPTION_LETTERS, _FOREIGN_LETTERS = 24, 500, 4000, 200
_ALWAYS = frozenset({"event", "level", "timestamp", "role", "logger", "request", "trace_id", "span_id", "exception"})


def write_logs(level: str, role: str, file: Path | None = None) -> None:
    """Send this process's logs to ``file`` (five files of 10 MiB at most), or to standard error when there is none."""
    if file is None:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
    else:
        handler = _to_file(file)
    # A line that cannot be written (the disk is full) is lost; telling so on standard error would fill that file.
    logging.raiseExceptions = False
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_places),
        _name(role),
        _belongs_to,
        _bounded,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_own_words, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A library's debugging may show what it sends; ours does not.
    for chatty in ("asyncio", "httpcore", "httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Python would print what nobody caught, with its text, into the file of last words.
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def keep_small(directory: Path) -> None:
    """Bound what programs say past their log: the last words of children (``*.err``) and PostgreSQL's own files.

    Of words beyond 1 MiB the newest stay in ``*.err.1``. Of PostgreSQL's files (32 MiB at most) eight stay. It never
    fails: what cannot be tidied now is tidied later.
    """
    for words in (*directory.glob("*.err"), directory / "postgres-start.log"):
        with contextlib.suppress(OSError):
            if words.stat().st_size > _WORDS_BYTES and not words.is_symlink():
                with words.open("rb+") as file:
                    file.seek(-_WORDS_BYTES // 4, os.SEEK_END)
                    words.with_name(f"{words.name}.1").write_bytes(file.read())
                    file.truncate(0)  # whoever writes adds to the end, which is now the beginning
    with contextlib.suppress(OSError):
        for old in sorted(directory.glob("postgres/postgres-*.log"))[:-_SERVER_FILES]:
            old.unlink(missing_ok=True)


def _to_file(file: Path) -> logging.Handler:
    try:
        return logging.handlers.RotatingFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILES - 1)
    except OSError:  # a log that cannot be opened is no reason not to serve
        return logging.StreamHandler(sys.stderr)


def _name(role: str) -> Processor:
    def add_role(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    return add_role


def _belongs_to(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the request and the trace, when there is one."""
    if (request := tracing.request.get()) is not None:
        event.setdefault("request", str(request))
    if (caused := tracing.cause()) is not None:
        _, event["trace_id"], event["span_id"], _ = caused.split("-")
    return event


def _bounded(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Cut what is too long; a line has a bounded number of bounded fields."""
    for name in list(event):
        value = event[name]
        if name.startswith("_") or isinstance(value, bool | int | float | type(None)):
            continue
        text = value if isinstance(value, str) else str(value)
        most = _EXCEPTION_LETTERS if name == "exception" else _VALUE_LETTERS
        event[name] = text if len(text) <= most else f"{text[:most]}…"
    more = [name for name in event if not name.startswith("_") and name not in _ALWAYS]
    for name in more[_FIELDS:]:
        del event[name]
    return event


def _own_words(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Of a library's line the first one as it stands in its code: what is filled in may be a row or a request."""
    record: logging.LogRecord = event["_record"]
    event["event"] = str(record.msg).split("\n", 1)[0][:_FOREIGN_LETTERS]
    event["logger"] = record.name
    return event


def _uncaught(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    told = error if error is not None else kind()
    structlog.get_logger().critical("uncaught", exc_info=(kind, told, where))
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{kind.__name__} was not caught; the log says where.\n")


def _places(exc_info: ExcInfo) -> str:
    """Render an exception and its causes as kinds and places, innermost cause first."""
    told: list[str] = []
    current: BaseException | None = exc_info[1]
    while current is not None and len(told) < 5:
        frames = traceback.extract_tb(current.__traceback__)[-8:]
        where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        state = getattr(current, "sqlstate", None)
        told.append(f"{type(current).__name__}{f' [{state}]' if state else ''} at {where or 'unknown'}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "; from ".join(told)
