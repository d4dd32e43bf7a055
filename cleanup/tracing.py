"""OpenTelemetry: a span a run, a phase and a request, where the environment asks for traces.

Nothing of OpenTelemetry is imported before that. It never ends a run: what cannot be set up or delivered is a warning.
No header, body, query or message is told, for they may hold secrets.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import cleanup

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_LONGEST_END = 3.0  # seconds that the end of a command waits for spans to be delivered
_MISSING = "its libraries are not installed: install modelarts-image-cleanup[otel]"


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OTEL_TRACES_EXPORTER or an OTLP endpoint asks for traces, and OTEL_SDK_DISABLED does not forbid them."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter != "none" if exporter else any(environment.get(name) for name in _ENDPOINTS)


def open_tracing(
    environment: Mapping[str, str], now: Callable[[], datetime], warn: Callable[[str], None]
) -> "Tracing | None":
    """What spans are made with; None, and a warning, where there can be none."""
    why = _not_spoken(environment)
    try:
        return None if why else Tracing(now, warn, environment)
    except ImportError:
        why = _MISSING
    except Exception as error:  # a variable that makes no sense to the library
        why = f"{type(error).__name__}: check the OTEL_ variables"
    finally:
        if why:
            warn(f"no traces are sent: {why}")
    return None


def _not_spoken(environment: Mapping[str, str]) -> str:
    """What is asked for and not supported; empty where all is."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "otlp"):
        return "OTEL_TRACES_EXPORTER must be otlp or none"
    protocol = next((environment[name] for name in _PROTOCOLS if environment.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        return "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, usually on port 4318"
    return ""


class Tracing:
    """The spans of one command, delivered in batches by a thread of their own. Raises ImportError without the extra."""

    def __init__(
        self, now: Callable[[], datetime], warn: Callable[[str], None], environment: Mapping[str, str]
    ) -> None:
        self._now = now
        self._warn = warn
        self._within = _outer_span(environment)
        self._complaints = _Complaints()
        self._provider = _provider()
        self._tracer = self._provider.get_tracer("image-cleanup", cleanup.__version__)
        self._runs: list[RunSpans] = []

    def run(self, name: str, **attributes: str) -> "RunSpans":
        """Begin the span of one run on one target, within that of whoever called us."""
        run = RunSpans(self._tracer, self._now, self._within, name, attributes)
        self._runs.append(run)
        return run

    def close(self, error: BaseException | None = None) -> None:
        """End what is still open, and deliver all of it within a few seconds; say so where that fails."""
        for run in self._runs:
            run.end(error)
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_LONGEST_END)
        self._complaints.stop()
        if sending.is_alive() or self._complaints.heard:
            self._warn(
                "some traces could not be delivered: check OTEL_EXPORTER_OTLP_ENDPOINT and its collector"
            )


class RunSpans:
    """The span of a run, within it the phase that it is in, within that its requests."""

    def __init__(
        self,
        tracer: "Tracer",
        now: Callable[[], datetime],
        within: "Context",
        name: str,
        attributes: Mapping[str, str],
    ) -> None:
        self._tracer = tracer
        self._now = now
        self._run = tracer.start_span(name, within, attributes=attributes, start_time=_nanoseconds(now()))
        self._phase: Span | None = None

    def begin(self, phase: str) -> None:
        """The phase before it is over."""
        from opentelemetry.trace import set_span_in_context

        self.end_phase()
        within = set_span_in_context(self._run)
        self._phase = self._tracer.start_span(phase, within, start_time=_nanoseconds(self._now()))

    def end_phase(self, error: BaseException | None = None) -> None:
        if self._phase:
            _end(self._phase, self._now(), error)
            self._phase = None

    def end(self, error: BaseException | None = None) -> None:
        """The run is over; `error` is why, where it failed. The first word counts."""
        self.end_phase(error)
        if self._run.is_recording():
            _end(self._run, self._now(), error)

    def finished(self, exit_code: int) -> None:
        """The run has come to its end by itself; which exit code it has alone."""
        self._run.set_attribute("process.exit.code", exit_code)
        if exit_code:
            _mark(self._run, f"exit_code_{exit_code}")

    def request(
        self,
        method: str,
        url: str,
        seconds: float,
        *,
        attempt: int,
        status: int | None,
        request_id: str | None,
    ) -> None:
        """An attempt of a request has ended after so long; `status` is None where no answer came."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        now = self._now()
        span = self._tracer.start_span(
            method,
            set_span_in_context(self._phase or self._run),
            SpanKind.CLIENT,
            _of_request(method, url, attempt, status, request_id),
            start_time=_nanoseconds(now - timedelta(seconds=seconds)),
        )
        if status is None or status >= 400:
            _mark(span, "no_response" if status is None else str(status))
        span.end(_nanoseconds(now))


def _of_request(
    method: str, url: str, attempt: int, status: int | None, request_id: str | None
) -> dict[str, str | int]:
    """Attributes by the semantic conventions of HTTP clients; of the URL neither login nor query."""
    parts = urlsplit(url)
    found = {
        "http.request.method": method,
        "http.request.resend_count": attempt - 1 or None,
        "http.response.status_code": status,
        "server.address": parts.hostname,
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        "url.scheme": parts.scheme,
        "url.path": parts.path,
        "image_cleanup.request_id": request_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def _end(span: "Span", now: datetime, error: BaseException | None) -> None:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if error:
        _mark(span, type(error).__name__)
    span.end(_nanoseconds(now))


def _mark(span: "Span", error_type: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6) * 1000


def _outer_span(environment: Mapping[str, str]) -> "Context":
    """The span that TRACEPARENT names, as W3C writes it; none where it makes no sense."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    names = ("traceparent", "tracestate")
    return TraceContextTextMapPropagator().extract(
        {name: environment[name.upper()] for name in names if environment.get(name.upper())}
    )


def _provider() -> "TracerProvider":
    """It reads the standard variables itself; a service name of theirs beats ours."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    own = Resource.create({"service.name": "image-cleanup", "service.version": cleanup.__version__})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class _Complaints(logging.Handler):
    """Hears what the library says to its logs, which would be printed among ours; foreign text is not repeated."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard = False
        self._logger = logging.getLogger("opentelemetry")
        self._logger.addHandler(self)
        self._logger.propagate = False

    def stop(self) -> None:
        """Its library may still be at it in its thread, and is heard by nobody from now on."""
        self._logger.removeHandler(self)
        if not self._logger.handlers:
            self._logger.addHandler(logging.NullHandler())

    def emit(self, record: logging.LogRecord) -> None:
        """A warning may be of what was delivered at the second try; not so that of a full queue."""
        if record.levelno >= logging.ERROR or str(record.msg).startswith("Queue full"):
            self.heard = True
