"""deploy/runbooks/: every command of a page runs, in order, in the scenario that its first line declares."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import ROOT, lines_of, needs
from tests.support.cloud import Cli, Serve
from tests.support.runbook_scenarios import Scenario, declared, prepare
from tests.support.runbook_shell import Ran, RunbookShell, commands, every_command, parted

pytestmark = pytest.mark.no_cover  # conftest says why

RUNBOOKS = ROOT / "deploy" / "runbooks"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}
INDEX = PAGES.pop("README")


def answers(ran: list[Ran], beginning: str) -> list[str]:
    """What the commands that begin so wrote, on stdout and stderr."""
    return [one.stdout + one.stderr for one in ran if one.text.startswith(beginning)]


def answer(ran: list[Ran], beginning: str) -> str:
    """What the last of them wrote."""
    return answers(ran, beginning)[-1]


def nothing_was_deleted(scenario: Scenario, _: list[Ran]) -> None:
    assert not scenario.cloud.deleted


def all_went_and_one_came_back(scenario: Scenario, ran: list[Ran]) -> None:
    assert len(scenario.cloud.deleted) > 20
    assert "restored      1" in answer(ran, "image-cleanup restore")


def it_is_back_and_protected(scenario: Scenario, ran: list[Ran]) -> None:
    action, reason, image_id = answer(ran, "jq -r --arg tag").split()
    assert (action, reason) == ("keep", "protected")
    assert image_id in scenario.cloud.image_ids
    assert image_id != scenario.known["IMAGE"]


def what_was_in_doubt_is_settled(scenario: Scenario, ran: list[Ran]) -> None:
    assert len(answer(ran, "jq -rs").split()) == 3
    assert '"planned":5,"deleted":2,"unknown":0' in answer(ran, "jq -c")
    assert "nothing to resume" in answer(ran, "image-cleanup resume")


def nothing_is_left(scenario: Scenario, ran: list[Ran]) -> None:
    assert '"not-attempted":0,"exit_code":0' in answer(ran, "jq -c")
    assert "0 of " in answer(ran, "image-cleanup run")


def the_reviewed_plan_went(scenario: Scenario, ran: list[Ran]) -> None:
    assert "over max_deletes 3" in answers(ran, "image-cleanup run")[0]
    planned = json.loads(answer(ran, "jq -c"))["delete"]
    assert len(scenario.cloud.deleted) == planned


def it_says_why_it_stays(scenario: Scenario, ran: list[Ran]) -> None:
    nothing_was_deleted(scenario, ran)
    assert "KEEP, protected" in answer(ran, "image-cleanup explain")


def first_the_canary_then_all(scenario: Scenario, ran: list[Ran]) -> None:
    canary, wider = (planned(scenario.folder / f"{name}.plan.jsonl") for name in ("canary", "wider"))
    assert {image["namespace"] for image in canary.values()} == {"sandbox"}
    assert scenario.cloud.deleted.keys() == {*canary, *wider}
    assert "newly deleted" in answers(ran, "image-cleanup diff")[0]


def planned(plan: Path) -> dict[str, dict[str, Any]]:
    deletes = [line["image"] for line in lines_of(plan) if line.get("action") == "delete"]
    return {image["id"]: image for image in deletes}


def both_went(scenario: Scenario, ran: list[Ran]) -> None:
    ends = [line.split("\t") for line in answer(ran, "jq -r").splitlines()]
    assert [(name, code) for name, code, *_ in ends] == [("speech", "0"), ("vision-prod", "0")]
    assert len(scenario.cloud.deleted) == int(ends[0][-1]) > 20


def the_records_agree(scenario: Scenario, ran: list[Ran]) -> None:
    """The digest, the run's own sum, and an audit log that has nothing more but somebody else's deletion."""
    started = json.loads(answers(ran, "jq -c")[0])
    sealed = next(one.stdout for one in ran if "summary" in one.text)
    assert sealed.strip() == started["plan_sha256"]
    _, by_rule, sums, differences = answers(ran, "duckdb")
    deleted = str(len(scenario.cloud.deleted))
    assert cells(by_rule) == [["old-dev-builds", "false", "deleted", deleted]]
    assert cells(sums) == [[started["run_id"], deleted, deleted]]
    assert cells(differences) == [["somebody's", "NULL", "alice", "the cloud"]]


def cells(table: str) -> list[list[str]]:
    """The rows of a table of DuckDB, below its names and types."""
    rows = [line for line in table.splitlines() if line.startswith("\N{BOX DRAWINGS LIGHT VERTICAL}")]
    return [
        [
            cell.strip()
            for cell in row.strip("\N{BOX DRAWINGS LIGHT VERTICAL}").split("\N{BOX DRAWINGS LIGHT VERTICAL}")
        ]
        for row in rows[2:]
    ]


PROMISED: dict[str, Callable[[Scenario, list[Ran]], None]] = {
    "change-a-policy": first_the_canary_then_all,
    "credentials-expired": nothing_was_deleted,
    "first-dry-run": nothing_was_deleted,
    "from-dry-run-to-apply": all_went_and_one_came_back,
    "image-stays": it_says_why_it_stays,
    "killed-run": what_was_in_doubt_is_settled,
    "limit-refused": the_reviewed_plan_went,
    "many-projects": both_went,
    "prove-to-an-auditor": the_records_agree,
    "throttled": nothing_is_left,
    "wrong-image-deleted": it_is_back_and_protected,
}


@needs("jq")
@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_runs_and_the_page_keeps_its_promise(
    name: str, cli: Cli, serve_cloud: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGES[name]
    scenario = prepare(cli, serve_cloud, monkeypatch, **declared(page))
    ran = RunbookShell(scenario.cli, monkeypatch, scenario.known).run(page)
    assert [one.text for one in ran] == every_command(page)
    PROMISED[name](scenario, ran)


def test_every_page_is_in_the_index() -> None:
    assert {name for name in PAGES if f"({name}.md)" in INDEX} == set(PAGES) == set(PROMISED)


def test_a_page_is_short_and_has_a_symptom_and_three_steps() -> None:
    for name, page in PAGES.items():
        assert len(page.splitlines()) < 100, name
        assert "\n**" in page.partition("\n## ")[0], name
        assert [
            word for word in ("Do", "After") if f"\n## {word}" not in page
        ] == [] or name == "prove-to-an-auditor"


def test_the_lines_of_a_block_are_told_apart() -> None:
    block = "a 'b\nc' \\\n  | d  # exit 4\n# alone\ncat > f <<'END'\nx's\nEND\n\ne\n"
    assert list(commands(block)) == ["a 'b\nc' \\\n  | d  # exit 4", "cat > f <<'END'\nx's\nEND", "e"]


def test_a_line_of_ours_ends_at_its_pipe() -> None:
    assert parted("image-cleanup plan -p \"$A|B\" | jq '.x > 1'") == (
        'image-cleanup plan -p "$A|B"',
        "| jq '.x > 1'",
    )
    assert parted("image-cleanup test x  # exit 2") == ("image-cleanup test x", "")


def test_what_is_named_on_a_cluster_or_a_machine_is_in_deploy() -> None:
    text = "".join(PAGES.values())
    overlays = set(re.findall(r"kubectl apply -k (\S+)", text))
    units = set(re.findall(r"systemctl \w+ (\S+)", text))
    assert overlays
    assert [path for path in overlays if not (ROOT / path / "kustomization.yaml").is_file()] == []
    assert units == {"image-cleanup", "image-cleanup.timer"}
    assert [unit for unit in units if not list((ROOT / "deploy/systemd").glob(f"{unit}*"))] == []
