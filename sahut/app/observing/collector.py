"""Whether traces are wanted, and where they go: OpenTelemetry's own settings, read without importing any of it."""

import contextlib
import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from sahut.app.cannot_start import CannotStart
from sahut.db import tracing

WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Collector:
    """Who receives spans. `headers` may hold a secret; `certificate`: a file of authorities, None: the usual."""

    url: str
    headers: Mapping[str, str]
    certificate: str | None
    within_s: float = WITHIN_S


def collector_of(environment: Mapping[str, str] = os.environ) -> Collector | None:
    """The collector that the environment names; None when traces are off. Refuses: `CannotStart`.

    Source: OpenTelemetry Protocol Exporter, configuration options; General SDK configuration.
    """
    base, whole = (
        environment.get(f"OTEL_EXPORTER_OTLP_{what}ENDPOINT", "").strip() for what in ("", "TRACES_")
    )  # fmt: skip
    off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environment.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none" or not (base or whole):
        return None
    name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if whole else "OTEL_EXPORTER_OTLP_ENDPOINT"
    url = whole or base.rstrip("/") + "/v1/traces"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
        raise CannotStart(f"{name} must be like http://collector:4318.")
    protocol = _of_traces(environment, "PROTOCOL") or "http/protobuf"
    if protocol != "http/protobuf":
        raise CannotStart(f"OTEL_EXPORTER_OTLP_PROTOCOL {protocol!r} is not spoken here: use http/protobuf.")
    return Collector(url, _headers(_of_traces(environment, "HEADERS")), _of_traces(environment, "CERTIFICATE") or None)


@contextlib.contextmanager
def traced(name: str, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Record spans during the block, when a collector is named. `name`: of the process. Refuses: `CannotStart`."""
    collector = collector_of(environment)
    if collector is None:
        yield
        return
    # By name, so that nothing of the SDK is imported while traces are off.
    spans = importlib.import_module("sahut.app.observing.spans")
    recorder = spans.Recorder(name, spans.OtlpExporter(collector))
    tracing.install(recorder)
    try:
        yield
    finally:
        tracing.install(None)
        recorder.close()


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is one, or none is named."""
    try:
        return parts.port != 0
    except ValueError:
        return False


def _of_traces(environment: Mapping[str, str], what: str) -> str:
    """A setting for traces, or for all signals."""
    found = environment.get(f"OTEL_EXPORTER_OTLP_TRACES_{what}") or environment.get(f"OTEL_EXPORTER_OTLP_{what}", "")
    return found.strip()


def _headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, the values percent-encoded; what is none of it is passed over."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip().lower(): unquote(value.strip()) for name, equals, value in pairs if equals and name.strip()}
