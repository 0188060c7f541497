"""Recording spans with OpenTelemetry, and handing them to a collector over OTLP/HTTP in protobuf.

Only imported when an operator has named a collector, since the SDK costs 80 ms of the start. Spans wait
in a bounded queue and are sent by a thread of their own; a collector that is away costs spans and never an answer.
Settings are OpenTelemetry's own (`OTEL_*`), see `docs/observing.md`.
Source: OpenTelemetry Protocol Exporter, OTLP 1.x over HTTP; W3C Trace Context.
"""

import http.client
import os
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from prometheus_client import Counter

from sahut.app.observing.collector import Collector
from sahut.db import tracing

_ATTRIBUTES, _VALUE_LETTERS = 32, 200
_KINDS = {
    "server": SpanKind.SERVER,
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

_SENT = Counter("sahut_spans", "Spans that were handed to the collector, or lost on the way.", ["outcome"])
_log = structlog.get_logger()


class Recorder:
    """The tracer that is installed. `name`: of the process, such as `web-0`."""

    def __init__(self, name: str, exporter: "OtlpExporter") -> None:
        service = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "sahut"}
        self._provider = TracerProvider(
            resource=Resource.create({**service, "service.instance.id": name}),
            span_limits=SpanLimits(
                max_span_attributes=_ATTRIBUTES,
                max_links=tracing.LINKS_AT_MOST,
                max_span_attribute_length=_VALUE_LETTERS,
            ),
            shutdown_on_exit=False,
        )
        self._exporter = exporter
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer: Tracer = self._provider.get_tracer("sahut")

    def begin(
        self,
        name: str,
        kind: tracing.Kind,
        parent: str | None,
        links: Sequence[str],
        attributes: Mapping[str, tracing.Value],
    ) -> "Recorded":
        """See `tracing.Tracer`."""
        # An empty context and not None, which would ask for OpenTelemetry's own idea of what runs now.
        above = set_span_in_context(NonRecordingSpan(_context(parent)), {}) if parent else {}  # type: ignore[arg-type]
        return Recorded(
            self._tracer.start_span(
                name,
                context=above,  # type: ignore[arg-type]
                kind=_KINDS[kind],
                attributes=dict(attributes),
                links=[Link(_context(link)) for link in links],
            )
        )

    def close(self) -> None:
        """Send what waits; a collector that does not answer within a second is not asked again."""
        self._exporter.hurry()
        self._provider.shutdown()


class Recorded:
    """A span while it runs; see `tracing.Span`."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._ended = False

    @property
    def traceparent(self) -> str | None:
        """Told on also when it is not sampled, so that all that follows from it is not sampled either."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags) & 1:02x}"

    def note(self, name: str, value: tracing.Value) -> None:
        if not self._ended:
            self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        if not self._ended:
            self._span.update_name(name)

    def fail(self, kind: str) -> None:
        if not self._ended:
            self._span.set_status(Status(StatusCode.ERROR))
            self._span.set_attribute("error.type", kind)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._span.end()


def _context(traceparent: str) -> SpanContext:
    _, trace, span, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16) & 1))


class OtlpExporter(SpanExporter):
    """Posts spans to a collector, one connection for each batch."""

    def __init__(self, collector: Collector) -> None:
        self._to = urlsplit(collector.url)
        self._headers = {**collector.headers, "content-type": "application/x-protobuf", "user-agent": "sahut"}
        self._within_s = collector.within_s
        self._ending = self._away = False
        self._tls = ssl.create_default_context(cafile=collector.certificate) if self._to.scheme == "https" else None

    def hurry(self) -> None:
        """The process ends: wait for nobody."""
        self._within_s, self._ending = 1.0, True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Called in the sender's own thread; what cannot be delivered is counted and dropped."""
        if self._ending and self._away:
            return self._lost(len(spans), "ending")
        try:
            status = self._post(encode_spans(spans).SerializeToString())
        except (OSError, http.client.HTTPException) as error:
            return self._lost(len(spans), type(error).__name__)
        if status // 100 != 2:
            return self._lost(len(spans), str(status))
        self._away = False
        _SENT.labels("sent").inc(len(spans))
        return SpanExportResult.SUCCESS

    def _post(self, body: bytes) -> int:
        host, port = self._to.hostname or "", self._to.port
        if self._tls is None:
            connection = http.client.HTTPConnection(host, port, timeout=self._within_s)
        else:
            connection = http.client.HTTPSConnection(host, port, timeout=self._within_s, context=self._tls)
        try:
            connection.request("POST", self._to.path or "/", body, self._headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def _lost(self, count: int, why: str) -> SpanExportResult:
        self._away = True
        _SENT.labels("lost").inc(count)
        _log.warning("spans_not_delivered", count=count, error=why)
        return SpanExportResult.FAILURE
