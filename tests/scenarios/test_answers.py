"""Answers that ask for patience, and answers that blame the wrong thing, as users of the CLI meet them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cleanup.simulator import Access, AuthMode, Fault, Faults, parse_rate
from cleanup.simulator import fault_effects as effects
from tests.support.cloud import Cli, Serve
from tests.support.stage import Time

POLICY = "version: 1\nrules: [{name: all, match: {visibility: PRIVATE}, delete_all: true}]\n"


def asking(monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
    """Every 503 asks to wait so long."""
    unavailable = effects._INSTEAD[Fault.UNAVAILABLE]

    def patient(*args: Any) -> Any:
        return replace(unavailable(*args), headers={"Retry-After": str(seconds)})

    monkeypatch.setattr(effects, "_INSTEAD", {**effects._INSTEAD, Fault.UNAVAILABLE: patient})


@pytest.mark.parametrize(("seconds", "lines"), [(4, 0), (9, 1)])
def test_retry_after_of_a_503_holds_and_is_said_once(
    cli: Cli,
    serve_cloud: Serve,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    lines: int,
) -> None:
    asking(monkeypatch, seconds)
    time = Time()
    cli.runtime = replace(cli.runtime, clock=time, sleep=time.sleep)
    faults = Faults([parse_rate("list:503=1")])
    called = run("plan", serve_cloud(faults=faults))
    assert called.exit_code == 6
    assert time.seconds - 1000 >= seconds
    assert called.stderr.count("asks to wait (Retry-After): going on in") == lines


def test_a_pause_beyond_the_deadline_ends_the_run_at_once(
    cli: Cli, serve_cloud: Serve, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asking(monkeypatch, 200)
    faults = Faults([parse_rate("list:503=1")])
    called = run("run", serve_cloud(faults=faults), "--deadline", "100s")
    assert called.exit_code == 7
    assert "out of time" in called.output


@pytest.mark.parametrize("ahead", [timedelta(minutes=-20), timedelta(minutes=20)])
def test_a_refusal_under_a_wrong_clock_names_the_clock_first(
    cli: Cli, serve_cloud: Serve, run: Callable[..., Any], ahead: timedelta
) -> None:
    now = cli.runtime.now
    cli.runtime = replace(cli.runtime, now=lambda: now() + ahead)
    called = run("plan", serve_cloud(access=Access(AuthMode.TOKEN)))
    assert called.exit_code == 5
    side = "ahead of" if ahead > timedelta() else "behind"
    assert (
        f"answered 401 (this machine's clock is 20 minutes {side} the service's: set it (NTP); "
        in called.stderr
    )
    assert "the credentials were refused" not in called.stderr


@pytest.mark.parametrize("calls", ["list", "all-notebooks", "jobs", "services"])
def test_a_missing_permission_under_a_wrong_clock_is_not_asked_for(
    cli: Cli, serve_cloud: Serve, run: Callable[..., Any], calls: str
) -> None:
    now = cli.runtime.now
    cli.runtime = replace(cli.runtime, now=lambda: now() + timedelta(minutes=10))
    called = run("plan", serve_cloud(faults=Faults([parse_rate(f"{calls}:403=1")])))
    assert (
        "answered 403 (this machine's clock is 10 minutes ahead of the service's: set it (NTP); "
        in called.output
    )
    assert "permission" not in called.output


def test_a_token_of_64_kilobytes_logs_in(
    cli: Cli, serve_cloud: Serve, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(AuthMode.PASSWORD)
    login = {"OS_USERNAME": access.login.user, "OS_PASSWORD": access.login.password}
    for name, value in (login | {"OS_USER_DOMAIN_NAME": access.login.domain}).items():
        monkeypatch.setenv(name, value)
    cloud = serve_cloud(access=access, faults=Faults([parse_rate("token:long-token=1")]))
    called = run("plan", cloud, "--auth", "password", "--iam-endpoint", cloud.url)
    assert called.exit_code == 0, called.output
