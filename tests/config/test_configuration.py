"""The configuration: options over environment over file over default, strict, and said where it counts."""

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cleanup.cli import options, sources
from cleanup.cli.commands import command
from cleanup.cli.fleet import settings_of, targets_of
from cleanup.cli.pages import HelpPage
from cleanup.config.configuration import CONFIG_NAME
from cleanup.config.settings import Settings, Target
from cleanup.config.strict import CONFIG_VARIABLE
from cleanup.errors import PolicyError, UsageError

PROJECT, OTHER = "0a1b" * 8, "1b2c" * 8
ONE = f"""\
version: 1
timeout: 20s
max_attempts: 7
max_staleness: 0s
drain_timeout: 9s
targets:
  - name: vision
    region: cn-north-4
    project_id: {PROJECT}
    auth: aksk
    credentials: {{ak_env: VISION_AK, sk_env: VISION_SK}}
    rate: 3
    concurrency: 4
    workspaces: ["0", "w1"]
    users: [jobs, notebooks]
    in_use: own
    job_history: 7d
    pins: [pins.txt]
    policies: [policies]
"""
Seen = tuple[tuple[Target, ...], Settings, tuple[Path, ...]]
Read = Callable[..., Seen]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """Parse the options of a command that connects; its targets, settings and policies."""
    for name in ("MODELARTS_ENDPOINT", "MODELARTS_AUTH", "HUAWEICLOUD_REGION", "HUAWEICLOUD_SDK_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pins.txt").write_text("team/ocr:1\n")
    (tmp_path / "more.txt").write_text("team/ocr:2\n")

    def call(*words: str) -> Seen:
        seen: list[Seen] = []

        def look(
            policy: options.PolicyPaths,
            connecting: options.Connecting,
            working: options.Working,
            deleting: options.Deleting,
        ) -> None:
            seen.append((targets_of(connecting, working), settings_of(connecting, working, deleting), policy))

        command("look", look, HelpPage(("", "", ""))).main(list(words), standalone_mode=False)
        return seen[0]

    return call


def write(text: str = ONE, name: str = CONFIG_NAME) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_all_of_it_stands_behind_the_options(read: Read) -> None:
    write()
    (target,), settings, policies = read()
    assert (target.name, target.project_id, target.rate, target.concurrency) == ("vision", PROJECT, 3.0, 4)
    assert target.endpoint == "https://modelarts.cn-north-4.myhuaweicloud.com"
    assert (target.workspaces, target.users, target.in_use) == (("0", "w1"), ("notebooks", "jobs"), "own")
    assert (target.auth, target.credentials.ak_env, target.job_history.days) == ("aksk", "VISION_AK", 7)
    assert not target.from_file
    assert policies == (Path("policies"),)
    assert (settings.timeout, settings.max_attempts) == (20.0, 7)
    assert (settings.max_staleness, settings.drain_timeout) == (0.0, 9.0)
    assert settings.settle_timeout == 120.0


@pytest.mark.parametrize(
    ("option", "value", "variable", "text", "found"),
    [
        ("--project-id", OTHER, "HUAWEICLOUD_SDK_PROJECT_ID", "2c3d" * 8, lambda t, _: t.project_id),
        (
            "--region",
            "eu-west-101",
            "HUAWEICLOUD_REGION",
            "af-south-1",
            lambda t, _: t.endpoint.split(".")[1],
        ),
        ("--auth", "password", "MODELARTS_AUTH", "token", lambda t, _: str(t.auth)),
        ("--rate", "10.0", None, None, lambda t, _: str(t.rate)),  # the default, but said
        ("--concurrency", "16", None, None, lambda t, _: str(t.concurrency)),
        ("--in-use", "all", None, None, lambda t, _: str(t.in_use)),
        ("--users", "models", None, None, lambda t, _: ",".join(t.users)),
        ("--timeout", "30s", None, None, lambda _, s: f"{s.timeout:g}s"),
        ("--max-attempts", "5", None, None, lambda _, s: str(s.max_attempts)),
        ("--drain-timeout", "25s", None, None, lambda _, s: f"{s.drain_timeout:g}s"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.startswith("--") else "",
)
def test_options_win_over_the_environment_and_that_over_the_file(
    read: Read,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: str,
    variable: str | None,
    text: str | None,
    found: Callable[[Target, Settings], str],
) -> None:
    write()
    (target,), settings, _ = read()
    of_file = found(target, settings)
    if variable and text:
        monkeypatch.setenv(variable, text)
        (target,), settings, _ = read()
        assert found(target, settings) == text
    (target,), settings, _ = read(option, value)
    assert found(target, settings) == value
    assert of_file not in (value, text)


def test_pins_add_up(read: Read) -> None:
    write()
    (target,), *_ = read("--pins", "more.txt", "--pins", "pins.txt")
    assert [use.swr_path for use in target.pins.uses] == ["team/ocr:1", "team/ocr:2"]


def test_what_says_where_is_of_one_source(read: Read) -> None:
    where = "endpoint: https://ma.example.com, iam_endpoint: https://iam.example.com"
    write(f"version: 1\ntargets: [{{name: a, project_id: {PROJECT}, {where}}}]\n")
    (of_file,), *_ = read()
    (elsewhere,), *_ = read("--region", "cn-north-4")
    assert (of_file.endpoint, of_file.iam_endpoint) == ("https://ma.example.com", "https://iam.example.com")
    assert elsewhere.endpoint == "https://modelarts.cn-north-4.myhuaweicloud.com"
    assert elsewhere.iam_endpoint == "https://iam.cn-north-4.myhuaweicloud.com"
    (plain,), *_ = read("--endpoint", "https://other.example.com")
    assert (plain.endpoint, plain.iam_endpoint) == ("https://other.example.com", None)


def test_paths_are_relative_to_the_file(read: Read) -> None:
    Path("conf").mkdir()
    Path("conf/pins.txt").write_text("img-1")
    write(ONE.replace("timeout: 20s", "ca_bundle: ca.pem"), "conf/nightly.yaml")
    (target,), settings, policies = read("--config", "conf/nightly.yaml")
    assert (settings.ca_bundle, policies) == (Path("conf/ca.pem"), (Path("conf/policies"),))
    assert [use.image_id for use in target.pins.uses] == ["img-1"]


def test_which_file(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate((CONFIG_NAME, "variable.yaml", "option.yaml"), 1):
        write(ONE.replace("rate: 3", f"rate: {number}"), name)
    assert read()[0][0].rate == 1
    monkeypatch.setenv(CONFIG_VARIABLE, "variable.yaml")
    assert read()[0][0].rate == 2
    assert read("--config", "option.yaml")[0][0].rate == 3
    with pytest.raises(UsageError, match="no endpoint"):
        read("--config", "none")
    monkeypatch.setenv(CONFIG_VARIABLE, "none")
    with pytest.raises(UsageError, match="no endpoint"):
        read()


@pytest.mark.parametrize("text", ["", " ", "'x.yaml'", "gone.yaml", ".", "/dev/null"], ids=repr)
def test_a_file_that_cannot_be_read_or_is_none(
    read: Read, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(UsageError) as by_option:
        read("--config", text)
    monkeypatch.setenv(CONFIG_VARIABLE, text)
    with pytest.raises(UsageError) as by_variable:
        read()
    assert "--config" in str(by_option.value) or "the configuration" in str(by_option.value)
    assert CONFIG_VARIABLE in str(by_variable.value) or "the configuration" in str(by_variable.value)


def test_a_broken_file_here_counts_only_for_who_needs_it(
    read: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    write("version: 1\nrat: 3\n")
    with pytest.raises(PolicyError, match=r"image-cleanup\.yaml:2:1: unknown key 'rat'"):
        read()
    with pytest.raises(IndexError):  # nothing was called
        read("--help")
    assert "--config" in capsys.readouterr().out
    with pytest.raises(UsageError, match="no endpoint"):
        read("--config", "none")


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        ("timeout: 30", "2:10", "30"),
        ("timeout: 0s", "2:10", "must be above zero"),
        ("timeout: '30s '", "2:10", "blanks"),
        ("max_attempts: 0", "2:15", "out of range"),
        ("max_attempts: '3'", "2:15", "without quotes"),
        ("breaker: -1", "2:10", "out of range"),
        ("deadline: 1 month", "2:11", "month"),
        ("ca_bundle: \"'ca.pem'\"", "2:12", "quotes"),
        ("journal: [a]", "2:10", "a list"),
        ("expires: 0h", "2:10", "must be above zero"),
        ("strict: 'true'", "2:9", "without quotes"),
        ("log_format: xml", "2:13", "no form of logs"),
        ("pushgateway: gw:9091", "2:14", "no URL"),
        ("notify: env:HOOK", "2:9", "a list"),
        ("notify: ['slack:https://h.example/secret']", "2:10", "give notify env:NAME"),
        ("notify: ['env:']", "2:10", "takes the name of an environment variable"),
        ("notify: ['https://me:pass@h.example/x']", "2:10", "may not carry a user"),
        ("settle_time: 2m", "2:1", "perhaps you meant 'settle_timeout'"),
        ("timeout: 1s\ntimeout: 2s", "3:1", "given twice"),
        ("token: secret", "2:1", "unknown key 'token'"),
        ("defaults: {region: north}", "2:20", "is no region"),
        ("defaults: {endpoint: 'http://ma.example.com'}", "2:22", "loopback"),
        ("defaults: {endpoint: 'https://me:pass@ma.example.com'}", "2:22", "may not carry a user"),
        ("defaults: {project_id: x}", "2:12", "unknown key 'project_id'"),
        ("defaults: {in_use: mine}", "2:20", "no scope of notebooks"),
        ("defaults: {users: notebooks}", "2:19", "a list"),
        ("defaults: {workspaces: [0]}", "2:25", "quotes"),
        ("defaults: {pins: pins.txt}", "2:18", "a list"),
        ("defaults: {credentials: {ak: AKIA}}", "2:26", "unknown key 'ak' in credentials"),
        ("defaults: {rate: '5'}", "2:18", "plain number"),
        ("targets: []", "2:10", "at least one"),
        (
            f"targets: [{{name: a, project_id: {PROJECT}}}, {{name: A, project_id: x}}]",
            "2:68",
            "names are unique",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and ":" in value and " " in value else "",
)
def test_it_is_as_strict_as_a_policy(read: Read, line: str, place: str, message: str) -> None:
    write(f"version: 1\n{line}\n")
    with pytest.raises(PolicyError) as caught:
        read()
    told = [str(problem) for problem in caught.value.problems]
    assert any(one.startswith(f"{CONFIG_NAME}:{place}: ") and message in one for one in told), told
    assert "pass@" not in str(caught.value)


def test_every_problem_is_said_at_once(read: Read) -> None:
    write("version: 1\ntimeout: x\ndefaults: {rate: 0}\ntargets: [{name: a b, project_id: x, region: y}]\n")
    with pytest.raises(PolicyError) as caught:
        read()
    assert [(one.line, one.column) for one in caught.value.problems] == [
        (2, 10),
        (3, 18),
        (4, 18),
        (4, 35),
        (4, 46),
    ]


class TestSeveralTargets:
    """They are as those of --targets, but for what the command line says."""

    MANY = f"""\
version: 1
timeout: 9s
defaults: {{region: cn-north-4, rate: 3, policies: [own.yaml], pins: [pins.txt]}}
targets:
  - {{name: a, project_id: {PROJECT}}}
  - {{name: b, project_id: {OTHER}, rate: 5}}
"""

    def test_each_is_of_the_file(self, read: Read) -> None:
        write(self.MANY)
        targets, settings, policies = read()
        assert [(one.name, one.rate, one.from_file) for one in targets] == [
            ("a", 3.0, True),
            ("b", 5.0, True),
        ]
        assert (settings.timeout, policies) == (9.0, ())
        assert {one.policies for one in targets} == {(Path("own.yaml"),)}
        assert [one.name for one in read("--shard", "1/2")[0]] == ["b"]

    def test_what_the_command_line_says_counts(self, read: Read) -> None:
        write(self.MANY)
        targets, settings, policies = read(
            "--rate", "10", "-p", "p.yaml", "--pins", "more.txt", "--timeout", "30s"
        )
        assert {(one.rate, one.policies, len(one.pins.uses)) for one in targets} == {(10.0, (), 2)}
        assert (settings.timeout, policies) == (30.0, (Path("p.yaml"),))

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("--endpoint", "https://ma.example.com"),
            ("--region", "cn-north-4"),
            ("--project-id", PROJECT),
            ("--workspace", "0"),
            ("--iam-endpoint", "https://iam.example.com"),
        ],
        ids=lambda value: value if value.startswith("--") else "",
    )
    def test_a_place_for_all_of_them_is_an_error(self, read: Read, option: str, value: str) -> None:
        write(self.MANY)
        with pytest.raises(UsageError, match=f"{option} is for one target and image-cleanup.yaml has 2"):
            read(option, value)

    def test_a_variable_too(self, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
        write(self.MANY)
        monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", PROJECT)
        with pytest.raises(UsageError, match="HUAWEICLOUD_SDK_PROJECT_ID is for one target"):
            read()

    def test_beside_targets(
        self, read: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(self.MANY, "targets.yaml")
        write()
        assert len(read("--targets", "targets.yaml")[0]) == 2
        assert "image-cleanup.yaml in the current folder is not used" in capsys.readouterr().err
        assert len(read("--targets", "targets.yaml", "--config", "none")[0]) == 2
        assert "not used" not in capsys.readouterr().err
        with pytest.raises(UsageError, match="--targets and --config each give a file"):
            read("--targets", "targets.yaml", "--config", CONFIG_NAME)
        monkeypatch.setenv(CONFIG_VARIABLE, CONFIG_NAME)
        with pytest.raises(UsageError, match="--targets and IMAGE_CLEANUP_CONFIG each give a file"):
            read("--targets", "targets.yaml")

    def test_of_targets_the_file_counts_first_and_its_settings_count(self, read: Read) -> None:
        write(self.MANY, "targets.yaml")
        targets, settings, _ = read("--targets", "targets.yaml", "--rate", "10")
        assert ([one.rate for one in targets], settings.timeout) == ([3.0, 5.0], 9.0)


def test_a_file_without_targets_leaves_the_project_to_the_options(read: Read) -> None:
    write("version: 1\ndefaults: {region: cn-north-4, rate: 2}\n")
    (target,), *_ = read("--project-id", PROJECT)
    assert (target.name, target.rate) == ("default", 2.0)
    with pytest.raises(PolicyError, match="a targets file needs the key 'targets'"):
        read("--targets", CONFIG_NAME)


def test_it_is_said_which_file_is_used_and_what_counts_over_it(
    read: Read, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    monkeypatch.setenv("HUAWEICLOUD_REGION", "cn-north-4")
    read("--rate", "3")
    told = capsys.readouterr().err
    assert "configuration: image-cleanup.yaml in the current folder; over it count" in told
    assert "--rate" in told
    assert "HUAWEICLOUD_REGION" in told
    Path(CONFIG_NAME).rename("image-cleanup.yml")
    read("--project-id", PROJECT)
    assert "image-cleanup.yml in the current folder is not read" in capsys.readouterr().err


def test_outside_of_a_command_there_is_none() -> None:
    assert click.get_current_context(silent=True) is None
    assert sources.configuration().file is None
