"""Reports: goldens for every format and subject, the same figures everywhere, foreign text kept harmless."""

import csv
import io
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

import cleanup.reports
from cleanup.apply.earlier_plan import obstacle_to
from cleanup.config.settings import TargetRef
from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.durations import format_elapsed
from cleanup.journal import (
    DeleteIntent,
    DeleteResult,
    Journal,
    JournalFile,
    RunFinished,
    RunStarted,
    read,
    read_to_show,
)
from cleanup.journal.records import Line
from cleanup.outcome import Outcome, Verdict
from cleanup.plan import file as plans
from cleanup.plan.plan import Header, InventoryRef, Plan, PolicyRef, in_plan_order
from cleanup.plan.summary import summarize
from cleanup.progress import Progress
from cleanup.reports import FORMATS, Format, render, table, view
from cleanup.reports import formatting as text
from cleanup.reports.comparison_view import between_plans
from cleanup.reports.journal_view import summary_line
from cleanup.reports.markdown import span
from cleanup.reports.plan_verdict import plan_line
from cleanup.reports.restore_view import restore_view
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.restore.candidates import Candidate
from cleanup.restore.records import RestoreState
from tests.support import page
from tests.support.builders import EVERYTHING, NOW, ROOT, make_image, run_finished, run_started

GOLDENS = ROOT / "tests" / "goldens" / "reports"
HOSTILE = "\x1b[31mred\x1b[0m [red]rich[/red]\r\n| a | `b` | <script>alert(1)</script> @team \u202e=1+1"
GIB = 1 << 30


def header(**changes: Any) -> Header:
    values: dict[str, Any] = {
        "plan_id": "20261123T120000Z-0a1b2c3d",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
        "tool_version": "0.1.0",
        "target": TargetRef(
            name="vision-prod",
            endpoint="https://modelarts.cn-north-4.myhuaweicloud.com",
            project_id="0a1b2c3d4e5f",
            workspaces=("0",),
        ),
        "policy": PolicyRef(sha256="ab" * 32, files=("policies/vision.yaml",), document=EVERYTHING.document),
        "inventory": InventoryRef(images=8, own=7, notebooks=3, complete=True),
    }
    return Header(**(values | changes))


def delete(image_id: str, *, rule: str = "stale-dev-images", **fields: Any) -> Decision:
    choices = {key: fields.pop(key) for key in ("force", "force_withheld", "detail") if key in fields}
    detail = choices.pop("detail", "updated 100d ago, more than 90d")
    return Decision(
        image=make_image(image_id, **fields),
        action=Action.DELETE,
        reason=Reason.EXPIRED,
        rule=rule,
        detail=detail,
        **choices,
    )


def keep(
    image_id: str, reason: Reason, detail: str = "because", rule: str | None = None, **fields: Any
) -> Decision:
    return Decision(
        image=make_image(image_id, **fields), action=Action.KEEP, reason=reason, rule=rule, detail=detail
    )


def make_plan(decisions: Sequence[Decision], over_limits: Sequence[str] = (), **changes: Any) -> Plan:
    ordered = in_plan_order(decisions)
    return Plan(
        header=header(**changes),
        policy=EVERYTHING,
        decisions=ordered,
        summary=summarize(ordered, over_limits),
    )


def ordinary_plan() -> Plan:
    return make_plan(
        [
            delete("1", age=412, size=41 * GIB, force=True, tag="dev-0412"),
            delete("2", age=300.5, size=12 * GIB, tag="pr-17", rule="pull-requests"),
            delete("3", age=200, size=7 * GIB, visibility="PUBLIC", force_withheld=Withheld.PUBLIC),
            delete(
                "4", size=None, namespace="ml-speech", name="a-name-that-is-rather-long-for-a-narrow-table"
            ),
            keep("5", Reason.PROTECTED, "protected by 'tag: [latest, stable]'", tag="latest"),
            keep(
                "6",
                Reason.TOO_YOUNG,
                "updated 3d ago, not more than 90d; until 2027-02-18",
                "pull-requests",
                age=3,
            ),
            keep("7", Reason.UNKNOWN, "rule 'x' needs update_at, which is missing or zero", "x", age=None),
            keep("8", Reason.BUILT_IN, "not the project's own (type BUILD_IN)", type="BUILD_IN"),
        ]
    )


async def write_journal(
    run: dict[str, Verdict | None],
    *,
    finish: bool = True,
    resumes: str | None = None,
    now: Callable[[], datetime] = lambda: NOW,
) -> JournalFile:
    """Write one run as the product does, in the current folder; a verdict of None is a run cut off there."""
    path, run_id = Path("image-cleanup-run.jsonl"), "run-2" if resumes else "run-1"
    planned = {id_: make_image(id_) for id_ in run}
    with Journal(path, run_id, "vision-prod", now) as journal:
        journal.write(started(run_id, len(run), resumes))
        for id_, verdict in run.items():
            await journal.write_ahead(
                DeleteIntent(image_id=id_, rule="stale-dev-images", force=True, image=planned[id_].raw)
            )
            if verdict:
                journal.write(DeleteResult.of(planned[id_], "stale-dev-images", verdict))
        if finish:
            journal.write(finished(Counter(verdict.outcome for verdict in run.values() if verdict)))
    return read_to_show(path)


def started(run_id: str, planned: int, resumes: str | None) -> RunStarted:
    return run_started(
        run_id,
        target="vision-prod",
        plan_id="20261123T120000Z-0a1b2c3d",
        plan="image-cleanup-run.plan.jsonl",
        plan_sha256="cd" * 32,
        policy_sha256="ab" * 32,
        planned=planned,
        endpoint="https://modelarts.cn-north-4.myhuaweicloud.com",
        project_id="0a1b2c3d4e5f",
        resumes=resumes,
    )


def finished(counts: Counter[Outcome], exit_code: int = 3) -> RunFinished:
    return run_finished(
        counts, bytes_freed=41 * GIB, requests=330, throttled=2, duration_s=35.2, exit_code=exit_code
    )


DELETED = Verdict(outcome=Outcome.DELETED, force=True, http_status=200, image_status="DELETED", attempts=1)
DENIED = Verdict(
    outcome=Outcome.DENIED,
    http_status=403,
    error_code="ModelArts.0108",
    error_msg="You are not authorised to do this | ask your administrator",
    request_id="9f3c0e6a1d",
    attempts=1,
)
GONE = Verdict(
    outcome=Outcome.ALREADY_GONE, http_status=404, error_code="ModelArts.6797", attempts=2, request_id="77"
)
DRIFTED = Verdict(outcome=Outcome.DRIFTED, error_msg="changed since the plan: tag dev-4 -> dev-5")
FAILED = Verdict(outcome=Outcome.FAILED, http_status=500, error_msg="internal error", attempts=5)


def shown(subject: Plan | JournalFile, form: Format, **options: Any) -> str:
    about = {name: options.pop(name) for name in ("file", "obstacle") if name in options}
    return "".join(render([view(subject, **about)], form, **options))


def flat(report: str) -> str:
    """A report's words without its line breaks."""
    return " ".join(report.split())


def check_golden(name: str, actual: str) -> None:
    golden = GOLDENS / name
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(actual, encoding="utf-8")
    assert actual == golden.read_text(encoding="utf-8")


SUFFIXES = {
    Format.TABLE: "txt",
    Format.JSON: "json",
    Format.JSONL: "jsonl",
    Format.CSV: "csv",
    Format.MARKDOWN: "md",
}
every_format = pytest.mark.parametrize("form", FORMATS)
with_golden = pytest.mark.parametrize("form", list(SUFFIXES))  # the page's are in test_html_page.py


@with_golden
def test_a_plan_looks_like_its_golden(form: Format) -> None:
    check_golden(f"plan.{SUFFIXES[form]}", shown(ordinary_plan(), form, width=80))


@with_golden
async def test_a_journal_looks_like_its_golden(
    form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = await write_journal({"1": DELETED, "2": GONE, "3": DENIED, "4": DRIFTED, "5": FAILED})
    check_golden(f"journal.{SUFFIXES[form]}", shown(journal, form, width=80))


@pytest.mark.parametrize("subject", ["plan", "journal", "empty", "hostile", "large"])
@pytest.mark.parametrize("place", ["screen", "txt", "md"])
async def test_what_people_read_looks_like_its_golden(
    subject: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a screen of 80 x 24, in a file or a pipe, and in a comment."""
    monkeypatch.chdir(tmp_path)
    of: Plan | JournalFile
    match subject:
        case "plan":
            of = ordinary_plan()
        case "journal":
            of = await write_journal({"1": DELETED, "2": GONE, "3": DENIED, "4": DRIFTED, "5": FAILED})
        case "empty":
            of = make_plan([])
        case "hostile":
            of = hostile_plan()
        case _:
            of = large_plan()
    form = Format.MARKDOWN if place == "md" else Format.TABLE
    height = 24 if place == "screen" else None
    check_golden(f"{subject}.{place}", shown(of, form, width=80, height=height, file=Path("p.jsonl")))


def large_plan() -> Plan:
    """More than a screen can list, in more groups and by more rules than are shown."""
    reasons = sorted(set(Reason) - {Reason.EXPIRED})
    gone = [
        delete(
            str(i),
            age=500 - i,
            size=i << 28,
            namespace=f"ns-{i % 9}",
            name=f"app-{i % 4}",
            rule=f"rule-{i % 7}",
            force=i % 3 == 0,
            force_withheld=Withheld.SHARED_CONTENT if i % 3 == 1 else None,
        )
        for i in range(90)
    ]
    kept = [
        keep(f"k{i}", reasons[i % 9], namespace=f"ns-{i % 9}", name=f"app-{i % 4}", age=i) for i in range(90)
    ]
    return make_plan([*gone, *kept], warnings=("rule 'rule-9' matches no image",))


# ---- the same figures in every format


sizes = st.none() | st.integers(0, 1 << 45)
decisions = st.lists(
    st.one_of(
        st.builds(delete, st.uuids().map(str), size=sizes, force=st.booleans(), rule=st.sampled_from("abc")),
        st.builds(keep, st.uuids().map(str), st.sampled_from(sorted(set(Reason) - {Reason.EXPIRED}))),
    ),
    max_size=60,
)


@given(decisions)
def test_all_formats_of_a_plan_agree(drawn: list[Decision]) -> None:
    plan = make_plan(drawn)
    document = json.loads(shown(plan, Format.JSON))
    rows = list(csv.DictReader(io.StringIO(shown(plan, Format.CSV))))
    table, markdown = shown(plan, Format.TABLE), shown(plan, Format.MARKDOWN)

    assert len(rows) == len(document["images"]) == len(drawn) == document["delete"] + document["keep"]
    assert Counter(row["action"] for row in rows)["delete"] == document["delete"]
    assert Counter(row["reason"] for row in rows) == Counter(document["by_reason"])
    assert Counter(row["rule"] for row in rows if row["action"] == "delete") == Counter(document["by_rule"])
    assert sum(int(row["size"] or 0) for row in rows) == document["bytes"]
    assert sum(int(row["size"] or 0) for row in rows if row["force"] == "true") == document["bytes_freed"]
    for row, image in zip(rows, document["images"], strict=True):
        assert row["id"] == image["id"]
        assert row["updated_at"] == image["updated_at"]
    for reason, number in document["by_reason"].items():
        assert re.search(rf"\b{reason} +{number}  #+$", table, re.MULTILINE)
        assert f"| {reason} | {number} |" in markdown
    assert f"{document['delete']:,} of {text.count(len(drawn), 'image')}" in table
    assert f"{document['delete']:,} of {text.count(len(drawn), 'image')}" in markdown


async def test_all_formats_of_a_journal_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = await write_journal({"1": DELETED, "2": DELETED, "3": FAILED, "4": None}, finish=False)
    document = json.loads(shown(journal, Format.JSON))
    rows = list(csv.DictReader(io.StringIO(shown(journal, Format.CSV))))

    assert [row["image_id"] for row in rows] == [image["image_id"] for image in document["images"]]
    assert Counter(row["outcome"] for row in rows) == {"": 1, "failed": 1, "deleted": 2}
    assert document["by_outcome"] == dict.fromkeys(Outcome, 0) | {"deleted": 2, "failed": 1}
    assert sum(document["by_outcome"].values()) + document["no_result"] == document["planned"] == 4
    for word, number in {"deleted": 2, "failed": 1, "no result": 1}.items():
        assert re.search(rf"{word} +{number}  #+$", shown(journal, Format.TABLE), re.MULTILINE)
        assert f"| {word} | {number} |" in shown(journal, Format.MARKDOWN)


@every_format
def test_a_plan_read_from_its_file_is_reported_like_the_fresh_one(form: Format, tmp_path: Path) -> None:
    plan = make_plan([delete("1", force=True), keep("2", Reason.IN_USE), delete("3", age=None, size=None)])
    plans.write(plan, tmp_path / "plan.jsonl")
    for read_plan in (plans.read, plans.read_to_show):
        assert shown(read_plan(tmp_path / "plan.jsonl"), form) == shown(plan, form)


@pytest.mark.parametrize("second_plan", ["cd" * 32, "ef" * 32])
def test_a_journal_without_what_is_settled_is_reported_like_the_whole_one(
    tmp_path: Path, second_plan: str
) -> None:
    """One image for each way in which it can have fared in two runs, of one plan or of two."""
    fates = [None, *(Verdict(outcome=outcome, attempts=n, force=True) for outcome in Outcome for n in (0, 1))]
    runs: tuple[list[Line], ...] = ([started("run-1", 300, None)], [])
    runs[1].append(msgspec.structs.replace(started("run-2", 300, None), plan_sha256=second_plan))
    for number, pair in enumerate(
        product([("nothing", None), *product(("intent", "result"), fates)], repeat=2)
    ):
        image = make_image(f"img-{number}", size=1 << number % 40)
        for lines, (begun, fate) in zip(runs, pair, strict=True):
            if begun == "intent":
                lines.append(DeleteIntent(image_id=image.id, rule="r", force=True, image=image.raw))
            if fate:
                lines.append(DeleteResult.of(image, "r", fate))
    path = tmp_path / "journal.jsonl"
    with path.open("wb") as file:
        for run_id, lines in zip(("run-1", "run-2"), runs, strict=True):
            for line in lines:
                file.write(msgspec.json.encode(msgspec.structs.replace(line, run_id=run_id)) + b"\n")
    whole, enough = read(path), read_to_show(path)
    assert shown(enough, Format.JSON) == shown(whole, Format.JSON)
    assert enough.in_doubt == whole.in_doubt
    assert enough.size == whole.size == path.stat().st_size
    kept = [sum(len(run.intents) for run in told.runs) for told in (enough, whole)]
    assert kept[0] < kept[1] if second_plan == "cd" * 32 else kept[0] == kept[1]


# ---- honesty


def test_only_force_frees_bytes_and_the_rest_is_said_to_stay() -> None:
    table = shown(ordinary_plan(), Format.TABLE)
    assert "4 of 8 images would be deleted, 41.0 GiB leave SWR (without 1 of unknown size); 4 kept: " in flat(
        table
    )
    assert re.search(r"stays in SWR +19\.0 GiB of deleted images, can be registered again", table)


def test_without_force_nothing_leaves() -> None:
    assert "1 of 1 image would be deleted, 0 B leave SWR" in shown(make_plan([delete("1")]), Format.TABLE)


@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON, Format.MARKDOWN])
def test_what_keeps_a_plan_from_being_applied_is_loud(form: Format) -> None:
    breach = "the policy would delete 1 images, over max_deletes 0"
    doubtful = InventoryRef(images=8, own=7, notebooks=0, complete=False, doubts=("notebooks answered 403",))
    report = flat(shown(make_plan([delete("1")], [breach], inventory=doubtful, as_of=NOW), form, width=200))
    assert "OVER THE LIMIT, apply will refuse this plan" in report
    assert breach in report
    assert "THE INVENTORY IS NOT COMPLETE" in report
    assert "notebooks answered 403" in report
    assert "a forecast for 2026-11-23 12:00:00 UTC: it cannot be applied" in report


def test_an_empty_plan_has_a_report_too() -> None:
    plan = make_plan([])
    assert "0 of 0 images" in shown(plan, Format.TABLE)
    assert json.loads(shown(plan, Format.JSON))["images"] == []
    assert shown(plan, Format.CSV).count("\n") == 1
    assert "0 of 0 images" in shown(plan, Format.MARKDOWN)


async def test_a_journal_that_was_cut_off_says_so_and_how_to_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = await write_journal({"1": DELETED, "2": None}, finish=False)
    document = json.loads(shown(journal, Format.JSON))
    assert document["warnings"] == [
        "still running or cut off: finish with: image-cleanup resume image-cleanup-run.jsonl"
    ]
    assert (document["finished"], document["no_result"], document["to_resume"]) == (False, 1, 1)
    assert [(image["outcome"], image["tag"]) for image in document["images"]] == [
        (None, "dev-2"),
        ("deleted", "dev-1"),
    ]


async def test_of_a_run_that_was_cut_off_its_lines_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time from the first to the last line, its attempts, and the content that went."""
    monkeypatch.chdir(tmp_path)
    moments = (NOW + timedelta(seconds=second) for second in itertools.count())
    run = {"1": DELETED, "2": msgspec.structs.replace(FAILED, attempts=4), "3": None}
    journal = await write_journal(run, finish=False, now=lambda: next(moments))
    verdict = "1 of 3 planned images deleted, at least 1.0 GiB left SWR; 1 without a result, 1 failed; took at least "
    for found in (journal, read(journal.path)):
        document = json.loads(shown(found, Format.JSON))
        assert (document["requests"], document["bytes_freed"]) == (5, GIB)
        assert document["duration_s"] >= 3
        assert (
            f"{verdict}{format_elapsed(document['duration_s'])}; still running or cut off; 1 warning"
            in flat(shown(found, Format.TABLE))
        )
        assert re.search("requests +at least 5, throttled 0 times", shown(found, Format.TABLE))


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [
        (Outcome.NOT_ATTEMPTED, "cannot be resumed: plan again and apply the new plan"),
        (
            None,
            "cannot be resumed: settle what is in doubt with: image-cleanup resume image-cleanup-run.jsonl, "
            "then plan again and apply the new plan",
        ),
    ],
    ids=["not-attempted", "in-doubt"],
)
async def test_where_the_plan_has_expired_nobody_is_sent_to_resume(
    outcome: Outcome | None, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fate = Verdict(outcome=outcome, image_status="ACTIVE") if outcome else None
    journal = await write_journal({"1": fate}, finish=bool(outcome))
    plan_file = tmp_path / "image-cleanup-run.plan.jsonl"
    later = NOW + timedelta(hours=24)
    assert obstacle_to(journal, later) == f"its plan {plan_file} cannot be read"
    plans.write(ordinary_plan(), plan_file)
    assert obstacle_to(journal, later - timedelta(seconds=1)) is None
    obstacle = obstacle_to(journal, later)
    assert obstacle == "its plan expired at 2026-11-24 12:00:00 UTC"
    [warning] = json.loads(shown(journal, Format.JSON, obstacle=obstacle))["warnings"]
    assert warning.endswith(f"its plan expired at 2026-11-24 12:00:00 UTC, so the rest {advice}")


async def test_over_resumed_runs_the_latest_result_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await write_journal({"1": DELETED, "2": Verdict(outcome=Outcome.UNKNOWN)})
    journal = await write_journal({"2": GONE}, resumes="run-1")
    document = json.loads(shown(journal, Format.JSON))
    assert document["planned"] == 2
    assert {word: n for word, n in document["by_outcome"].items() if n} == {"deleted": 1, "already-gone": 1}
    assert [run["resumes"] for run in document["runs"]] == [None, "run-1"]
    assert document["requests"] == 660
    assert document["warnings"] == []


async def test_what_was_not_attempted_is_to_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = await write_journal({"1": Verdict(outcome=Outcome.NOT_ATTEMPTED)})
    assert "1 image not attempted or in doubt: finish with: image-cleanup resume" in shown(
        journal, Format.TABLE
    )


# ---- foreign text


def hostile_plan() -> Plan:
    fields: dict[str, Any] = {"namespace": HOSTILE, "name": "=1+1", "tag": "a|b`c`\\|d"}
    return make_plan(
        [delete("1", detail=HOSTILE, rule=HOSTILE, **fields), keep("2", Reason.IN_USE, HOSTILE, **fields)],
        [HOSTILE],
        target=TargetRef(name=HOSTILE, endpoint=HOSTILE, project_id=HOSTILE, workspaces=(HOSTILE,)),
    )


async def hostile_journal() -> JournalFile:
    bad = Verdict(outcome=Outcome.FAILED, error_code=HOSTILE, error_msg=HOSTILE, request_id=HOSTILE)
    return await write_journal({"1": bad, "2": DELETED})


@every_format
async def test_nothing_foreign_reaches_the_terminal_unescaped(
    form: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for subject in (hostile_plan(), await hostile_journal()):
        report = shown(subject, form, width=400)
        assert all(line.isprintable() for line in report.split("\n"))
        assert "[red]rich[/red]" in report


def test_json_keeps_foreign_text_exactly() -> None:
    document = json.loads(shown(hostile_plan(), Format.JSON))
    assert document["target"] == HOSTILE
    assert [image["namespace"] for image in document["images"]] == [HOSTILE, HOSTILE]


@given(st.text(st.characters(codec="utf-8")))
def test_json_of_any_text_prints_and_reads_back(value: str) -> None:
    report = shown(make_plan([delete("1", namespace=value)]), Format.JSON)
    assert all(line.isprintable() for line in report.split("\n"))
    assert json.loads(report)["images"][0]["namespace"] == value


@given(
    st.text(st.characters(codec="utf-8"), min_size=1), st.sampled_from(["", "=", "+", "-", "@", "\t", "\r\n"])
)
def test_csv_has_one_line_an_image_and_no_formulas(value: str, start: str) -> None:
    report = shown(make_plan([delete("1", name=start + value), delete("2", tag=value)]), Format.CSV)
    assert len(report.splitlines()) == 3
    rows = list(csv.reader(io.StringIO(report)))
    assert [len(row) for row in rows] == [len(rows[0])] * 3
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


def test_csv_marks_formulas_with_an_apostrophe() -> None:
    [row] = csv.DictReader(io.StringIO(shown(make_plan([delete("1", name="=1+1", tag="dev-1")]), Format.CSV)))
    assert (row["name"], row["tag"]) == ("'=1+1", "dev-1")


@pytest.mark.parametrize("start", ["", " ", "\u00a0", "\u3000"])
@pytest.mark.parametrize("sign", [*"=+-@\t\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_csv_marks_formulas_after_blanks_and_with_full_width_signs(start: str, sign: str) -> None:
    [row] = csv.DictReader(io.StringIO(shown(make_plan([delete("1", name=f"{start}{sign}1")]), Format.CSV)))
    assert row["name"].startswith("'")


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.sampled_from("|`\\<>*_@[]()! "),
        min_size=1,
    )
)
def test_markdown_of_any_text_is_one_cell_that_reads_as_the_text(value: str) -> None:
    tokens = (
        MarkdownIt("commonmark").enable("table").parse(f"| a | b |\n| --- | --- |\n| {span(value)} | x |\n")
    )
    cells = [token for token in tokens if token.type == "inline"]
    assert len(cells) == 4
    children = cells[2].children or []
    assert {child.type for child in children} <= {"text", "code_inline"}
    read_back = "".join(child.content for child in children)
    readable = value.replace("`", "\\x60").replace("\\|", "\\\\x7c")
    assert read_back.strip() == readable.strip()


def test_markdown_offers_no_mention_no_link_and_no_html() -> None:
    for danger in ("@team", "https://evil.example", "www.evil.example", "<b>x</b>", "#12", "*x*", "[a](b)"):
        assert span(danger) == f"`{danger}`"
    assert span("updated 3d ago, not more than 90d; until 2027-02-18") == (
        "updated 3d ago, not more than 90d; until 2027-02-18"
    )


# ---- room


@pytest.mark.parametrize("width", [80, 100, 140])
async def test_the_table_keeps_to_its_width_in_ascii(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    long = [delete("9", namespace="n" * 64, name="m" * 128, tag="t" * 64, rule="r" * 60, detail="why " * 60)]
    for subject in (make_plan(long), ordinary_plan(), await hostile_journal()):
        report = shown(subject, Format.TABLE, width=width)
        assert max(map(cell_len, report.splitlines())) <= width
        assert report.isascii()


def test_names_that_are_too_long_are_shortened_inside_with_a_sign() -> None:
    name = "".join(f"part{i:02}" for i in range(20))
    whole, cut = (
        shown(make_plan([delete("1", name=name)]), Format.TABLE, width=width) for width in (200, 80)
    )
    assert f"-  ml-vision/{name}:dev-1  100d" in whole
    [row] = [line for line in cut.splitlines() if line.startswith("-  ")]
    assert re.fullmatch(r"-  ml-vision/part\w+\.\.\.\w*part19:dev-1  100d  1\.0 GiB  stale-dev-images", row)
    assert len(row) == 80


def test_wide_characters_keep_the_columns() -> None:
    rows = shown(make_plan([delete("1", name="图" * 60), delete("2")]), Format.TABLE, width=80).splitlines()
    ages = {cell_len(row.partition("100d")[0]) for row in rows if row.startswith("-  ")}
    assert len(ages) == 1
    assert max(map(cell_len, rows)) <= 80


def test_details_are_shown_where_there_is_room() -> None:
    assert "more than 90d" not in shown(ordinary_plan(), Format.TABLE, width=80)
    assert "more than 90d" in shown(ordinary_plan(), Format.TABLE, width=160)


def test_colour_only_where_it_is_asked_for() -> None:
    assert "\x1b" not in shown(ordinary_plan(), Format.TABLE)
    assert "\x1b[" in shown(ordinary_plan(), Format.TABLE, color=True)


MANY = [delete(str(i), age=500 - i, size=i << 20) for i in range(120)]


def images_in(report: str) -> list[str]:
    return re.findall(r"trainer:(dev-\d+)", report)


def test_of_many_deletes_the_table_shows_the_largest_the_oldest_and_counts_the_rest() -> None:
    report = shown(make_plan(MANY), Format.TABLE, file=Path("my plan.jsonl"))
    assert images_in(report) == [*(f"dev-{i}" for i in range(119, 109, -1)), *(f"dev-{i}" for i in range(10))]
    assert report.endswith("and 100 more: image-cleanup report 'my plan.jsonl' --format html\n")
    assert shown(make_plan(MANY), Format.TABLE).endswith("\nand 100 more\n")
    [report] = render([view(make_plan(MANY), command="image-cleanup run -p 'my policy'")], Format.TABLE)
    assert report.endswith("\nand 100 more: image-cleanup run -p 'my policy' --format html\n")


def test_of_failures_that_are_too_many_to_list_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_MOST_ROWS", 12)
    journal = page.some_journal(600)
    told = "108 of them failed or without a result"
    command = "image-cleanup report image-cleanup-run.jsonl --format html"
    assert shown(journal, Format.TABLE).endswith(f"\nand 588 more, {told}:\n  {command}\n")
    assert f"and 550 more, 70 of them failed or without a result: {command}\n" in shown(
        journal, Format.MARKDOWN
    )


def test_of_two_plans_the_command_is_named_that_shows_all() -> None:
    kept = make_plan([keep(one.image.id, Reason.NO_RULE) for one in MANY])
    report = between_plans(
        make_plan(MANY, created_at=NOW - timedelta(days=1)), kept, "image-cleanup report a b"
    )
    for form in (Format.TABLE, Format.MARKDOWN):
        assert "and 70 more: " in (shown := "".join(render([report], form)))
        assert "image-cleanup report a b --format html" in shown


def test_of_a_journal_to_restore_the_command_is_named_that_shows_all() -> None:
    state, deleted = RestoreState.RESTORABLE, Outcome.DELETED
    found = [
        Candidate(image=one.image, state=state, outcome=deleted, deleted_at=NOW, new_image_id="n")
        for one in MANY
    ]
    report = restore_view(found, {}, journal="my j.jsonl", restore_journal="r", applied=True)
    command = "and 70 more: image-cleanup restore 'my j.jsonl' --format html\n"
    assert "".join(render([report], Format.TABLE)).endswith(command)


def test_in_markdown_many_targets_share_the_room_of_one() -> None:
    reports = together([TargetEnd(f"t-{n}", 0, "", view(make_plan(MANY))) for n in range(9)], 0)
    text = "".join(render(reports, Format.MARKDOWN, many=True))
    assert len(images_in(text)) == 9 * (50 // 10)
    assert text.count("\nand 115 more\n") == 9


def test_an_image_that_is_both_old_and_large_counts_once() -> None:
    same = [delete(str(i), age=500 - i, size=1 << 40 - i) for i in range(30)]
    assert shown(make_plan(same), Format.TABLE).endswith("\nand 20 more\n")


@pytest.mark.parametrize(("height", "rows"), [(24, 5), (60, 10), (None, 10)])
def test_lists_are_shorter_on_a_small_screen(height: int | None, rows: int) -> None:
    assert len(images_in(shown(make_plan(MANY), Format.TABLE, height=height))) == 2 * rows


def test_the_verdict_is_last_on_a_screen_and_first_in_a_file() -> None:
    for changes in ({}, {"warnings": ("a rule matches nothing",)}):
        plan = make_plan(MANY, **changes)
        verdict = "120 of 120 images would be deleted, 0 B leave SWR" + ("; 1 warning" if changes else "")
        assert shown(plan, Format.TABLE, height=24).endswith(f"\n{verdict}\n")
        assert shown(plan, Format.TABLE).splitlines()[2] == verdict


def test_a_plan_of_a_large_project_is_about_one_screen() -> None:
    assert len(shown(large_plan(), Format.TABLE, width=80, height=24).splitlines()) <= 52


def test_groups_show_their_newest_that_stay() -> None:
    stay = [keep(f"s{i}", Reason.KEEP_LAST, age=i, rule="r") for i in range(1, 6)]
    other = [keep("o", Reason.NO_RULE, name="other")]
    report = shown(make_plan([delete("1", force=True), delete("2"), *stay, *other]), Format.TABLE, width=120)
    [group] = [line for line in report.splitlines() if line.startswith("ml-vision/trainer ")]
    assert group.split()[1:7] == ["1", "1", "0", "1.0", "GiB", "5"]
    assert group.endswith("dev-s1 (keep-last), dev-s2 (keep-last), dev-s3 (keep-last), 2 more")


def test_a_stored_plan_with_odd_records_is_counted_like_the_fresh_one(tmp_path: Path) -> None:
    odd = [delete(str(i), namespace=None, name=" ", tag="ü", size=None) for i in range(30)]
    plan = make_plan([*odd, keep("k", Reason.BUSY, namespace=None, name=None)])
    plans.write(plan, tmp_path / "plan.jsonl")
    assert shown(plans.read_to_show(tmp_path / "plan.jsonl"), Format.TABLE) == shown(
        plans.read(tmp_path / "plan.jsonl"), Format.TABLE
    )


def test_pieces_of_a_screen_have_no_colour_of_their_own() -> None:
    plain_report = shown(ordinary_plan(), Format.TABLE)
    coloured = shown(ordinary_plan(), Format.TABLE, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain_report


async def test_the_table_shows_everything_that_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run: dict[str, Verdict | None] = {f"good-{i}": DELETED for i in range(90)}
    run |= {f"bad-{i}": FAILED for i in range(60)}
    report = shown(await write_journal(run), Format.TABLE, height=24)
    assert report.count("dev-bad-") == 60
    assert "dev-good-" not in report
    assert "and 90 more: image-cleanup report image-cleanup-run.jsonl --format html" in report
    assert flat(report).endswith("90 of 150 planned images deleted, 41.0 GiB left SWR; 60 failed; took 35 s")


def test_markdown_stays_small_enough_for_a_comment() -> None:
    kept = [keep(f"k{i}", Reason.NO_RULE, "why " * 500) for i in range(60)]
    report = shown(
        make_plan([*(delete(str(i), detail="why " * 500) for i in range(5000)), *kept]), Format.MARKDOWN
    )
    assert len(report) < 65_536
    report = shown(
        make_plan([*MANY, *kept[:2], *(keep(f"x{i}", Reason.BUSY) for i in range(60))]), Format.MARKDOWN
    )
    assert len(re.findall(r"trainer:dev-", report)) == 50
    assert "<details><summary>Kept (30 of 62)</summary>" in report
    assert report.endswith("\nand 100 more\n")


@pytest.mark.parametrize("form", [Format.JSON, Format.JSONL, Format.CSV])
def test_a_large_plan_comes_in_pieces(form: Format) -> None:
    pieces = list(render([view(make_plan([delete(str(i)) for i in range(5000)]))], form))
    assert max(map(len, pieces)) < sum(map(len, pieces)) / 4


def test_only_what_draws_on_a_terminal_imports_rich() -> None:
    rooms = Path(cleanup.reports.__file__).parent.glob("*.py")
    assert {room.name for room in rooms if re.search(r"^\s*(from|import) rich", room.read_text(), re.M)} == {
        "styled.py",
        "table.py",
    }


# ---- figures


@pytest.mark.parametrize(
    ("amount", "shown_as"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (387840321, "369.9 MiB"),
        (41 * GIB + GIB // 5, "41.2 GiB"),
        (1 << 60, "1,024.0 PiB"),
    ],
)
def test_sizes_are_binary_with_one_decimal(amount: int | None, shown_as: str) -> None:
    assert text.size(amount) == shown_as


@pytest.mark.parametrize(
    ("seconds", "shown_as"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (35.2, "35 s"),
        (59.7, "1 min 0 s"),
        (725, "12 min 5 s"),
        (7380, "2 h 3 min"),
    ],
)
def test_durations(seconds: float, shown_as: str) -> None:
    assert format_elapsed(seconds) == shown_as


def test_a_run_in_one_line() -> None:
    ended = finished(Counter({Outcome.DELETED: 1300, Outcome.DRIFTED: 8, Outcome.FAILED: 4}))
    assert summary_line(ended) == (
        "1,312 planned: 1,300 deleted, 8 drifted, 4 failed; 41.0 GiB freed in SWR; 35 s; "
        "330 requests, throttled 2 times"
    )


def test_a_plan_in_one_line() -> None:
    assert plan_line(ordinary_plan().summary) == (
        "delete 4 of 8 images, 60.0 GiB, without 1 of unknown size; 41.0 GiB to be freed in SWR"
    )


# ---- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drive(stream: io.StringIO) -> str:
    with Progress(stream) as progress:
        progress.watch(lambda: "throttled, waiting 3 s")
        progress.begin("listing images")
        progress.listed(2000, 16_800)
        progress.asking(["jobs", "models"])
        progress.answered("jobs")
        progress.total(3)
        progress.ended(Outcome.DELETED)
        progress.ended(Outcome.FAILED)
        progress.ended(Outcome.DELETED)
    return stream.getvalue()


def test_progress_counts_by_outcome_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    drawn = drive(Terminal())
    assert "3/3" in drawn
    assert "2,000/16,800" in drawn
    assert re.search(r"listing images: 2,000, \d+\.\d s\n", drawn)  # what stays of a phase
    assert re.search(r"reading users of images: 1, \d+\.\d s\n", drawn)
    assert "throttled, waiting 3 s" in drawn
    assert "1 failed, 2 deleted" in drawn


def test_progress_is_silent_in_a_pipe() -> None:
    assert drive(io.StringIO()) == ""


def test_progress_lets_an_error_through() -> None:
    with pytest.raises(ValueError, match="as it is"), Progress(Terminal()):
        raise ValueError("as it is")
