"""Texts from outside that are not of their form: exit 2, the option or variable named, no request, no secret told."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cleanup.config.strict import require_plain_environment, require_region
from cleanup.errors import UsageError
from tests.support.cloud import Cli, Cloud, Serve

POLICY = "version: 1\nrules:\n  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}\n"
SECRET = "canary-Secret-1"
REGIONS = ["cn-north-4", "eu-west-101", "la-north-2", "ap-southeast-3", "af-south-1", "ru-northwest-2"]


@pytest.fixture
def cloud(serve_cloud: Serve) -> Cloud:
    return serve_cloud(images=5)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


@pytest.mark.parametrize(
    "option",
    [
        "-p",
        "--workspace",
        "--deadline",
        "--endpoint",
        "--project-id",
        "--region",
        "--rate",
        "--timeout",
        "--pins",
        "--journal",
        "--ca-bundle",
        "--targets",
        "--shard",
        "--iam-endpoint",
        "--auth",
    ],
)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("  ", "blanks"),
        ("x ", "blanks"),
        ("'x'", "quotes"),
        ('x"', "quotes"),
        ("“x”", "quotes"),
        ("x\r", "carriage return"),
        ("x\ty", "tab"),
        ("x\ny", "line break"),
        ("x\u200by", "U+200B"),
    ],
)
def test_any_option_of_a_run(cli: Cli, cloud: Cloud, policy: Path, option: str, text: str, told: str) -> None:
    called = cli("run", "--apply", "-p", policy, *cloud.options, option, text)
    assert called.exit_code == 2, called.output
    assert option in called.stderr
    assert told in called.stderr
    assert not cloud.service.requests


def test_an_empty_policy_is_not_the_current_folder(cli: Cli, cloud: Cloud, policy: Path) -> None:
    called = cli("plan", "-p", "", *cloud.options)
    assert called.exit_code == 2
    assert "-p is empty" in called.stderr
    assert "-p ." in called.stderr
    assert cli("plan", "-p", ".", *cloud.options).exit_code == 0


@pytest.mark.parametrize("option", ["--as-of", "--expires", "-o", "--format"])
def test_an_empty_option_of_a_plan(cli: Cli, cloud: Cloud, policy: Path, option: str) -> None:
    called = cli("plan", "-p", policy, *cloud.options, option, "")
    assert called.exit_code == 2
    assert option in called.stderr.replace("--output", "-o")
    assert not cloud.service.requests


@pytest.mark.parametrize("command", ["apply", "resume", "restore", "report", "validate", "test"])
def test_an_empty_argument(cli: Cli, command: str) -> None:
    called = cli(command, "")
    assert called.exit_code == 2
    assert "is empty" in called.stderr


PLAIN = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"]
LOGIN = ["MODELARTS_TOKEN", "OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_NAME"]
KEYS = ["HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"]
KEYS += ["HUAWEICLOUD_SDK_CREDENTIALS_FILE", "HUAWEICLOUD_SDK_IDP_ID"]


@pytest.mark.parametrize("name", [*PLAIN, *LOGIN, *KEYS])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        (f"{SECRET} ", "blanks"),
        (f"'{SECRET}'", "quotes"),
        (f"{SECRET}\r", "carriage return"),
        (f"{SECRET}\t{SECRET}", "tab"),
        (f"{SECRET}\x1b", "U+001B"),
        (" ", "blanks"),
        ("\ufeff" + SECRET, "U+FEFF"),
    ],
)
def test_any_variable_that_is_read(
    cli: Cli, policy: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, told: str
) -> None:
    monkeypatch.setenv(name, text)
    called = cli(
        "plan", "-p", policy, "--region", "cn-north-4", "--project-id", "a" * 32, "--log-format", "json"
    )
    assert called.exit_code == 2, called.output
    assert name in called.stderr
    assert told in called.stderr
    assert called.stderr.startswith("{")
    assert SECRET not in called.output


@pytest.mark.parametrize(
    "name", ["MODELARTS_ENDPOINT", "HUAWEICLOUD_REGION", "HUAWEICLOUD_SDK_PROJECT_ID", "MODELARTS_AUTH"]
)
@pytest.mark.parametrize("text", ["", " x", "'x'", "x\r"])
def test_a_variable_that_stands_for_an_option(
    cli: Cli, policy: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    called = cli("plan", "-p", policy)
    assert called.exit_code == 2
    assert name in called.stderr


def test_only_what_is_read_is_looked_at(
    cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*LOGIN, *KEYS):
        monkeypatch.setenv(name, "")
    assert cli("plan", "-p", policy, *cloud.options).exit_code == 0


def test_a_variable_that_a_targets_file_names(
    cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "targets.yaml").write_text(
        f"version: 1\ntargets:\n  - {{name: a, endpoint: '{cloud.url}', project_id: {'a' * 32}, auth: token, "
        "credentials: {token_env: TEAM_TOKEN}}\n"
    )
    monkeypatch.setenv("TEAM_TOKEN", f'"{SECRET}"')
    monkeypatch.setenv("MODELARTS_TOKEN", "")  # nobody's
    called = cli("plan", "-p", policy, "--targets", "targets.yaml")
    assert called.exit_code == 2
    assert "TEAM_TOKEN" in called.stderr
    assert SECRET not in called.output
    assert not cloud.service.requests


def refusal(environment: dict[str, str], names: Sequence[str], secrets: Sequence[str] = ()) -> str | None:
    """What is said against these variables, None where they are taken."""
    try:
        require_plain_environment(environment, names, secrets)
    except UsageError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "text", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", f"it's {SECRET}", f"{SECRET}'", "'"]
)
def test_a_secret_may_end_in_a_line_break_and_hold_a_quote(text: str) -> None:
    assert refusal({"S": text}, (), ["S"]) is None


@pytest.mark.parametrize(
    "address",
    [
        "direct",
        "direct://",
        "socks5://proxy:1080",
        "socks5h://u:canary@proxy:1080",
        "http://",
        "http://:3128",
        "http:/proxy:3128",
        "http://proxy:port",
        "http://u:canary@",
        "http://u:ca/nary@proxy:3128",
        "://proxy",
        "http://proxy:3128/path",
        "http://proxy:0",
        "none",
        "http://pro xy:3128",
    ],
)
def test_a_proxy_that_is_none(address: str) -> None:
    with pytest.raises(
        UsageError, match=r"^HTTPS_PROXY names .*http://\[user:password@\]host:port"
    ) as caught:
        require_plain_environment({"HTTPS_PROXY": address}, ["HTTPS_PROXY"])
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://proxy.corp:3128",
        "https://proxy:443/",
        "proxy:3128",
        "http://me:s%40cret@proxy.corp:3128",
        "u:p@proxy:3128",
        "10.0.0.1:8080",
        "http://[fd00::1]:3128",
        "HTTP://proxy",
    ],
)
def test_a_proxy(address: str) -> None:
    assert refusal({"HTTPS_PROXY": address}, ["HTTPS_PROXY"]) is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--project-id", "my-project"], "32 hexadecimal digits"),
        (["--project-id", "a" * 31], "32 hexadecimal digits"),
        (["--project-id", "g" * 32], "32 hexadecimal digits"),
        (["--region", "North-4", "--project-id", "a" * 32], "cn-north-4"),
        (["--region", "cn-north-4.example.com/x?", "--project-id", "a" * 32], "cn-north-4"),
        (["--region", "cnnorth4", "--project-id", "a" * 32], "cn-north-4"),
    ],
)
def test_a_project_and_a_region_that_are_none(
    cli: Cli, cloud: Cloud, policy: Path, options: list[str], told: str
) -> None:
    called = cli("plan", "-p", policy, "--endpoint", cloud.url, "--auth", "none", *options)
    assert called.exit_code == 2
    assert options[0] in called.stderr
    assert told in called.stderr
    assert not cloud.service.requests


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MODELARTS_ENDPOINT", "modelarts.example.com"),
        ("OS_AUTH_URL", "http://keystone.example.com:5000/v3"),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "my-project"),
        ("HUAWEICLOUD_REGION", "North-4"),
    ],
)
def test_a_wrong_variable_is_named(
    cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    right = {
        "MODELARTS_ENDPOINT": cloud.url,
        "HUAWEICLOUD_SDK_PROJECT_ID": "a" * 32,
        "MODELARTS_AUTH": "none",
    }
    for variable, value in {**right, name: text}.items():
        monkeypatch.setenv(variable, value)
    called = cli("plan", "-p", policy)
    assert called.exit_code == 2
    assert not cloud.service.requests
    assert f"({name}) '{text}'" in called.stderr


@pytest.mark.parametrize("region", REGIONS)
def test_regions(region: str) -> None:
    assert require_region(region, "--region") == region


def test_a_project_of_a_targets_file(cli: Cli, policy: Path, tmp_path: Path) -> None:
    (tmp_path / "targets.yaml").write_text(
        "version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: vision}\n"
        f"  - {{name: b, region: north, project_id: {'a' * 32}}}\n"
    )
    called = cli("plan", "-p", policy, "--targets", "targets.yaml")
    assert called.exit_code == 2
    assert "targets.yaml:3:47: project_id 'vision' is no project id" in called.stderr
    assert "targets.yaml:4:23: region 'north' is no region" in called.stderr


def test_a_password_in_a_url_is_not_told(cli: Cli, policy: Path) -> None:
    for url in ("ftp://me:canary@host", "https://me:canary@host"):
        called = cli("plan", "-p", policy, "--endpoint", url, "--project-id", "a" * 32)
        assert called.exit_code == 2
        assert "--endpoint" in called.stderr
        assert "canary" not in called.output


def test_the_key_of_plans(cli: Cli, cloud: Cloud, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("", f'"{SECRET}"', f"{SECRET} ", f"{SECRET}\r", f"{SECRET}\t1"):
        monkeypatch.setenv("IMAGE_CLEANUP_PLAN_KEY", key)
        called = cli("plan", "-p", policy, *cloud.options)
        assert called.exit_code == 2
        assert "IMAGE_CLEANUP_PLAN_KEY" in called.stderr
        assert SECRET not in called.output
    assert not cloud.service.requests
    monkeypatch.setenv("IMAGE_CLEANUP_PLAN_KEY", f"{SECRET}\n")
    assert cli("plan", "-p", policy, "-o", "plan.jsonl", *cloud.options).exit_code == 0
    monkeypatch.setenv("IMAGE_CLEANUP_PLAN_KEY", SECRET)
    assert cli("apply", "plan.jsonl", *cloud.options).exit_code == 0
