"""Every outcome of the contract's table through the CLI, with the exit code it leads to."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cleanup.outcome import Outcome, exit_code, tally
from cleanup.simulator import PROJECT_ID, USER_ID, Faults, Service, World, parse_rate, user_records
from cleanup.simulator.faults import Step
from cleanup.simulator.messages import ApiResponse, Call, error_response
from cleanup.simulator.routes import Operation
from cleanup.stop import Cause
from tests.support.builders import DOCUMENTED_IMAGE, events, real_now
from tests.support.chaos import jump
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - name: mock
    match: {namespace: "mock-*"}
    older_than: 90d
    force: true
limits: {max_percent: 100}
"""


def one_image_world(**more: Any) -> World:
    contents: dict[Any, Any] = {DOCUMENTED_IMAGE["swr_path"]: DOCUMENTED_IMAGE["size"]}
    return World(
        images=(DOCUMENTED_IMAGE | more,),
        notebooks=(),
        contents=contents,
        project_id=PROJECT_ID,
        user_id=USER_ID,
    )


def one_image(now: Callable[[], datetime] = real_now, **more: Any) -> Service:
    return Service(one_image_world(**more), now)


def apply(
    cli: Cli, cloud: Cloud, folder: Path, *options: object
) -> tuple[int, dict[str, Any], dict[str, Any]]:
    (folder / "policy.yaml").write_text(POLICY)
    arguments = ["--apply", "-p", "policy.yaml", "--journal", "journal.jsonl", "--max-attempts", 2]
    called = cli("run", *arguments, *cloud.options, *options)
    (result,) = events(folder / "journal.jsonl", "delete.result")
    (finished,) = events(folder / "journal.jsonl", "run.finished")
    assert sum(finished[outcome] for outcome in Outcome) == finished["planned"] == 1
    assert finished[result["outcome"]] == 1
    assert finished["exit_code"] == called.exit_code
    return called.exit_code, result, finished


def test_the_seed_example(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    cloud = serve_cloud(one_image())
    code, result, finished = apply(cli, cloud, tmp_path)
    assert code == 0
    assert (result["outcome"], result["http_status"], result["image_status"]) == ("deleted", 200, "DELETED")
    assert result["response"] == DOCUMENTED_IMAGE | {"status": "DELETED"}
    assert result["force"] is True
    assert finished["bytes_freed"] == 387840321
    assert cloud.service.contents == {}


@pytest.mark.parametrize(
    ("fault", "outcome", "http_status", "code"),
    [
        ("204", "deleted", 204, 0),
        ("empty", "deleted", 200, 0),
        ("truncated", "deleted", 200, 0),
        ("not-utf8", "deleted", 200, 0),
        ("404", "already-gone", 404, 0),
        ("in-use", "in-use", 409, 0),
        ("403", "denied", 403, 5),
        ("401", "denied", 401, 5),
        ("400", "failed", 400, 3),
        ("500", "failed", 500, 3),
        ("502", "failed", 502, 3),
        ("503", "failed", 503, 3),
        ("429-bare", "failed", 429, 3),
        ("status-error", "failed", 200, 3),
        ("drop-before", "failed", None, 3),
        ("redirect", "failed", 307, 3),
        ("foreign-404", "failed", 404, 3),
        ("202", "deleted", 202, 0),
        ("deleting", "deleted", 200, 0),
    ],
)
def test_what_a_delete_answers(
    cli: Cli,
    serve_cloud: Serve,
    tmp_path: Path,
    fault: str,
    outcome: str,
    http_status: int | None,
    code: int,
) -> None:
    cloud = serve_cloud(one_image(jump(cli).now), faults=Faults([parse_rate(f"delete:{fault}=1")]))
    exit_code, result, _ = apply(cli, cloud, tmp_path)
    assert (result["outcome"], result["http_status"], exit_code) == (outcome, http_status, code)
    gone = DOCUMENTED_IMAGE["id"] not in cloud.image_ids
    assert gone == (outcome in ("deleted", "already-gone"))


@pytest.mark.parametrize("fault", ["202", "deleting"])
def test_what_takes_too_long_is_unknown_until_a_resume_sees_it_go(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, fault: str
) -> None:
    faults = Faults(script=[Step(fault=fault, calls="delete", seconds=90)])
    cloud = serve_cloud(one_image(jump(cli).now), faults=faults)
    code, result, _ = apply(cli, cloud, tmp_path, "--settle-timeout", "1m")
    assert (result["outcome"], result["image_status"], code) == ("unknown", "DELETING", 3)
    assert cli("resume", "journal.jsonl", "--settle-timeout", "0s", *cloud.options).exit_code == 3
    assert cli("resume", "journal.jsonl", *cloud.options).exit_code == 0
    told = [line["outcome"] for line in events(tmp_path / "journal.jsonl", "delete.result")]
    assert told == ["unknown", "unknown", "already-gone"]


class Refusing(Service):
    """Refuses every DELETE, at which somebody has just begun to use the image, or nobody."""

    def refuse(self, status: int, text: str, user: str | None) -> None:
        self._refusal, self._user = error_response(status, "ModelArts.0104", text), user

    def handle(self, call: Call, after: float | None = None) -> ApiResponse:
        if call.operation is not Operation.DELETE:
            return super().handle(call, after)
        moment, path = self.milliseconds(), DOCUMENTED_IMAGE["swr_path"]
        if self._user == "notebook":
            notebook = {"id": self.new_id(), "name": "night-7", "status": "RUNNING", "feature": "NOTEBOOK"}
            more = {"user_id": self.user_id, "workspace_id": "0", "image": {"id": call.image_id}}
            self.notebooks.put(notebook | more | {"create_at": moment, "update_at": moment})
        if self._user == "job":
            engine = {"engine": {"image_url": path.partition("/")[2]}}
            self.jobs.put(user_records.job(self.new_id(), moment, algorithm=engine))
        return self._refusal


IN_USE = "The image is being used by a notebook instance."


@pytest.mark.parametrize(
    ("status", "text", "user", "outcome", "code", "told"),
    [
        (409, "no", None, "in-use", 0, "no; no user of it was seen"),
        (409, "no", "notebook", "in-use", 0, "no; used by notebook night-7"),
        (403, IN_USE, None, "in-use", 0, f"{IN_USE}; no user of it was seen"),
        (403, IN_USE, "job", "in-use", 0, f"{IN_USE}; used by training job"),
        (403, "no", "notebook", "denied", 5, "no"),
        (400, "镜像正在被使用", None, "in-use", 0, "镜像正在被使用; no user of it was seen"),
        (400, "Quota in use exceeds limit", None, "failed", 3, "Quota in use exceeds limit"),
        (400, "no", "notebook", "in-use", 0, "no; used by notebook night-7"),
        (400, "no", "job", "in-use", 0, "no; used by training job"),
    ],
)
def test_a_refusal_is_for_use_by_its_status_by_who_is_seen_or_by_its_words(
    cli: Cli,
    serve_cloud: Serve,
    tmp_path: Path,
    status: int,
    text: str,
    user: str | None,
    outcome: str,
    code: int,
    told: str,
) -> None:
    service = Refusing(one_image_world(), real_now)
    service.refuse(status, text, user)
    exit_code, result, _ = apply(cli, serve_cloud(service), tmp_path)
    assert (result["outcome"], result["http_status"], exit_code) == (outcome, status, code)
    assert result["error_msg"].startswith(told)


def test_nobody_can_tell(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    faults = Faults([parse_rate("delete:500=1"), parse_rate("show:500=1")])
    code, result, _ = apply(cli, serve_cloud(one_image(), faults=faults), tmp_path)
    assert (result["outcome"], code) == ("unknown", 3)


def test_a_404_that_is_not_the_services_proves_nothing_and_siblings_keep_their_content(
    cli: Cli, serve_cloud: Serve, tmp_path: Path
) -> None:
    """A proxy answers for two of three records of one content; `resume` meets it too, then finds them."""
    twins = [
        DOCUMENTED_IMAGE,
        *(
            DOCUMENTED_IMAGE | {"id": f"twin-{number}", "update_at": 1671093486722 + number}
            for number in (1, 2)
        ),
    ]
    contents: dict[Any, Any] = {DOCUMENTED_IMAGE["swr_path"]: DOCUMENTED_IMAGE["size"]}
    world = World(
        images=tuple(twins), notebooks=(), contents=contents, project_id=PROJECT_ID, user_id=USER_ID
    )
    broken = [Step(fault="foreign-404", calls=call, image="twin-1") for call in ("delete", "show")]
    faults = Faults(script=broken)
    cloud = serve_cloud(Service(world, real_now), faults=faults)
    (tmp_path / "policy.yaml").write_text(POLICY)
    options = ("--journal", "journal.jsonl", *cloud.options)
    assert cli("run", "--apply", "-p", "policy.yaml", *options).exit_code == 3
    results = {line["image_id"]: line for line in events(tmp_path / "journal.jsonl", "delete.result")}
    assert results["twin-1"]["outcome"] == "unknown"
    assert "not the service's own word" in results["twin-1"]["error_msg"]
    assert cloud.service.contents == contents
    assert "twin-1" in cloud.image_ids
    assert cli("resume", "journal.jsonl", *cloud.options).exit_code == 3
    *_, last = events(tmp_path / "journal.jsonl", "delete.result")
    assert (last["image_id"], last["outcome"]) == ("twin-1", "unknown")
    assert cloud.service.contents == contents
    assert "twin-1" in cloud.image_ids


@pytest.mark.parametrize("status", [400, 404])
def test_a_lost_answer_is_settled_by_repeating(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, status: int
) -> None:
    service = one_image()
    service.not_found = status
    lost_answer = Step(fault="drop-after", calls="delete", times=1)
    cloud = serve_cloud(service, faults=Faults(script=[lost_answer]))
    code, result, _ = apply(cli, cloud, tmp_path)
    assert (result["http_status"], result["attempts"]) == (status, 2)
    assert (result["outcome"], result["error_code"], code) == ("already-gone", "ModelArts.6797", 0)


def test_drifted_and_in_use_are_left_alone(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    cloud = serve_cloud(one_image())
    (tmp_path / "policy.yaml").write_text(POLICY)
    cli("plan", "-p", "policy.yaml", "-o", "plan.jsonl", *cloud.options)
    cloud.service.images.put(DOCUMENTED_IMAGE | {"update_at": DOCUMENTED_IMAGE["update_at"] + 1})
    called = cli("apply", "plan.jsonl", "--journal", "journal.jsonl", *cloud.options)
    (result,) = events(tmp_path / "journal.jsonl", "delete.result")
    assert (result["outcome"], called.exit_code) == ("drifted", 0)
    assert "update_at" in result["error_msg"]
    assert cloud.deleted == {}


def test_new_fields_and_new_words_are_passed_through(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "arch": "RISCV",
        "service_type": "QUANTUM",
        "brand_new": {"deep": [1, None, "ä"]},
        "tags": None,
    }
    cloud = serve_cloud(one_image(**more))
    code, result, _ = apply(cli, cloud, tmp_path)
    assert (code, result["outcome"]) == (0, "deleted")
    (plan,) = tmp_path.glob("*.plan.jsonl")
    (_, decision, _) = (json.loads(line) for line in plan.read_text().splitlines())
    assert decision["image"] == DOCUMENTED_IMAGE | more


class TestExitCodes:
    @pytest.mark.parametrize(
        ("outcomes", "cause", "code"),
        [
            ([], None, 0),
            (["deleted", "already-gone", "drifted", "in-use"], None, 0),
            (["deleted", "failed"], None, 3),
            (["deleted", "unknown"], None, 3),
            (["deleted", "denied"], None, 3),
            (["denied", "denied"], None, 5),
            (["denied", "drifted"], None, 5),
            (["deleted", "denied", "not-attempted"], Cause.DENIED, 3),
            (["denied", "drifted", "not-attempted"], Cause.DENIED, 5),
            (["failed", "not-attempted"], Cause.BREAKER, 3),
            (["denied", "not-attempted"], Cause.BREAKER, 5),
            (["deleted", "not-attempted"], Cause.SIGNAL, 7),
            (["deleted", "failed", "unknown"], Cause.SIGNAL, 7),
            (["deleted"], Cause.SIGNAL, 0),
            (["deleted", "not-attempted"], Cause.DEADLINE, 7),
            (["deleted"], Cause.JOURNAL, 7),
        ],
    )
    def test_counts_lead_to(self, outcomes: list[str], cause: Cause | None, code: int) -> None:
        assert exit_code(tally(map(Outcome, outcomes)), cause) == code
