"""Traces, as a collector gets them: spans with their parents, errors marked, and nothing where nobody asked."""

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cleanup import tracing
from tests.support.builders import NOW
from tests.support.cloud import Cli, Serve

POLICY = "version: 1\nrules:\n  - name: old\n    match: {tag: 'dev-*'}\n    older_than: 30d\n"
ON = {"OTEL_TRACES_EXPORTER": "otlp"}
SENT = "OTEL_EXPORTER_OTLP_ENDPOINT"
ERROR = 2


class Collector(ThreadingHTTPServer):
    """Takes what is exported, or answers with another status; `paths` are those it was asked at."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.answers = 200
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self.logins: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [values(group.resource.attributes) for group in self._groups()]

    @property
    def spans(self) -> list[Any]:
        return [span for group in self._groups() for scope in group.scope_spans for span in scope.spans]

    def _groups(self) -> list[Any]:
        return [
            group
            for body in self.bodies
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
        ]


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.append(self.path)
        self.server.logins.append(self.headers["authorization"])
        self.send_response(self.server.answers)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def values(attributes: Any) -> dict[str, Any]:
    """Attributes by name: each value is the one of its kinds that is set."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
        monkeypatch.setenv(SENT, server.url)
        yield server
        server.shutdown()


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def test_a_run_its_phases_and_its_requests_are_spans_each_in_the_other(
    cli: Cli, serve_cloud: Serve, policy: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    cloud = serve_cloud()
    called = cli("run", "-p", policy, "--apply", "--yes", *cloud.options)
    assert called.exit_code == 0, called.stderr
    assert set(collector.paths) == {"/v1/traces"}
    by_id = {span.span_id: span for span in collector.spans}
    (run,) = [span for span in collector.spans if not span.parent_span_id]
    assert run.name == "image-cleanup run"
    assert {span.trace_id for span in collector.spans} == {run.trace_id}
    assert (
        values(run.attributes).items() >= {"image_cleanup.target": "default", "process.exit.code": 0}.items()
    )
    phases = [span.name for span in collector.spans if span.parent_span_id == run.span_id and span.kind == 1]
    assert {"listing images", "reading users of images", "deciding", "deleting"} <= set(phases)
    deletes = [span for span in collector.spans if span.name == "DELETE"]
    assert len(deletes) == len(cloud.deleted) > 0
    assert {by_id[span.parent_span_id].name for span in deletes} == {"deleting"}
    told = values(deletes[0].attributes)
    assert told["http.response.status_code"] in (200, 204)
    assert told["server.address"] == "127.0.0.1"
    assert told["url.path"].startswith("/v1/")
    assert all(span.start_time_unix_nano <= span.end_time_unix_nano for span in collector.spans)
    assert all(span.status.code != ERROR for span in collector.spans)
    assert collector.resources[0].items() >= {
        "service.name": "image-cleanup", "deployment.environment.name": "staging",
    }.items()  # fmt: skip


def test_what_fails_is_marked_and_no_secret_is_told(
    cli: Cli, serve_cloud: Serve, policy: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "nightly")
    monkeypatch.setenv("MODELARTS_TOKEN", "canary-secret")
    cloud = serve_cloud()
    options = [word if word != "none" else "token" for word in cloud.options]
    called = cli("plan", "-p", policy, *options, "--project-id", "f" * 32)
    assert called.exit_code in (5, 6), called.stderr
    (run,) = [span for span in collector.spans if not span.parent_span_id]
    assert run.status.code == ERROR
    assert values(run.attributes)["error.type"] in ("AccessDenied", "InventoryError")
    (request, *_) = [span for span in collector.spans if span.name == "GET"]
    assert request.status.code == ERROR
    assert values(request.attributes)["error.type"] == str(
        values(request.attributes)["http.response.status_code"]
    )
    assert collector.resources[0]["service.name"] == "nightly"
    assert not any(b"canary-secret" in body for body in collector.bodies)


def test_a_collector_that_refuses_changes_no_exit_code(
    cli: Cli, serve_cloud: Serve, policy: Path, collector: Collector
) -> None:
    collector.answers = 400
    called = cli("plan", "-p", policy, *serve_cloud().options)
    assert called.exit_code == 0
    assert called.stderr.count("some traces could not be delivered") == 1


def test_the_end_waits_for_no_collector_for_long(
    monkeypatch: pytest.MonkeyPatch, collector: Collector
) -> None:
    monkeypatch.setattr(tracing, "_LONGEST_END", 0.01)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.answers = 503  # it is asked again
    warned: list[str] = []
    opened = tracing.open_tracing(ON, lambda: NOW, warned.append)
    assert opened
    opened.run("image-cleanup plan")
    opened.close()
    assert len(warned) == 1


OUTER = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("parent", "sent", "within"),
    [
        (f"00-{OUTER}-b7ad6b7169203331-01", 2, True),
        (f"00-{OUTER}-b7ad6b7169203331-00", 0, True),
        ("x", 2, False),
    ],
    ids=["sampled", "not-sampled", "nonsense"],
)
def test_a_run_is_within_the_span_that_traceparent_names(
    parent: str, sent: int, within: bool, collector: Collector
) -> None:
    warned: list[str] = []
    opened = tracing.open_tracing(ON | {"TRACEPARENT": parent}, lambda: NOW, warned.append)
    assert opened
    opened.run("image-cleanup run").begin("deciding")
    opened.close()
    assert (len(collector.spans), warned) == (sent, [])
    for span in collector.spans:
        assert (span.trace_id.hex() == OUTER) is within
        assert (span.parent_span_id.hex() == "b7ad6b7169203331") is (
            within and span.name == "image-cleanup run"
        )


def test_the_standard_variables_reach_the_collector_and_secrets_nobody_else(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=canary,of no form canary")
    warned: list[str] = []
    for sampler, sent in (("always_on", 1), ("always_off", 1)):
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
        opened = tracing.open_tracing(ON, lambda: NOW, warned.append)
        assert opened
        opened.run("image-cleanup run")
        opened.close()
        assert len(collector.spans) == sent
    assert collector.logins == ["canary"]
    assert "canary" not in "".join([*capfd.readouterr(), *warned])


def test_without_the_extra_there_is_a_warning_with_the_fix(
    cli: Cli, serve_cloud: Serve, policy: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    called = cli("plan", "-p", policy, *serve_cloud().options)
    assert called.exit_code == 0
    assert called.stderr.count("install modelarts-image-cleanup[otel]") == 1
    assert not collector.bodies


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ON, True),
        ({SENT: "http://c:4318"}, True),
        ({SENT: ""}, False),
        ({SENT: "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        (ON | {"OTEL_SDK_DISABLED": "True"}, False),
        (ON | {"OTEL_SDK_DISABLED": "false"}, True),
    ],
    ids=["nothing", "exporter", "endpoint", "empty", "none", "disabled", "not-disabled"],
)
def test_the_standard_variables_switch_traces_on_and_off(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(environment) is wanted


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "must be otlp"),
        (ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
    ],
    ids=["exporter", "protocol"],
)
def test_what_is_not_spoken_is_a_warning(environment: dict[str, str], word: str) -> None:
    warned: list[str] = []
    assert tracing.open_tracing(environment, lambda: NOW, warned.append) is None
    assert word in warned[0]


def test_a_variable_that_makes_no_sense_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    warned: list[str] = []
    assert tracing.open_tracing(ON, lambda: NOW, warned.append) is None
    assert "OTEL_" in warned[0]


def test_off_nothing_of_the_library_is_imported(
    cli: Cli, serve_cloud: Serve, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    assert cli("plan", "-p", policy, *serve_cloud().options).exit_code == 0
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
