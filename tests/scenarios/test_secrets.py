"""Canaries in every secret, over whole runs with errors: none is ever said, written down or shown in a traceback."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from cleanup.modelarts.auth import choose as credentials
from cleanup.modelarts.http.open_connection import OpenConnection
from cleanup.simulator import Access, Fault
from cleanup.simulator import AuthMode as Auth
from cleanup.simulator import SimulatedLogin as Login
from cleanup.simulator import fault_effects as misbehaviour
from cleanup.simulator.messages import ApiResponse as Answer
from cleanup.simulator.messages import Call
from cleanup.simulator.messages import error_response as refusal
from cleanup.simulator.routes import Operation
from tests.support.chaos import Prepare, Witness, audit, jump, login_to, nth, preparing, set_faults
from tests.support.cloud import Called, Cli, Serve

pytestmark = pytest.mark.no_cover  # conftest says why

WAYS = [Auth.TOKEN, Auth.PASSWORD, Auth.AKSK, Auth.TEMPORARY]
CANARIES = Login(
    token="canary-ready-token",
    password="canary-password",
    ak="CANARYACCESSKEY00000",
    sk="canary-secret-key",
    security_token="canary-security-token",
)
WRONG = Login(
    token="canary-wrong-token",
    password="canary-wrong-password",
    ak="CANARYWRONGKEY000000",
    sk="canary-wrong-secret-key",
    security_token="canary-wrong-security-token",
)
HEADERS = ("authorization", "x-auth-token", "x-security-token")


class Listening(Access):
    """Asks for a login, and remembers every secret that it hears or hands out."""

    def __init__(self, auth: Auth) -> None:
        super().__init__(auth, CANARIES)
        self.heard: set[str] = set()

    def change(self, login: Login, now: datetime) -> None:
        """Another login is right from now on, and no token that was issued is good any more."""
        self.login = login
        self.expire_tokens(now)

    def refuse(self, call: Call, now: datetime) -> Answer | None:
        values = [call.headers[name] for name in HEADERS if name in call.headers]
        self.heard.update(values)
        self.heard.update(found for value in values for found in re.findall(r"Signature=(\w+)", value))
        return super().refuse(call, now)

    def issue(self, call: Call, project_id: str, now: datetime) -> Answer:
        given = super().issue(call, project_id, now)
        self.heard |= {given.headers["X-Subject-Token"]} if given.status == 201 else set()
        return given


@pytest.fixture(params=WAYS)
def access(request: pytest.FixtureRequest) -> Listening:
    way: Auth = request.param
    return Listening(way)


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


def must_not_tell(access: Listening, folder: Path, *calls: Called) -> None:
    """No canary, no token that was issued, no header and no signature in what was said or written."""
    said = [text for called in calls for text in (called.stdout, called.stderr)]
    written = [path.read_text(encoding="utf-8", errors="replace") for path in files(folder)]
    assert any(said)
    assert access.heard
    for text in said + written:
        assert not re.search(r"(?i)canary|authorization:|sdk-hmac|signature=", text)
        assert not [secret for secret in access.heard if secret in text]


def files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("log_format", ["json", "plain"])
def test_whole_runs_with_errors(
    cli: Cli,
    prepare: Prepare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    access: Listening,
    log_format: str,
) -> None:
    clock = jump(cli)
    logs = ["--log-format", log_format, "--verbose"]
    job = prepare(Witness(120), *logs, access=access)
    connecting = [*job.cloud.options, *job.options]
    reading = [
        cli("plan", "-p", job.folder / "policy.yaml", "-o", "again.jsonl", *connecting),
        cli("run", "-p", job.folder / "policy.yaml", *connecting),
        cli("explain", next(iter(job.planned)), "-p", job.folder / "policy.yaml", *connecting),
    ]
    assert [called.exit_code for called in reading] == [0, 0, 0]
    set_faults(
        job.cloud,
        *("delete:400=0.1", "delete:403=0.1", "delete:502=0.1", "delete:drop-after=0.1"),
        *("delete:redirect=0.1", "delete:429=0.1", "delete:truncated=0.1", "show:500=0.5", "show:403=0.3"),
    )
    job.service.onlookers.append(nth(Operation.DELETE, 60, lambda: access.change(WRONG, clock.now())))
    applied = cli(*job.apply)
    assert applied.exit_code in (3, 5), applied.output
    run = audit(job, applied)
    assert run.outcomes["denied"]
    access.change(CANARIES, clock.now())
    resumed = cli(*job.resume)
    assert resumed.exit_code in (0, 3), resumed.output
    reports = [cli("report", job.journal), cli("report", job.journal, "--format", "json")]
    must_not_tell(access, tmp_path, *reading, applied, resumed, *reports)


def test_a_login_that_is_refused(
    cli: Cli, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: Listening
) -> None:
    job = prepare(Witness(60), access=access)
    for name, value in login_to(Access(access.auth, WRONG), job.cloud.url)[1].items():
        monkeypatch.setenv(name, value)
    calls = [
        cli("plan", "-p", job.folder / "policy.yaml", "-o", "again.jsonl", *job.cloud.options, *job.options),
        cli(*job.apply),
        cli("doctor", *job.cloud.options, *job.options),
    ]
    assert [called.exit_code for called in calls] == [5, 5, 5], calls
    must_not_tell(access, tmp_path, *calls)


def break_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(*_: object, **__: object) -> None:
        raise RuntimeError("provoked")

    monkeypatch.setattr(OpenConnection, "ask", send)


def break_dressing(monkeypatch: pytest.MonkeyPatch) -> None:
    def dress(*_: object) -> None:
        raise RuntimeError("provoked")

    monkeypatch.setattr(credentials, "sign", dress)
    monkeypatch.setattr(credentials, "_with_token", dress)


def break_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise RuntimeError("provoked")

    monkeypatch.setattr("cleanup.modelarts.http.transport._after", read)


@pytest.mark.parametrize("provoke", [break_sending, break_dressing, break_reading])
def test_a_traceback(
    cli: Cli,
    prepare: Prepare,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    access: Listening,
    provoke: Callable[[pytest.MonkeyPatch], None],
) -> None:
    job = prepare(Witness(60), access=access)
    provoke(monkeypatch)
    called = cli(*job.apply)
    assert called.exit_code == 1
    assert "Traceback" in called.stderr
    assert "provoked" in called.stderr
    must_not_tell(access, tmp_path, called)


def test_a_service_that_repeats_the_headers_it_got(
    cli: Cli, prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, access: Listening
) -> None:
    """As debug pages of gateways do: its errors go into the journal and to people, our secrets do not."""

    def echo(call: Call, _: object) -> Answer:
        told = " ".join(f"{name}={value}" for name, value in call.headers.items())
        return refusal(400, "ModelArts.0104", f"Parameter error. {told}")

    job = prepare(Witness(60), access=access)
    monkeypatch.setattr(misbehaviour, "_INSTEAD", {**misbehaviour._INSTEAD, Fault.BAD_REQUEST: echo})
    set_faults(job.cloud, "delete:400=0.5")
    applied = cli(*job.apply)
    run = audit(job, applied)
    assert run.outcomes["failed"] > 10
    set_faults(job.cloud, "list:400=1")
    planned = cli("plan", "-p", job.folder / "policy.yaml", *job.cloud.options, *job.options)
    assert planned.exit_code == 6
    must_not_tell(access, tmp_path, applied, planned)
