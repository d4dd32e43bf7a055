"""Many targets at once: each on its own, shared out among shards, the worst exit code for all."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.cli.ends import worst
from cleanup.config.settings import make_target
from cleanup.config.targets import make_targets, parse_shard, read_targets_file, shard_of
from cleanup.errors import PolicyError, UsageError
from cleanup.simulator import PROJECT_ID
from tests.support.builders import events
from tests.support.cloud import Cli, Cloud, Serve

POLICY = """\
version: 1
rules:
  - name: old
    match: {visibility: PRIVATE}
    older_than: 30d
limits: {max_percent: 100}
"""
Fleet = Callable[[int], dict[str, Cloud]]


@pytest.fixture
def fleet(serve_cloud: Serve, tmp_path: Path) -> Fleet:
    """Start so many simulated projects and write `targets.yaml` and `policy.yaml` for them."""

    def start(count: int, broken: tuple[str, ...] = ()) -> dict[str, Cloud]:
        clouds = {f"team-{number:02}": serve_cloud(images=12, seed=number) for number in range(count)}
        entries = [
            f"  - {{name: {name}, endpoint: '{cloud.url}', project_id: {PROJECT_ID}, auth: none}}"
            for name, cloud in clouds.items()
        ]
        (tmp_path / "targets.yaml").write_text(
            "\n".join(
                [
                    "version: 1",
                    "defaults: {rate: 500, policies: [policy.yaml]}",
                    "targets:",
                    *entries,
                    *broken,
                ]
            )
        )
        (tmp_path / "policy.yaml").write_text(POLICY)
        return clouds

    return start


BROKEN = (
    f"  - {{name: z-unreachable, endpoint: 'http://127.0.0.1:1', project_id: {PROJECT_ID}, auth: none}}",
    f"  - {{name: z-no-login, endpoint: 'http://127.0.0.1:1', project_id: {PROJECT_ID}, auth: token, "
    "credentials: {token_env: NOT_SET_ANYWHERE}}",
)


def test_plan_and_apply_over_all_of_them(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    clouds = fleet(3)
    planned = cli("plan", "--targets", "targets.yaml", "-o", "plans", "--detailed-exitcode")
    assert planned.exit_code == 10, planned.output
    assert sorted(path.name for path in (tmp_path / "plans").iterdir()) == [
        f"{name}.plan.jsonl" for name in sorted(clouds)
    ]
    applied = cli("apply", "plans", "--targets", "targets.yaml", "--journal", "logs")
    assert applied.exit_code == 0, applied.output
    for name, cloud in clouds.items():
        (journal,) = (tmp_path / "logs").glob(f"image-cleanup-{name}-*.jsonl")
        results = events(journal, "delete.result")
        assert {line["image_id"] for line in results} == set(cloud.deleted)
        assert {line["target"] for line in results} <= {name}
        assert cloud.deleted
        assert re.search(rf"^{name} +0 +\d+ planned: \d+ deleted", applied.stdout, re.M)
    assert "3 done, 0 failed" in applied.stdout


def test_a_run_of_one_of_them_is_resumed_in_its_own_journal(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    clouds = fleet(2)
    (tmp_path / "logs").mkdir()
    cut = cli("run", "-p", "policy.yaml", "--apply", "--targets", "targets.yaml", "--journal", "logs")
    assert cut.exit_code == 0, cut.output
    (journal,) = (tmp_path / "logs").glob("image-cleanup-team-01-*[0-9a-f].jsonl")
    *_, last = events(journal, "delete.result")
    lines = [line for line in journal.read_text().splitlines(True) if last["image_id"] not in line]
    journal.write_text("".join(lines[:-1]))
    there = len(list((tmp_path / "logs").iterdir()))
    resumed = cli("resume", str(journal), "--targets", "targets.yaml")
    assert resumed.exit_code == 0, resumed.output
    assert {line["image_id"] for line in events(journal, "delete.result")} == set(clouds["team-01"].deleted)
    assert len(events(journal, "run.finished")) == 1
    assert len(list((tmp_path / "logs").iterdir())) == there


def test_one_that_fails_stops_no_other_and_the_worst_code_wins(
    cli: Cli, fleet: Callable[..., dict[str, Cloud]], tmp_path: Path
) -> None:
    clouds = fleet(18, BROKEN)
    (tmp_path / "logs").mkdir()
    taken: Counter[str] = Counter()
    codes = []
    for shard in range(4):
        called = cli(
            "run", "--targets", "targets.yaml", "--apply", "--journal", "logs", "--shard", f"{shard}/4",
            "--max-attempts", 1,
        )  # fmt: skip
        codes.append(called.exit_code)
    for journal in (tmp_path / "logs").glob("*.jsonl"):
        if not journal.name.endswith(".plan.jsonl"):
            taken[events(journal, "run.started")[0]["target"]] += 1
    assert taken == dict.fromkeys(clouds, 1)
    assert all(cloud.deleted for cloud in clouds.values())
    assert sorted(codes) == [0, 0, 5, 6]


def test_an_indexed_job_shares_out_like_the_option(
    cli: Cli, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clouds = fleet(5)
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setenv("IMAGE_CLEANUP_SHARDS", "3")
    assert cli("run", "--targets", "targets.yaml", "--apply").exit_code == 0
    assert [name for name, cloud in clouds.items() if cloud.deleted] == ["team-01", "team-04"]


def test_many_targets_are_one_document_and_one_that_failed_stands_in_it(
    cli: Cli, fleet: Callable[..., dict[str, Cloud]], tmp_path: Path
) -> None:
    clouds = fleet(2, BROKEN)
    run = ("run", "--targets", "targets.yaml", "--max-attempts", 1)
    called = cli(*run, "-o", "all.json")
    assert (called.exit_code, called.stdout) == (6, "")
    document = json.loads((tmp_path / "all.json").read_text())
    summary, (first, second, *failures) = document["summary"], document["targets"]
    assert [one["target"] for one in document["targets"]] == [*clouds, "z-no-login", "z-unreachable"]
    assert [(one["report"], one["exit_code"]) for one in failures] == [("failure", 5), ("failure", 6)]
    assert "NOT_SET_ANYWHERE" in failures[0]["error"]
    assert (summary["done"], summary["failed"], summary["exit_code"]) == (2, 2, 6)
    assert summary["delete"] == first["delete"] + second["delete"] > 0
    assert [end["exit_code"] for end in summary["ends"]] == [0, 0, 5, 6]

    rows = list(csv.DictReader(io.StringIO(cli(*run, "--format", "csv").stdout)))
    images = {name: one["images"] for name, one in zip(clouds, (first, second), strict=True)}
    assert [(row["target"], row["id"]) for row in rows] == [
        (name, image["id"]) for name in clouds for image in images[name]
    ]
    assert cli(*run, "-o", "all.ndjson").stdout == ""
    head, *lines, last = map(json.loads, (tmp_path / "all.ndjson").read_text().splitlines())
    assert head["summary"]["delete"] == summary["delete"]
    assert last == {"kind": "summary", "reports": 5, "images": 4 + len(rows)}
    assert [(one["target"], one["id"]) for one in lines if one["kind"] == "image" and "id" in one] == [
        (row["target"], row["id"]) for row in rows
    ]
    for form in ("table", "markdown"):
        shown = cli(*run, "--format", form).stdout
        assert shown.index("2 done, 2 failed") < shown.index("Plan ") < shown.index("Target z-unreachable")


def test_runs_of_many_targets_are_reported_from_their_journals(
    cli: Cli, fleet: Fleet, tmp_path: Path
) -> None:
    clouds = fleet(2)
    (tmp_path / "logs").mkdir()
    called = cli(
        "run", "--apply", "--targets", "targets.yaml", "--journal", "logs", "--format", "json"
    )  # fmt: skip
    document = json.loads(called.stdout)
    assert [one["report"] for one in document["targets"]] == ["journal", "journal"]
    assert document["summary"]["by_outcome"] == {
        "deleted": sum(len(cloud.deleted) for cloud in clouds.values())
    }


def test_missing_plans_are_refused(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    fleet(2)
    called = cli("apply", "targets.yaml", "--targets", "targets.yaml")
    assert called.exit_code == 2
    assert "PLAN is the folder" in called.stderr
    called = cli("apply", ".", "--targets", "targets.yaml")
    assert called.exit_code == 2
    assert "plan this target first" in called.stderr


def test_a_plan_lies_where_another_targets_plan_should_be(cli: Cli, fleet: Fleet, tmp_path: Path) -> None:
    clouds = fleet(2)
    assert cli("plan", "--targets", "targets.yaml").exit_code == 0
    (tmp_path / "team-01.plan.jsonl").write_bytes((tmp_path / "team-00.plan.jsonl").read_bytes())
    assert cli("apply", ".", "--targets", "targets.yaml").exit_code == 8
    assert clouds["team-00"].deleted
    assert not clouds["team-01"].deleted


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "version: 1\ntargets:\n  - name: a\n    project_id: p\n",
            ":3:5:",
            "no endpoint",
        ),
        ("version: 1\ntargets:\n  - {name: a, region: cn-north-4}\n", ":3:5:", "needs the key 'project_id'"),
        ("version: 1\ntargets: []\n", ":2:10:", "at least one target"),
        ("version: 2\ntargets: []\n", ":1:10:", "version must be 1"),
        (
            "version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: p, auth: pasword}\n",
            ":3:",
            "'pasword' is no way to log in: perhaps you meant 'password'",
        ),
        (
            "version: 1\ntargets:\n  - {name: a/b, region: cn-north-4, project_id: p}\n",
            ":3:12:",
            "no target name",
        ),
        (
            "version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: p, rat: 3}\n",
            ":3:",
            "perhaps you meant 'rate'",
        ),
        (
            "version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: p, credentials: {ak_env: 'x y'}}\n",
            ":3:",
            "never put the secret itself here",
        ),
        (
            "version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: p}\n"
            "  - {name: A, region: cn-north-4, project_id: q}\n",
            ":4:5:",
            "names are unique",
        ),
        (
            "version: 1\ntargets:\n  - {name: a, endpoint: 'http://x.example', project_id: p}\n",
            ":3:25:",
            "loopback",
        ),
        ("version: 1\ntargets:\n  - {name: a, region: cn-north-4, project_id: 012}\n", ":3:", "quotes"),
    ],
)
def test_a_targets_file_is_as_strict_as_a_policy(
    cli: Cli, tmp_path: Path, text: str, place: str, message: str
) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(text.replace("project_id: p", f"project_id: {PROJECT_ID}"))
    with pytest.raises(PolicyError) as caught:
        make_targets(read_targets_file(path), {})
    assert any(place in str(problem) and message in str(problem) for problem in caught.value.problems)
    assert cli("plan", "-p", "x.yaml", "--targets", path).exit_code == 2


def test_what_a_target_leaves_open_comes_from_the_files_defaults_then_from_the_options(
    tmp_path: Path,
) -> None:
    path = tmp_path / "targets.yaml"
    place = f"region: cn-north-4, project_id: {PROJECT_ID}"
    path.write_text(
        "version: 1\ndefaults: {rate: 5}\ntargets:\n"
        f"  - {{name: a, {place}}}\n  - {{name: b, {place}, rate: 7}}\n"
    )
    first, second = make_targets(read_targets_file(path), {"rate": 3.0, "concurrency": 9})
    assert (first.rate, second.rate) == (5.0, 7.0)
    assert (first.concurrency, second.concurrency) == (9, 9)
    assert first.endpoint == "https://modelarts.cn-north-4.myhuaweicloud.com"


@given(st.sets(st.text("abcdef", min_size=1, max_size=6), max_size=30), st.integers(1, 9))
def test_shards_take_each_target_once_and_even_shares(names: set[str], count: int) -> None:
    targets = [make_target(name=name, region="cn-north-4", project_id="a" * 32) for name in names]
    shares = [shard_of(targets, index, count) for index in range(count)]
    assert sorted(target.name for share in shares for target in share) == sorted(names)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["4/4", "-1/4", "1", "a/b", "0/0", "1/4/2", ""])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text, {})


@pytest.mark.parametrize("alone", ["JOB_COMPLETION_INDEX", "IMAGE_CLEANUP_SHARDS"])
def test_an_index_without_a_count_and_a_count_without_an_index_are_refused(alone: str) -> None:
    assert parse_shard(None, {}) == (0, 1)
    with pytest.raises(UsageError, match="is not set"):
        parse_shard(None, {alone: "3"})


@pytest.mark.parametrize(
    ("codes", "code"), [([], 0), ([0, 0], 0), ([0, 10], 10), ([10, 3], 3), ([3, 6, 5], 6), ([1, 8], 1)]
)
def test_the_worst_exit_code(codes: list[int], code: int) -> None:
    assert worst(codes) == code
