"""Logs: one JSON object a line, without personal data.

Events have names and ids. What an exception *says* may quote a row, and rows hold names and numbers of people, so of an
exception only its kinds and the places in our code are written, never its text.
"""

import logging
import logging.handlers
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import ExcInfo, Processor

_FILE_BYTES = 10 << 20
_FILES = 5


def write_logs(level: str, role: str, file: Path | None = None) -> None:
    """Send this process's logs to ``file`` (five files of 10 MiB at most), or to standard error when there is none."""
    if file is None:
        handler: logging.Handler = logging.StreamHandler(sys.stderr)
    else:
        handler = logging.handlers.RotatingFileHandler(file, maxBytes=_FILE_BYTES, backupCount=_FILES - 1)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(_places),
        _name(role),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
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


def _name(role: str) -> Processor:
    def add_role(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    return add_role


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
