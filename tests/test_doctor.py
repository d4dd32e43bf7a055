"""Doctor: every step of the way to a target, what is wrong with it, and what to do; read-only and without secrets."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from cleanup.config.configuration import Setting
from cleanup.doctor import Check, CheckLevel, Diagnosis
from cleanup.reports.doctor_view import diagnosis
from cleanup.simulator import (
    OTHER_WORKSPACE,
    PROJECT_ID,
    Access,
    Faults,
    Service,
    build_world,
    parse_rate,
    parse_script,
)
from cleanup.simulator import (
    AuthMode as Auth,
)
from cleanup.simulator import (
    SimulatedLogin as Login,
)
from tests.support.builders import real_now
from tests.support.cloud import Called, Cli, Cloud, Serve

STEPS = [
    "name",
    "connection",
    "clock",
    "credentials",
    "login",
    "list images",
    "get image",
    "all notebooks",
    "own notebooks",
    "training jobs",
    "algorithms",
    "models",
    "services v1",
    "services v2",
    "workflows",
    "workspaces",
    "delete image",
    "register image",
]
LOGIN = Login(
    token="canary-token-1f2e3d4c",
    user="canary-user",
    password="canary-password-5b6a7988",
    domain="a-domain",
    project="a-project",
    ak="CANARYACCESSKEY00001",
    sk="canary-secret-key-of-forty-characters-00",
    security_token="canary-security-token-aabbccdd",
)
SECRETS = (LOGIN.token, LOGIN.password, LOGIN.ak, LOGIN.sk, LOGIN.security_token)
Checks = dict[str, dict[str, Any]]


@pytest.fixture
def examine(cli: Cli) -> Callable[..., tuple[Called, Checks]]:
    """Call `doctor --format json` with these options; the call, and its checks by name."""

    def call(*options: object) -> tuple[Called, Checks]:
        called = cli("doctor", "--format", "json", "--max-attempts", 1, *options)
        (target,) = json.loads(called.stdout)["targets"]
        assert [check["name"] for check in target["checks"]] == STEPS
        assert target["exit_code"] == called.exit_code
        return called, {check["name"]: check for check in target["checks"]}

    return call


Examine = Callable[..., tuple[Called, Checks]]


def levels(checks: Checks) -> dict[str, str]:
    return {name: check["level"] for name, check in checks.items()}


def not_ok(checks: Checks) -> dict[str, str]:
    return {name: level for name, level in levels(checks).items() if level not in ("ok", "note")}


def faulty(*rates: str) -> Faults:
    return Faults([parse_rate(rate) for rate in rates])


def only_reads(cloud: Cloud) -> bool:
    return all(
        one.method == "GET"
        or (one.method, one.path.rpartition("/")[2])
        in (("POST", "tokens"), ("POST", "training-job-searches"))
        for one in cloud.service.requests
    )


def test_all_is_well(cli: Cli, serve_cloud: Serve) -> None:
    cloud = serve_cloud()
    called = cli("doctor", *cloud.options)
    assert called.exit_code == 0, called.output
    first, *lines = called.stdout.splitlines()
    assert cloud.url in first
    assert PROJECT_ID in first
    for step in STEPS[:-2]:
        assert any(line.startswith(f"  ok           {step}") for line in lines), step
    for step in STEPS[-2:]:
        assert any(line.startswith(f"  note         {step}") for line in lines), step
    assert "restore --apply" in called.stdout
    assert only_reads(cloud)
    assert len(cloud.service.requests) == 5 + 7 + 3, "lists, and the first model and services in detail"


def test_json_says_what_text_says(cli: Cli, serve_cloud: Serve, examine: Examine) -> None:
    cloud = serve_cloud(faults=faulty("all-notebooks:403=1"))
    called, checks = examine(*cloud.options)
    text = cli("doctor", *cloud.options).stdout
    for check in checks.values():
        assert check["name"] in text
        assert check["level"].replace("-", " ") in text
        assert check["next_step"] is None or check["next_step"] in text
        assert check["next_step"] or check["level"] == "ok"
    assert json.loads(called.stdout)["report"] == "doctor"


class TestCredentials:
    WAYS = (
        (Auth.TOKEN, "token", {"MODELARTS_TOKEN": LOGIN.token}, "the token in MODELARTS_TOKEN"),
        (
            Auth.PASSWORD,
            "password",
            {
                "OS_USERNAME": LOGIN.user,
                "OS_PASSWORD": LOGIN.password,
                "OS_USER_DOMAIN_NAME": LOGIN.domain,
                "OS_PROJECT_NAME": LOGIN.project,
            },
            "OS_USERNAME and OS_PASSWORD",
        ),
        (
            Auth.AKSK,
            "aksk",
            {"HUAWEICLOUD_SDK_AK": LOGIN.ak, "HUAWEICLOUD_SDK_SK": LOGIN.sk},
            "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK",
        ),
        (
            Auth.TEMPORARY,
            "aksk",
            {
                "HUAWEICLOUD_SDK_AK": LOGIN.ak,
                "HUAWEICLOUD_SDK_SK": LOGIN.sk,
                "HUAWEICLOUD_SDK_SECURITY_TOKEN": LOGIN.security_token,
            },
            "HUAWEICLOUD_SDK_SECURITY_TOKEN",
        ),
    )

    def guarded(self, serve_cloud: Serve, auth: Auth) -> tuple[Cloud, list[str]]:
        cloud = serve_cloud(access=Access(auth, LOGIN))
        return cloud, ["--endpoint", cloud.url, "--project-id", PROJECT_ID, "--iam-endpoint", cloud.url]

    @pytest.mark.parametrize(("auth", "option", "environment", "source"), WAYS)
    def test_every_way_to_log_in_is_named_and_no_secret_shown(
        self,
        serve_cloud: Serve,
        examine: Examine,
        monkeypatch: pytest.MonkeyPatch,
        auth: Auth,
        option: str,
        environment: dict[str, str],
        source: str,
    ) -> None:
        cloud, options = self.guarded(serve_cloud, auth)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        called, checks = examine(*options, "--auth", option)
        assert called.exit_code == 0, called.output
        assert not_ok(checks) == {}
        assert source in checks["credentials"]["detail"]
        assert not any(secret in called.output for secret in SECRETS)
        assert only_reads(cloud)

    @pytest.mark.parametrize(("auth", "option", "environment", "source"), WAYS)
    def test_a_wrong_secret_is_refused_and_not_shown_either(
        self,
        serve_cloud: Serve,
        examine: Examine,
        monkeypatch: pytest.MonkeyPatch,
        auth: Auth,
        option: str,
        environment: dict[str, str],
        source: str,
    ) -> None:
        _, options = self.guarded(serve_cloud, auth)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        wrong = "wrong-canary-0a1b2c3d"
        monkeypatch.setenv(list(environment)[1 if auth in (Auth.PASSWORD, Auth.AKSK) else -1], wrong)
        called, checks = examine(*options, "--auth", option)
        assert called.exit_code == 5
        failed = "credentials" if auth is Auth.PASSWORD else "login"
        assert checks[failed]["level"] == "failure"
        assert "401" in checks[failed]["detail"]
        later = STEPS[STEPS.index(failed) + 1 : -2]
        assert {levels(checks)[step] for step in later} == {"not-checked"}
        assert not any(secret in called.output for secret in (*SECRETS, wrong))

    def test_none_at_all(self, serve_cloud: Serve, examine: Examine) -> None:
        _, options = self.guarded(serve_cloud, Auth.TOKEN)
        called, checks = examine(*options, "--auth", "token")
        assert called.exit_code == 5
        assert checks["credentials"]["level"] == "failure"
        assert "MODELARTS_TOKEN" in checks["credentials"]["detail"]
        assert "--auth" in checks["credentials"]["next_step"]
        assert levels(checks)["clock"] == "ok"
        assert {levels(checks)[step] for step in STEPS[4:-2]} == {"not-checked"}

    def test_an_iam_that_nobody_answers(
        self, serve_cloud: Serve, examine: Examine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud, _ = self.guarded(serve_cloud, Auth.PASSWORD)
        for name, value in self.WAYS[1][2].items():
            monkeypatch.setenv(name, value)
        options = [
            "--endpoint",
            cloud.url,
            "--project-id",
            PROJECT_ID,
            "--iam-endpoint",
            "http://127.0.0.1:1",
        ]
        called, checks = examine(*options, "--auth", "password")
        assert called.exit_code == 6
        assert checks["credentials"]["level"] == "failure"
        assert "--iam-endpoint" in checks["credentials"]["next_step"]


@pytest.mark.parametrize(
    ("skew", "level", "code", "which"),
    [
        (0, "ok", 0, ""),
        (120, "warning", 0, "behind"),
        (-120, "warning", 0, "ahead"),
        (600, "failure", 5, "behind"),
        (-600, "failure", 5, "ahead"),
    ],
)
def test_the_clock(
    serve_cloud: Serve, examine: Examine, skew: int, level: str, code: int, which: str
) -> None:
    service = Service(build_world(1, 20, real_now()), lambda: real_now() + timedelta(seconds=skew))
    called, checks = examine(*serve_cloud(service).options)
    assert called.exit_code == code
    assert checks["clock"]["level"] == level
    assert checks["clock"]["detail"].endswith(which)
    assert (checks["clock"]["next_step"] is None) is (level == "ok")
    assert levels(checks)["list images"] == "ok"


class TestPermissions:
    @pytest.mark.parametrize(
        ("rates", "expected", "code", "advice"),
        [
            (["show:403"], {"get image": "failure"}, 5, "modelarts:image:get"),
            (
                ["all-notebooks:403"],
                {"all notebooks": "warning"},
                0,
                "grant modelarts:notebook:listAllNotebooks,",
            ),
            (["notebooks:403"], {"own notebooks": "warning"}, 0, "modelarts:notebook:list"),
            (
                ["all-notebooks:403", "notebooks:403"],
                {"all notebooks": "warning", "own notebooks": "failure"},
                5,
                "modelarts:notebook:list",
            ),
            (
                ["list:403"],
                {"login": "warning", "list images": "failure", "get image": "not-checked"},
                5,
                "modelarts:image:list",
            ),
        ],
    )
    def test_what_is_missing_and_what_to_grant(
        self,
        serve_cloud: Serve,
        examine: Examine,
        rates: list[str],
        expected: dict[str, str],
        code: int,
        advice: str,
    ) -> None:
        cloud = serve_cloud(faults=faulty(*(f"{rate}=1" for rate in rates)))
        called, checks = examine(*cloud.options)
        assert called.exit_code == code
        assert not_ok(checks) == expected
        assert any(advice in (checks[name]["next_step"] or "") for name in expected)

    @pytest.mark.parametrize(
        ("call", "check", "permission", "without"),
        [
            (
                "jobs",
                "training jobs",
                "modelarts:trainJob:list",
                "notebooks,algorithms,models,services,workflows",
            ),
            (
                "algorithms",
                "algorithms",
                "modelarts:aiAlgorithm:list",
                "notebooks,jobs,models,services,workflows",
            ),
            ("models", "models", "modelarts:model:list", "notebooks,jobs,algorithms,services,workflows"),
            ("model", "models", "modelarts:model:get", "notebooks,jobs,algorithms,services,workflows"),
            (
                "services",
                "services v2",
                "modelarts:service:list",
                "notebooks,jobs,algorithms,models,workflows",
            ),
            ("service", "services v2", "modelarts:service:get", "notebooks,jobs,algorithms,models,workflows"),
            (
                "workflows",
                "workflows",
                "modelarts:workflow:list",
                "notebooks,jobs,algorithms,models,services",
            ),
        ],
    )
    def test_each_user_of_images(
        self, serve_cloud: Serve, examine: Examine, call: str, check: str, permission: str, without: str
    ) -> None:
        cloud = serve_cloud(faults=faulty(f"{call}:403=1"))
        called, checks = examine(*cloud.options)
        assert (called.exit_code, not_ok(checks)) == (5, {check: "failure"})
        assert f"grant {permission} " in checks[check]["next_step"]
        assert f"--users {without}" in checks[check]["next_step"]
        called, checks = examine(*cloud.options, "--in-use", "off")  # only notebooks are not asked then
        assert (called.exit_code, not_ok(checks)) == (5, {check: "failure"})
        assert f"--users {without.removeprefix('notebooks,')}" in checks[check]["next_step"]
        called, checks = examine(*cloud.options, "--users", without)
        assert (called.exit_code, not_ok(checks)) == (0, {check: "warning"})
        assert "it does not matter now" in checks[check]["detail"]
        assert "--users" not in checks[check]["next_step"]

    @pytest.mark.parametrize("call", ["jobs", "algorithms", "models", "services", "workflows"])
    def test_a_region_without_one_of_them(self, serve_cloud: Serve, examine: Examine, call: str) -> None:
        cloud = serve_cloud(faults=faulty(f"{call}:404=1"))
        called, checks = examine(*cloud.options)
        ((name, level),) = not_ok(checks).items()
        assert (called.exit_code, level) == (6, "failure")
        assert "does not seem to offer" in checks[name]["detail"]
        assert "--users notebooks" in checks[name]["next_step"]
        called, checks = examine(*cloud.options, "--users", "notebooks")
        assert (called.exit_code, not_ok(checks)) == (0, {name: "warning"})
        assert "it does not matter now" in checks[name]["detail"]

    @pytest.mark.parametrize("call", ["services-v1", "service-v1"])
    @pytest.mark.parametrize("fault", ["403", "404", "500"])
    def test_services_v1_only_tell_names_so_they_are_never_to_be_left_out(
        self, serve_cloud: Serve, examine: Examine, call: str, fault: str
    ) -> None:
        called, checks = examine(*serve_cloud(faults=faulty(f"{call}:{fault}=1")).options)
        assert (called.exit_code, not_ok(checks)) == (0, {"services v1": "warning"})
        assert checks["services v1"]["next_step"].startswith("nothing to do, their models protect without it")
        assert "--users" not in checks["services v1"]["next_step"]
        permission = f"modelarts:service:{'list' if call == 'services-v1' else 'get'}"
        assert (f"grant {permission} " in checks["services v1"]["next_step"]) is (fault == "403")

    def test_credentials_that_services_v1_refuse_end_a_plan(
        self, serve_cloud: Serve, examine: Examine
    ) -> None:
        called, checks = examine(*serve_cloud(faults=faulty("services-v1:401=1")).options)
        assert (called.exit_code, not_ok(checks)) == (5, {"services v1": "failure"})
        assert "--users" not in checks["services v1"]["next_step"]

    def test_kinds_that_were_left_out_are_not_brought_back(
        self, serve_cloud: Serve, examine: Examine
    ) -> None:
        cloud = serve_cloud(faults=faulty("jobs:403=1"))
        _, checks = examine(*cloud.options, "--users", "jobs,models,services")
        assert checks["training jobs"]["next_step"].endswith("with --users models,services")
        _, checks = examine(*cloud.options, "--users", "jobs")
        assert checks["training jobs"]["next_step"].endswith("with --users notebooks --in-use off")

    @pytest.mark.parametrize(
        ("call", "check"),
        [("all-notebooks", "all notebooks"), ("jobs", "training jobs"), ("services", "services v2")],
    )
    def test_a_list_that_shows_none_of_those_it_counts_is_none(
        self, serve_cloud: Serve, examine: Examine, call: str, check: str
    ) -> None:
        called, checks = examine(*serve_cloud(faults=faulty(f"{call}:null-list=1")).options)
        assert (called.exit_code, not_ok(checks)) == (6, {check: "failure"})
        assert checks[check]["detail"].endswith(", and shows none")
        kinds = "jobs,services" if call == "all-notebooks" else "notebooks"
        options = (*serve_cloud(faults=faulty(f"{call}:null-list=1")).options, "--users", kinds)
        called, checks = examine(*options)
        assert (called.exit_code, not_ok(checks)) == (0, {check: "warning"})

    def test_workspaces_that_are_counted_and_not_shown(self, serve_cloud: Serve, examine: Examine) -> None:
        _, checks = examine(*serve_cloud(faults=faulty("workspaces:null-list=1")).options)
        assert not_ok(checks) == {"workspaces": "warning"}
        assert "cannot be seen: it shows no workspaces: " in checks["workspaces"]["detail"]

    @pytest.mark.parametrize("fault", ["empty", "truncated", "500"])
    def test_an_answer_that_is_no_list_of_users(
        self, serve_cloud: Serve, examine: Examine, fault: str
    ) -> None:
        called, checks = examine(*serve_cloud(faults=faulty(f"models:{fault}=1")).options)
        assert (called.exit_code, not_ok(checks)) == (6, {"models": "failure"})

    def test_workspaces(self, serve_cloud: Serve, examine: Examine) -> None:
        cloud = serve_cloud()
        _, checks = examine(*cloud.options)
        assert OTHER_WORKSPACE in checks["workspaces"]["detail"]
        _, checks = examine(*serve_cloud(faults=faulty("workspaces:403=1")).options)
        assert "modelarts:workspace:list" in checks["workspaces"]["next_step"]
        assert not_ok(checks) == {"workspaces": "warning"}

    def test_whose_jobs_are_seen(self, serve_cloud: Serve, examine: Examine) -> None:
        cloud = serve_cloud()
        _, checks = examine(*cloud.options)
        assert "users (" in checks["training jobs"]["detail"]
        for job in cloud.service.jobs:
            job["metadata"]["user_name"] = "user-1"
        _, checks = examine(*cloud.options)
        assert "all of one user (user-1)" in checks["training jobs"]["detail"]

    def test_the_first_of_a_list_is_one_that_plan_looks_at_the_newest_first(
        self, serve_cloud: Serve, examine: Examine
    ) -> None:
        cloud = serve_cloud()
        examine(*cloud.options)
        queries = {
            request.path.partition(PROJECT_ID)[0][1:] + request.path.rpartition("/")[2]: request.query
            for request in cloud.service.requests
        }
        assert queries["v1/models"]["model_type"] == "Image"
        assert queries["v2/services"]["sort_dir"] == "DESC"
        assert queries["v2/algorithms"]["order"] == "desc"

    def test_policies_to_paste(self, cli: Cli, serve_cloud: Serve) -> None:
        cloud = serve_cloud()
        found = json.loads(cli("doctor", "--format", "json", *cloud.options).stdout)
        actions = {what: set(one["Statement"][0]["Action"]) for what, one in found["policies"].items()}
        assert {one["Version"] for one in found["policies"].values()} == {"1.1"}
        assert "modelarts:notebook:listAllNotebooks" in actions["read"]
        assert not any("delete" in action or "register" in action for action in actions["read"])
        assert {"modelarts:image:delete", "swr:repo:deleteRepoTag"} <= actions["delete"]
        assert {"modelarts:image:register", "swr:repo:createRepoDomain"} <= actions["restore"]
        assert "modelarts::listServices" in found["about_policies"]
        lines = cli("doctor", *cloud.options).stdout.splitlines()
        assert [json.loads(line) for line in lines if line.startswith("    {")] == [
            *found["policies"].values()
        ]

    def test_without_notebooks_it_still_works_where_nobody_asks_for_them(
        self, serve_cloud: Serve, examine: Examine
    ) -> None:
        cloud = serve_cloud(faults=faulty("all-notebooks:403=1", "notebooks:403=1"))
        called, checks = examine(*cloud.options, "--in-use", "off")
        assert called.exit_code == 0
        assert not_ok(checks) == {"all notebooks": "warning", "own notebooks": "warning"}

    @pytest.mark.parametrize("fault", ["403", "404", "500"])
    @pytest.mark.parametrize("options", [["--in-use", "off"], ["--users", "jobs,services"]])
    def test_notebooks_that_are_not_asked_do_not_matter(
        self, serve_cloud: Serve, examine: Examine, options: list[str], fault: str
    ) -> None:
        cloud = serve_cloud(faults=faulty(f"all-notebooks:{fault}=1", f"notebooks:{fault}=1"))
        called, checks = examine(*cloud.options, *options)
        assert (called.exit_code, not_ok(checks)) == (
            0,
            {"all notebooks": "warning", "own notebooks": "warning"},
        )
        for check in ("all notebooks", "own notebooks"):
            assert checks[check]["detail"].endswith("it does not matter now: notebooks are not asked")

    def test_a_wrong_project(self, serve_cloud: Serve, examine: Examine) -> None:
        cloud = serve_cloud()
        called, checks = examine("--endpoint", cloud.url, "--project-id", "f" * 32, "--auth", "none")
        assert called.exit_code == 5
        assert "project id" in checks["list images"]["detail"]
        assert "project id" in checks["list images"]["next_step"]


class TestTroubleOnTheWay:
    @pytest.mark.parametrize("fault", ["500", "502", "redirect", "400", "drop-after"])
    def test_a_service_that_does_not_answer_as_one(
        self, serve_cloud: Serve, examine: Examine, fault: str
    ) -> None:
        script = [{"fault": fault, "calls": "list", "after": 1}]
        cloud = serve_cloud(faults=Faults((), parse_script(script, "script")))
        called, checks = examine(*cloud.options)
        assert called.exit_code == 6
        assert checks["connection"]["level"] == "ok"
        assert checks["login"]["level"] == "failure"
        assert cloud.url in checks["login"]["next_step"]

    @pytest.mark.parametrize("fault", ["empty", "truncated"])
    def test_an_answer_that_is_no_page(self, serve_cloud: Serve, examine: Examine, fault: str) -> None:
        called, checks = examine(*serve_cloud(faults=faulty(f"list:{fault}=1")).options)
        assert called.exit_code == 6
        assert checks["list images"]["level"] == "failure"
        assert checks["get image"]["level"] == "not-checked"

    def test_nobody_there(self, examine: Examine) -> None:
        options = ["--endpoint", "http://127.0.0.1:1", "--project-id", "a" * 32, "--auth", "none"]
        called, checks = examine(*options)
        assert called.exit_code == 6
        assert levels(checks)["name"] == "ok"
        assert checks["connection"]["level"] == "failure"
        assert {levels(checks)[step] for step in STEPS[2:-2]} == {"not-checked"}
        assert checks["clock"]["detail"] == "it needs: connection"

    def test_no_tls_where_tls_is_expected(self, serve_cloud: Serve, examine: Examine) -> None:
        url = serve_cloud().url.replace("http:", "https:")
        called, checks = examine("--endpoint", url, "--project-id", PROJECT_ID, "--auth", "none")
        assert called.exit_code == 6
        assert checks["connection"]["level"] == "failure"
        assert "--ca-bundle" in checks["connection"]["next_step"]

    @pytest.mark.parametrize(
        ("proxy", "exempt", "level"),
        [
            (None, "", "failure"),
            ("http://u:canary-pw@127.0.0.1:1", "", "warning"),
            ("http://u:canary-pw@127.0.0.1:1", ".nowhere.invalid", "failure"),
        ],
    )
    def test_a_name_that_cannot_be_resolved(
        self,
        examine: Examine,
        monkeypatch: pytest.MonkeyPatch,
        proxy: str | None,
        exempt: str,
        level: str,
    ) -> None:
        async def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(anyio, "getaddrinfo", unknown)
        for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        if proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy)
        if exempt:
            monkeypatch.setenv("NO_PROXY", exempt)
        monkeypatch.setenv("MODELARTS_TOKEN", LOGIN.token)
        options = [
            "--endpoint",
            "https://modelarts.nowhere.invalid",
            "--project-id",
            "a" * 32,
            "--auth",
            "token",
        ]
        called, checks = examine(*options)
        assert called.exit_code == 6
        assert checks["name"]["level"] == level
        assert "modelarts.nowhere.invalid" in checks["name"]["detail"]
        assert levels(checks)["connection"] == ("failure" if level == "warning" else "not-checked")
        assert "canary" not in called.output


def test_an_empty_project(serve_cloud: Serve, examine: Examine) -> None:
    cloud = serve_cloud(images=0)
    for image in [one for one in cloud.service.images if one["type"] == "DEDICATED"]:
        cloud.service.images.take(image["id"])
    called, checks = examine(*cloud.options)
    assert called.exit_code == 0
    assert not_ok(checks) == {"get image": "not-checked"}


def test_every_workspace_is_listed(serve_cloud: Serve, examine: Examine) -> None:
    cloud = serve_cloud(images=80)
    called, checks = examine(*cloud.options, "--workspace", "0", "--workspace", OTHER_WORKSPACE)
    assert called.exit_code == 0
    assert f"in workspace {OTHER_WORKSPACE}" in checks["list images"]["detail"]
    assert "80 in workspace 0" in checks["list images"]["detail"]


def test_settings_that_cannot_be_used(cli: Cli, serve_cloud: Serve) -> None:
    assert cli("doctor").exit_code == 2
    assert cli("doctor", "--endpoint", "http://example.com", "--project-id", "a" * 32).exit_code == 2
    called = cli("doctor", *serve_cloud().options, "--ca-bundle", "no-such-file")
    assert called.exit_code == 2
    assert "--ca-bundle" in called.stderr
    assert called.stdout == ""


def test_many_targets_have_a_section_each(cli: Cli, serve_cloud: Serve, tmp_path: Path) -> None:
    good, bad = serve_cloud(), serve_cloud(faults=faulty("list:403=1"))
    targets = tmp_path / "targets.yaml"
    targets.write_text(
        "version: 1\ndefaults: {auth: none}\ntargets:\n"
        + "".join(
            f"  - {{name: {name}, endpoint: '{url}', project_id: {PROJECT_ID}}}\n"
            for name, url in (("good", good.url), ("bad", bad.url), ("gone", "http://127.0.0.1:1"))
        )
    )
    called = cli("doctor", "--targets", targets, "--format", "json", "--max-attempts", 1)
    document = json.loads(called.stdout)
    assert [(one["name"], one["exit_code"]) for one in document["targets"]] == [
        ("bad", 5),
        ("gone", 6),
        ("good", 0),
    ]
    assert called.exit_code == 6
    text = cli("doctor", "--targets", targets, "--max-attempts", 1).stdout
    assert [line.split(":")[0] for line in text.splitlines() if line and line[0] != " "] == [
        "bad",
        "gone",
        "good",
    ]


def test_every_setting_with_where_it_comes_from(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = serve_cloud()
    monkeypatch.setenv("MODELARTS_AUTH", "none")
    monkeypatch.setenv("CANARY_AK", LOGIN.ak)
    (tmp_path / "pins.txt").write_text("img-1\n")
    (tmp_path / "image-cleanup.yaml").write_text(
        f"version: 1\ntimeout: 20s\ndeadline: 50m\ndefaults: {{in_use: own, pins: [pins.txt]}}\n"
        f"targets:\n  - name: vision\n    endpoint: {cloud.url}\n    project_id: {PROJECT_ID}\n"
        "    auth: aksk\n    rate: 3\n    credentials: {ak_env: CANARY_AK}\n"
    )
    called = cli("doctor", "--rate", "10", "--pins", "pins.txt")
    assert called.exit_code == 0
    _, _, shown = called.stdout.partition("Settings, and where each comes from:\n")
    assert shown.partition("\n\n")[0].splitlines() == [
        f"    endpoint       {cloud.url}  (image-cleanup.yaml:7:15)",
        f"    project_id     {PROJECT_ID}  (image-cleanup.yaml:8:17)",
        "    workspaces     0  (default)",
        "    auth           none  (MODELARTS_AUTH)",
        "    credentials    ak_env CANARY_AK  (image-cleanup.yaml:11:18)",
        "    rate           10  (--rate)",
        "    concurrency    16  (default)",
        "    in_use         own  (image-cleanup.yaml:4:20)",
        "    users          notebooks, jobs, algorithms, models, services, workflows  (default)",
        "    job_history    30d  (default)",
        "    pins           1  (image-cleanup.yaml:4:31, --pins)",
        "    timeout        20s  (image-cleanup.yaml:2:10)",
        "    max_attempts   5  (default)",
        "    deadline       50m  (image-cleanup.yaml:3:11)",
    ]
    assert LOGIN.ak not in called.output
    document = json.loads(cli("doctor", "--rate", "10", "--format", "json").stdout)
    (target,) = document["targets"]
    assert {"name": "rate", "value": "10", "origin": "--rate"} in target["settings"]


def test_a_terminal_breaks_lines_between_words() -> None:
    check = Check(name="credentials", level=CheckLevel.WARNING, detail="x " * 60, next_step="y " * 60)
    setting = Setting(name="users", value="z, " * 40, origin="default")
    found = Diagnosis(
        name="t", endpoint="e", project_id="p", exit_code=0, checks=(check,), settings=(setting,)
    )
    lines = diagnosis([found], 80).prose.splitlines()
    assert max(map(len, lines)) <= 80
    assert next(line for line in lines if line.strip().startswith("x")).startswith(" " * 31 + "x")
