"""Every view in every format over hostile texts: nothing acts, nothing breaks a line, programs read all of it."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt

from cleanup.decision.explain import explain
from cleanup.doctor import Check, CheckLevel, Diagnosis
from cleanup.in_use import InUse, Use
from cleanup.journal.folder import StoredFile, StoredKind
from cleanup.outcome import Outcome
from cleanup.plan.plan import Plan
from cleanup.reports import FORMATS, Format, render, view
from cleanup.reports.cases_view import cases_view
from cleanup.reports.comparison_view import between_plans, between_policies
from cleanup.reports.doctor_view import diagnosis
from cleanup.reports.explain_view import explanation
from cleanup.reports.folder_view import folder_view
from cleanup.reports.formatting import plain
from cleanup.reports.restore_view import restore_view
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.reports.view import Report
from cleanup.restore.candidates import Candidate
from cleanup.restore.records import RestoreResult, RestoreState
from tests.support.builders import NOW, make_image
from tests.support.page import POLICY, Page, cases_of, plan_of, some_journal

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>",
    "\"'`&amp; | a | `b` | @team #12 https://evil.example [x](javascript:alert(1)) ![y](z) *b* _i_",
    "=cmd|' /C calc'!A1,\"x\"",
    "+1\r\n-2\n@SUM(1)\t",
    "\u202eevil\u2066\u200b\ufeff\u2028\u2029\x85\x00\x1b[31mred\x1b]8;;https://evil.example\x07link\x07\x9b2J",
    "x" * 10_000,
)


def plan(text: str, **changes: object) -> Report:
    return view(hostile_plan(text), file=Path(text.replace("\0", "")))


def hostile_plan(text: str) -> Plan:
    made = plan_of(
        [make_image("1", namespace=text, name=text, tag=text), make_image("2", age=3, name=text)], target=text
    )
    told = [msgspec.structs.replace(one, detail=text, rule=text) for one in made.decisions]
    header = msgspec.structs.replace(made.header, warnings=(text,), plan_id=text)
    return msgspec.structs.replace(made, decisions=tuple(told), header=header)


def journal(text: str) -> Report:
    made = some_journal(10)
    [run] = made.runs
    for key, one in run.results.items():
        run.results[key] = msgspec.structs.replace(
            one, name=text, error_code=text, error_msg=text, request_id=text, rule=text
        )
    return view(made, obstacle=text)


def comparison(text: str) -> Report:
    before = hostile_plan(text)
    return between_plans(before, plan_of([make_image("3", tag=text)], target=text), text)


def difference(text: str) -> Report:
    decisions = hostile_plan(text).decisions
    kept = [msgspec.structs.replace(one, rule=None) for one in decisions]
    return between_policies(POLICY, POLICY, decisions, kept)


def explained(text: str) -> Report:
    images = [make_image("1", name=text, tag=text), make_image("2", name=text, tag=text)]
    uses = InUse([Use(user=text, image_id="1")])
    return explanation([explain(images[0], images, POLICY, uses, NOW)], NOW)


def doctor(text: str) -> Report:
    check = Check(name=text, level=CheckLevel.FAILURE, detail=text, next_step=text, exit_code=5)
    return diagnosis([Diagnosis(name=text, endpoint=text, project_id=text, exit_code=5, checks=(check,))], 80)


def folder(text: str) -> Report:
    name, known = text.replace("\0", "").replace("/", ""), text.encode(errors="replace").decode()
    file = StoredFile(
        path=Path(name),
        kind=StoredKind.JOURNAL,
        size=1,
        last=NOW,
        identity=(1,),
        target=known,
        project_id=known,
        planned=3,
        outcomes={"deleted": 3},
        plan=Path(name),
    )
    return folder_view(Path(name), [file], NOW)


def restored(text: str) -> Report:
    image = make_image("1", namespace=text, name=text, tag=text)
    found = [
        Candidate(
            image=msgspec.structs.replace(image, id=id_),
            state=RestoreState.RESTORABLE,
            outcome=Outcome.DELETED,
            deleted_at=NOW,
            why=text,
            new_image_id=new,
        )
        for id_, new in (("1", None), ("2", text), (text, None))
    ]
    failed = RestoreResult.of(
        image,
        RestoreState.FAILED,
        error_code=text,
        error_msg=text,
        request_id=text,
        not_restored=(text,),
        old_id_used_by=(text,),
    )
    return restore_view(found, {"1": failed}, journal=text, restore_journal=text, applied=True)


VIEWS: dict[str, Callable[[str], Sequence[Report]]] = {
    "plan": lambda text: [plan(text)],
    "journal": lambda text: [journal(text)],
    "comparison": lambda text: [comparison(text)],
    "diff": lambda text: [difference(text)],
    "explain": lambda text: [explained(text)],
    "doctor": lambda text: [doctor(text)],
    "folder": lambda text: [folder(text)],
    "tests": lambda text: [cases_view([cases_of(text)], [Path(text)])],
    "restore": lambda text: [restored(text)],
    "targets": lambda text: together(
        [
            TargetEnd(text, 10, text, plan(text)),
            TargetEnd("b", 5, text, None),
            TargetEnd("c", 3, text, journal(text)),
        ],
        5,
    ),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", list(VIEWS))
def test_hostile_texts_are_shown_and_do_nothing(name: str, form: Format) -> None:
    for text in HOSTILE:
        reports = VIEWS[name](text)
        shown = "".join(render(reports, form, many=len(reports) > 1, width=80, height=24))
        assert all(line.isprintable() for line in shown.split("\n"))
        assert shown.endswith("\n")
        check(form, shown, VIEWS[name])


def check(form: Format, shown: str, made: Callable[[str], Sequence[Report]]) -> None:
    match form:
        case Format.JSON:
            json.loads(shown)
        case Format.JSONL:
            assert [json.loads(line)["kind"] for line in shown.splitlines()][-1] == "summary"
        case Format.CSV:
            rows = list(csv.reader(io.StringIO(shown)))
            assert {len(row) for row in rows} == {len(rows[0])}
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
        case Format.MARKDOWN:
            tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(shown)
            inner = [child for token in tokens for child in token.children or ()]
            assert {one.type for one in inner} <= {
                "text",
                "code_inline",
                "softbreak",
                "strong_open",
                "strong_close",
            }
            assert not re.search(
                r"@team|https?://|www\.", "".join(one.content for one in inner if one.type == "text")
            )
            html = "".join(token.content for token in tokens if token.type == "html_block")
            assert set(re.findall(r"</?(\w+)", html)) <= {"details", "summary"}
            assert len(shown) < 65_536
        case Format.HTML:
            tame = made("tame")
            page, usual = Page(), Page.of(*tame, many=len(tame) > 1)
            page.feed(shown)
            assert page.tags.count("script") == 2
            assert set(page.tags) <= set(usual.tags) | {"span", "svg", "title", "rect"}
            assert not [key for _, key, _ in page.attributes if key == "style" or key.startswith("on")]
        case Format.TABLE:
            pass  # that its lines print is asked of all


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_junit_is_well_formed_and_says_all(text: str) -> None:
    shown = "".join(render(VIEWS["tests"](text), Format.JUNIT))
    assert shown.isascii()
    assert all(line.isprintable() for line in shown.split("\n"))
    file = plain(str(Path(text)))
    [suite] = ET.fromstring(shown)  # noqa: S314 - our own
    passed, failed = suite
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (file, "2", "1")
    assert passed.get("name") == plain(f"{text}/{text}:{text} (1)")
    assert (failed.get("file"), failed.get("line")) == (file, "6")
    [failure] = failed
    assert failure.get("message") == plain(text)
    assert failure.text == f"{file}:6:5: " + plain(f"{text}/{text}:{text}: {text}")


@pytest.mark.parametrize("form", FORMATS)
def test_a_name_that_is_no_unicode_is_shown(form: Format) -> None:
    """A file's name may hold any bytes: what Python makes of those cannot be written as UTF-8."""
    report = folder("plan-\udcff.jsonl")
    assert b"plan-" in "".join(render([report], form)).encode("utf-8")
