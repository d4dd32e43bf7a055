"""Every JSON document is as its schema says, and the schema is the one that the command prints."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from cleanup.decision.explain import explain
from cleanup.decision.types import Reason
from cleanup.doctor import Check, CheckLevel, Diagnosis
from cleanup.in_use import InUse
from cleanup.journal import DeleteResult, JournalFile, JournalRun
from cleanup.journal.folder import StoredFile, StoredKind
from cleanup.outcome import Outcome, Verdict
from cleanup.reports import Format, render, view
from cleanup.reports.cases_view import cases_view
from cleanup.reports.comparison_view import between_plans
from cleanup.reports.doctor_view import diagnosis
from cleanup.reports.explain_view import explanation
from cleanup.reports.folder_view import folder_view
from cleanup.reports.json_schema import report_schema
from cleanup.reports.restore_view import restore_view
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.reports.view import Report
from cleanup.restore.candidates import Candidate
from cleanup.restore.records import RestoreState
from tests.support.builders import EVERYTHING, NOW, make_image, run_finished, run_started
from tests.support.cloud import Cli
from tests.support.page import cases_of
from tests.support.plans import decided, plan_of

PLAN = plan_of(
    [decided("1", force=True), decided("2", Reason.IN_USE, None), decided("3", age=None, size=None)]
)


@pytest.fixture(scope="module")
def closed() -> Draft202012Validator:
    """The schema, and no field that it does not name."""
    schema = report_schema()
    Draft202012Validator.check_schema(schema)
    for definition in schema["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return Draft202012Validator(schema)


def document(reports: list[Report], *, many: bool = False) -> Any:
    return json.loads("".join(render(reports, Format.JSON, many=many)))


def journal() -> JournalFile:
    failed = Verdict(outcome=Outcome.FAILED, http_status=500, attempts=5)
    run = JournalRun(
        started=run_started(planned=1),
        results={"1": DeleteResult.of(make_image("1"), "r", failed)},
        finished=run_finished({Outcome.FAILED: 1}),
    )
    return JournalFile(path=Path("j.jsonl"), runs=(run,), torn=False)


def reports() -> dict[str, Report]:
    image = make_image("1")
    check = Check(name="clock", level=CheckLevel.OK, detail="it is right")
    later = plan_of([decided("1"), decided("9")], created_at=NOW + timedelta(days=1))
    stored = StoredFile(path=Path("p.plan.jsonl"), kind=StoredKind.PLAN, last=NOW, size=1, identity=())
    candidate = Candidate(image=image, state=RestoreState.RESTORABLE, outcome=Outcome.DELETED, deleted_at=NOW)
    return {
        "plan": view(PLAN),
        "journal": view(journal()),
        "comparison": between_plans(later, PLAN),
        "restore": restore_view([candidate], {}, journal="j", restore_journal="r", applied=False),
        "explanation": explanation([explain(image, [image], EVERYTHING, InUse(), NOW)], NOW),
        "doctor": diagnosis(
            [Diagnosis(name="a", endpoint="https://e", project_id="p", exit_code=0, checks=(check,))]
        ),
        "tests": cases_view([cases_of("a")], [Path("policies")]),
        "journals": folder_view(Path(), [stored], NOW),
    }


NAMES = ["plan", "journal", "comparison", "restore", "explanation", "doctor", "tests", "journals"]


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_as_its_schema_says(name: str, closed: Draft202012Validator) -> None:
    made = document([reports()[name]])
    assert (made["report"], made["schema"]) == (name, 1)
    closed.validate(made)
    del made["schema"]
    with pytest.raises(ValidationError):
        closed.validate(made)


def test_many_targets_are_as_their_schema_says(closed: Draft202012Validator) -> None:
    ends = [
        TargetEnd("a", 0, "all well", view(PLAN)),
        TargetEnd("b", 3, "some failed", view(journal())),
        TargetEnd("c", 6, "not read", None),
    ]
    made = document(together(ends, 6), many=True)
    closed.validate(made)
    assert [one["report"] for one in made["targets"]] == ["plan", "journal", "failure"]
    made["targets"][1]["by_outcome"]["deleted"] = "many"
    with pytest.raises(ValidationError):
        closed.validate(made)


def test_the_command_prints_it(cli: Cli) -> None:
    assert json.loads(cli("schema", "report").stdout) == json.loads(json.dumps(report_schema()))
    assert "rules" in json.loads(cli("schema").stdout)["properties"]
    assert cli("schema", "plan").exit_code == 2
