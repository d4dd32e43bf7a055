"""What slows a run down or ends it early: throttling, the breaker, credentials that stop working in the middle."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from cleanup.simulator import Access
from cleanup.simulator import AuthMode as Auth
from cleanup.simulator import SimulatedLogin as Login
from cleanup.simulator.fault_effects import throttled
from cleanup.simulator.routes import Operation
from tests.support.chaos import (
    Job,
    Prepare,
    StillClock,
    Witness,
    audit,
    check_rate,
    jump,
    nth,
    preparing,
    set_faults,
)
from tests.support.cloud import Cli, Serve


@pytest.fixture
def prepare(cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    return preparing(cli, serve_cloud, tmp_path, monkeypatch)


class TestThrottle:
    @pytest.mark.parametrize("retry_after", [None, "1"], ids=["bare", "with-retry-after"])
    def test_a_service_that_lets_in_less_than_we_may_send(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch, retry_after: str | None
    ) -> None:
        if retry_after:
            told = partial(throttled, Retry_After=retry_after)
            monkeypatch.setattr("cleanup.simulator.middleware.throttled", told)
        clock = StillClock()
        cli.runtime = replace(cli.runtime, clock=clock.monotonic, sleep=clock.sleep)
        job = prepare(Witness(280, now=clock.now), "--rate", "500")
        set_faults(job.cloud, throttle=50)
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 0
        assert run.outcomes == {"deleted": len(job.planned)}
        assert run.finished is not None
        refused = [request for request in job.service.requests if request.status == 429]
        assert run.finished["throttled"] == len(refused) > 0
        # At the rate that was asked ten are refused for each that is let in.
        assert len(refused) < len(job.planned)

    def test_our_own_rate_is_kept(self, cli: Cli, prepare: Prepare) -> None:
        job = prepare(Witness(140), "--rate", "40", "--concurrency", "2")
        audit(job, cli(*job.apply))
        check_rate(job, 40, 2)


class TestBreaker:
    def test_twenty_failures_in_a_row_end_the_run(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = jump(cli)
        job = prepare(Witness(120, now=clock.now), "--concurrency", "4")
        set_faults(job.cloud, "delete:500=1")
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 3
        assert 20 <= run.outcomes["failed"] < 20 + 4
        assert run.outcomes["not-attempted"] == len(job.planned) - run.outcomes["failed"]
        assert run.finished is not None
        assert "20 results were all failures" in run.finished["stopped"]
        assert "20 results were all failures" in called.stderr

    def test_one_success_in_twenty_keeps_it_going(
        self, cli: Cli, prepare: Prepare, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = jump(cli)
        job = prepare(Witness(120, now=clock.now), "--concurrency", "1")
        script = [{"calls": "delete", "fault": [400] * 19 + ["ok"], "times": 10_000}]
        set_faults(job.cloud, script=script)
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 3
        assert run.outcomes == {
            "failed": len(job.planned) - len(job.planned) // 20,
            "deleted": len(job.planned) // 20,
        }

    def test_where_every_delete_is_forbidden_it_is_the_permission(self, cli: Cli, prepare: Prepare) -> None:
        job = prepare(Witness(120), "--concurrency", "4")
        set_faults(job.cloud, "delete:403=1")
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 5
        assert 20 <= run.outcomes["denied"] < 20 + 4
        assert run.outcomes["not-attempted"] == len(job.planned) - run.outcomes["denied"]


class Tokens(Access):
    """Logins that can be withdrawn: from then on the ready token, or every token issued so far, is refused."""

    def withdraw(self, job: Job) -> None:
        self.login = Login(token="another-token")
        self.expire_tokens(job.service.now())


class TestCredentialsInTheMiddle:
    def test_one_renewal_serves_all_workers(self, cli: Cli, prepare: Prepare) -> None:
        access = Tokens(Auth.PASSWORD)
        job = prepare(Witness(150), access=access)
        before = len(job.service.asked(Operation.TOKEN))
        for moment in (15, 70):
            job.service.onlookers.append(
                nth(Operation.DELETE, moment, lambda: access.expire_tokens(job.service.now()))
            )
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 0
        assert run.outcomes == {"deleted": len(job.planned)}
        refused = [request for request in job.service.requests if request.status == 401]
        assert len(refused) > 2
        assert len(job.service.asked(Operation.TOKEN)) - before == 1 + 2

    @pytest.mark.parametrize("options", [(), ("--max-staleness", "0s")], ids=["deletes", "look-ups"])
    def test_a_token_that_nobody_can_renew_ends_the_run(
        self, cli: Cli, prepare: Prepare, options: tuple[str, ...]
    ) -> None:
        access = Tokens(Auth.TOKEN)
        job = prepare(Witness(150), "--concurrency", "4", *options, access=access)
        job.service.onlookers.append(nth(Operation.DELETE, 30, lambda: access.withdraw(job)))
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 3, run.outcomes
        assert 30 <= run.outcomes["deleted"] < 30 + 4
        assert 1 <= run.outcomes["denied"] <= 4
        assert not run.outcomes["failed"]
        assert run.outcomes["not-attempted"] > 50

    def test_it_is_denied_once_where_one_worker_meets_it(self, cli: Cli, prepare: Prepare) -> None:
        access = Tokens(Auth.TOKEN)
        job = prepare(Witness(150), "--concurrency", "1", access=access)
        job.service.onlookers.append(nth(Operation.DELETE, 30, lambda: access.withdraw(job)))
        run = audit(job, cli(*job.apply))
        assert run.outcomes == {"deleted": 30, "denied": 1, "not-attempted": len(job.planned) - 31}

    def test_a_password_that_is_refused_when_the_token_ends(self, cli: Cli, prepare: Prepare) -> None:
        access = Tokens(Auth.PASSWORD)
        job = prepare(Witness(150), "--concurrency", "4", access=access)

        def change_password() -> None:
            access.login = Login(password="another")
            access.expire_tokens(job.service.now())

        job.service.onlookers.append(nth(Operation.DELETE, 30, change_password))
        called = cli(*job.apply)
        run = audit(job, called)
        assert called.exit_code == 3
        assert 1 <= run.outcomes["denied"] <= 4
        assert not run.outcomes["failed"]
