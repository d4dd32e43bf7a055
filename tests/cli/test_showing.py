"""`--format` and `-o`: alike for every command with a result, and nothing but an older report is ever replaced."""

import json
import re
import shlex
from pathlib import Path

import pytest

from cleanup.cli.showing import Destination, Showing
from cleanup.decision.types import Reason
from cleanup.errors import UsageError
from cleanup.reports import FORMATS, Format, view
from cleanup.reports.view import Report
from tests.support.cloud import Cli, Cloud, Serve
from tests.support.command_lines import commands, options_of
from tests.support.kinds import BEGINNINGS
from tests.support.plans import decided, plan_of

POLICY = """\
version: 1
rules:
  - {name: old, match: {visibility: PRIVATE}, older_than: 30d}
limits: {max_percent: 100}
"""
CASES = """\
version: 1
policy: policy.yaml
now: "2026-11-23T12:00:00Z"
images:
  - {image: n/m:t, age: 100d, expect: {action: delete}}
  - {image: n/m:u, age: 1d, expect: {action: delete}}
"""
SHOW = {"report", "run", "apply", "resume", "restore", "explain", "diff", "test", "doctor", "journals"}


@pytest.fixture
def report() -> Report:
    return view(plan_of([decided("1"), decided("2", Reason.IN_USE)]))


@pytest.fixture
def cloud(serve_cloud: Serve, tmp_path: Path) -> Cloud:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return serve_cloud(images=20)


def test_every_command_with_a_result_takes_both() -> None:
    formats: dict[str, tuple[Format, ...]] = {
        name: tuple(options_of(name)["--format"].type.choices)
        for name in commands()
        if "--format" in options_of(name)
    }
    assert {name for name in formats if {"-o", "--output"} <= options_of(name).keys()} - {"plan"} == SHOW
    assert formats.pop("test") == (*FORMATS, Format.JUNIT) == tuple(Format)
    assert set(formats.values()) == {FORMATS}


@pytest.mark.parametrize("form", FORMATS)
def test_the_ending_says_the_format_and_an_older_report_is_replaced(
    form: Format, tmp_path: Path, report: Report
) -> None:
    endings = {"table": "txt", "markdown": "md"}
    path = tmp_path / f"report.{endings.get(form, form)}"
    destination = Showing(output=path).destination()
    assert destination == Destination(form, path)
    destination.show([report])
    first = path.read_bytes()
    assert Showing(output=path).destination() == destination
    destination.show([report])
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_results_of_policy_tests_take_every_format_and_are_readable_as_junit(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "a.test.yaml").write_text(CASES)
    words = ("--log-format", "plain", "test", "a.test.yaml")
    assert cli(*words, "--junit", "short.xml").stdout == cli(*words, "--format", "table").stdout
    for name in ("results.xml", "results.json", "results.csv"):
        told = cli(*words, "-o", name)
        assert (told.exit_code, told.stdout) == (2, "")
        assert f"report written to {name}\nerror: 1 file: 1 as expected, 1 otherwise\n" in told.stderr
    assert (tmp_path / "results.xml").read_text() == (tmp_path / "short.xml").read_text()
    assert cli(*words, "--format", "junit").stdout == (tmp_path / "short.xml").read_text()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("*.*")}
    assert modes["results.xml"] == modes["short.xml"] == modes["policy.yaml"]
    assert modes["results.json"] == 0o600
    document = json.loads((tmp_path / "results.json").read_text())
    assert (document["report"], document["passed"], document["failed"]) == ("tests", 1, 1)
    assert [one["line"] for one in document["images"] if one["result"] == "failed"] == [6]


def test_an_ending_that_says_nothing() -> None:
    with pytest.raises(UsageError, match=r"ending '.xlsx'.*\.json.*--format"):
        Showing(output=Path("report.xlsx")).destination()
    with pytest.raises(UsageError, match=r"ending '.xml'.*\.json.*--format"):
        Showing(output=Path("report.xml")).destination()
    assert Showing(output=Path("x.dat"), format=Format.CSV).destination().format is Format.CSV
    assert Showing(output=Path("x.JSON"), format=Format.CSV).destination().format is Format.CSV
    assert Showing(output=Path("x.JSON")).destination().format is Format.JSON


@pytest.mark.parametrize("stdout", ["-", "/dev/stdout"])
def test_stdout_by_its_names(stdout: str) -> None:
    assert Showing(output=Path(stdout), format=Format.CSV).destination() == Destination(Format.CSV)


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_else_is_replaced(form: Format, tmp_path: Path, report: Report) -> None:
    reports = {"a report", "an HTML page", "a CSV table", "an empty file"} | (
        {"a file of another kind"} if form is Format.TABLE else set()
    )
    path = tmp_path / "precious"
    for kind, text in BEGINNINGS.items():
        if kind in reports:
            continue
        path.write_text(text)
        with pytest.raises(UsageError, match=f"{kind}.* lies there; choose another place with -o"):
            Showing(output=path, format=form).destination()
        with pytest.raises(UsageError):
            Destination(form, path).show([report])
        assert path.read_text() == text
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]


def test_a_link_a_folder_a_missing_folder_and_a_name_too_long(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(tmp_path / "x.json")
    for path in (
        tmp_path / "link.json",
        tmp_path,
        tmp_path / "no" / "x.json",
        tmp_path / f"{'x' * 300}.json",
    ):
        with pytest.raises(UsageError, match="cannot write the report"):
            Showing(output=path, format=Format.JSON).destination()


def test_a_full_disk_leaves_the_older_report(
    tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    Destination(Format.JSON, path).show([report])
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cleanup.files._keep_mode", full)
    with pytest.raises(UsageError, match=r"cannot write the report .*: No space left on device") as caught:
        Destination(Format.JSON, path).show([report])
    assert caught.value.exit_code == 2
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_plan_run_apply_and_report_show_the_same_in_a_file(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    assert cli("run", "-p", "policy.yaml", "-o", "dry.json", *cloud.options).stdout == ""
    dry = json.loads((tmp_path / "dry.json").read_text())
    assert dry["report"] == "plan"
    cli("plan", "-p", "policy.yaml", "-o", "a.plan.jsonl", *cloud.options)
    applied = cli("apply", "a.plan.jsonl", "--journal", "j.jsonl", "-o", "run.csv", *cloud.options)
    assert (applied.exit_code, applied.stdout) == (0, "")
    assert (tmp_path / "run.csv").read_text() == cli("report", "j.jsonl", "--format", "csv").stdout
    again = cli("resume", "j.jsonl", "--format", "json", *cloud.options)
    assert json.loads(again.stdout)["by_outcome"]["deleted"] == dry["delete"] > 0
    *kept, _, _ = (tmp_path / "j.jsonl").read_text().splitlines(keepends=True)  # killed at its last image
    (tmp_path / "j.jsonl").write_text("".join(kept))
    resumed = cli("resume", "j.jsonl", "--format", "json", *cloud.options)
    assert sum(json.loads(resumed.stdout)["by_outcome"].values()) == dry["delete"]


@pytest.mark.parametrize(
    ("line", "report", "list_"),
    [
        ("run -p policy.yaml --rate 500 -o short.txt", "plan", "delete"),
        ("plan -p 'with warning.yaml' --strict", "plan", "delete"),
        ("diff -p policy.yaml -p nothing.yaml", "comparison", "changed"),
    ],
    ids=["run", "plan", "diff"],
)
def test_the_command_that_shows_all_works_when_it_is_pasted(
    cli: Cli, serve_cloud: Serve, tmp_path: Path, line: str, report: str, list_: str
) -> None:
    cloud = serve_cloud(images=200)
    for name, text in {
        "policy.yaml": POLICY,
        "with warning.yaml": f"{POLICY}protect: [{{namespace: no-such-team}}]\n",
        "nothing.yaml": POLICY.replace("30d", "9000d"),
    }.items():
        (tmp_path / name).write_text(text)
    told = cli(*shlex.split(line), *cloud.options)
    said = told.stdout or (tmp_path / "short.txt").read_text()
    [pasted] = re.findall(r"^and [\d,]+ more.*:\s+`?image-cleanup (.* --format html)`?$", said, re.M)
    every = cli(*shlex.split(pasted.replace("--format html", "--format json")))
    assert every.exit_code == told.exit_code
    document = json.loads(every.stdout)
    assert (document["report"], document[list_] > 50) == (report, True)
    assert not list(tmp_path.glob("*.plan.jsonl"))


def test_apply_says_one_line_unless_asked(cli: Cli, cloud: Cloud) -> None:
    cli("plan", "-p", "policy.yaml", "-o", "a.plan.jsonl", *cloud.options)
    applied = cli("apply", "a.plan.jsonl", "--journal", "j.jsonl", *cloud.options)
    assert (applied.exit_code, applied.stdout) == (0, "")


def test_run_refused_by_a_limit_shows_its_plan(cli: Cli, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY.replace("100}", "1}"))
    called = cli("run", "--apply", "-p", "policy.yaml", "--format", "json", *cloud.options)
    assert called.exit_code == 4
    document = json.loads(called.stdout)
    assert document["report"] == "plan"
    assert document["over_limits"]
    assert not cloud.deleted
