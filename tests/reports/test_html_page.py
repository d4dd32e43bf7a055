"""The page: goldens, its data row by row, nothing foreign that acts, nothing that is asked for from elsewhere."""

import base64
import hashlib
import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cleanup
from cleanup.decision.types import Action, Reason
from cleanup.in_use import Use
from cleanup.journal import Journal, read_to_show
from cleanup.plan import file as plans
from cleanup.reports import journal_view, plan_view
from cleanup.reports.formatting import plain
from cleanup.reports.html_page import pieces
from cleanup.reports.page import table
from cleanup.reports.page.figures import PageFigures
from cleanup.reports.targets_view import TargetEnd, together
from cleanup.reports.view import Report
from tests.support.builders import GOLDENS, NOW, make_image, run_started
from tests.support.page import POLICY, Page, changes, intents_of, plan_of, some_images, some_journal

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`&amp;\u202e\u2028\x00\x1b[31m"
    + "x" * 200
)


def plan_page(*tags: str) -> Page:
    images = [make_image(f"img-{n}", tag=tag, age=100 + n) for n, tag in enumerate(tags)]
    return Page.of(plan_view.view(plan_of(images)))


def reports() -> dict[str, Report]:
    return {
        "plan": plan_view.view(plan_of(some_images(40), Use(user="notebook nb-1 (RUNNING)", name="etl"))),
        "journal": journal_view.view(some_journal(30)),
        "empty": plan_view.view(plan_of([])),
    }


@pytest.mark.parametrize("name", ["plan", "journal", "empty"])
def test_a_page_looks_like_its_golden(name: str) -> None:
    """All but the script and the style that are in each; the head, which differs in its title, stands in one."""
    text = "".join(pieces([reports()[name]]))
    if name != "empty":
        text = text[text.index("<body>") :]
    text = re.sub(r"(<style>|<script>)[^\0]*?(</style>|</script>)", r"\1\2", text)
    text = re.sub(r"sha256-[^']+", "sha256-...", text).replace(cleanup.__version__, "VERSION")
    golden = GOLDENS / "reports" / f"{name}.html"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


# ---- one file, and nothing in it acts but our script


@pytest.mark.parametrize("name", ["plan", "journal", "empty"])
def test_the_policy_allows_the_script_and_the_style_that_are_there_and_nothing_else(name: str) -> None:
    page = Page.of(reports()[name])
    [policy] = [value for tag, key, value in page.attributes if (tag, key) == ("meta", "content")][:1]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    for kind, text in (("script-src", page.texts["script"][-1]), ("style-src", "".join(page.texts["style"]))):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[kind] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", ["plan", "journal", "empty"])
def test_a_page_asks_for_nothing_and_has_neither_styles_nor_handlers_in_its_markup(name: str) -> None:
    page = Page.of(reports()[name])
    assert [(tag, key, value) for tag, key, value in page.attributes if key in ("src", "href")] == [
        ("link", "href", "data:,")
    ]
    assert not [key for _, key, _ in page.attributes if key == "style" or key.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", "".join(page.texts["style"]))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|https?:", page.texts["script"][-1]
    )


@pytest.mark.parametrize("field", ["namespace", "name", "tag", "swr_path", "description", "arch", "status"])
def test_hostile_values_are_data(field: str) -> None:
    usual = Page.of(plan_view.view(plan_of([make_image()])))
    hostile = Page.of(plan_view.view(plan_of([msgspec.structs.replace(make_image(), **{field: HOSTILE})])))
    assert hostile.tags.count("script") == usual.tags.count("script") == 2
    assert set(hostile.tags) <= set(usual.tags) | {"span"}
    assert all(line.isprintable() for line in "".join(hostile.texts["script"][0]).splitlines())


def test_hostile_rules_messages_and_targets_are_data() -> None:
    plan = plan_of([make_image()], target=HOSTILE)
    decision = msgspec.structs.replace(plan.decisions[0], detail=HOSTILE, rule=HOSTILE)
    report = plan_view.view(msgspec.structs.replace(plan, decisions=(decision,)))
    page = Page.of(report, report)
    assert page.tags.count("script") == 2
    assert page.column("target") == [plain(HOSTILE)] * 2
    assert page.column("detail") == [plain(HOSTILE)] * 2


@settings(max_examples=30)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_any_text_is_data(text: str) -> None:
    page = plan_page(text, "dev-1")
    assert sorted(page.column("tag")) == sorted([plain(text), "dev-1"])
    assert page.tags.count("script") == 2


# ---- its data


def test_the_data_says_of_each_image_what_the_report_says() -> None:
    report = reports()["plan"]
    page = Page.of(report)
    assert page.data["rows"] == len(report.rows)
    for name in (
        "action",
        "reason",
        "rule",
        "namespace",
        "name",
        "tag",
        "age_days",
        "size",
        "force",
        "id",
        "detail",
    ):
        assert page.column(name) == [getattr(row, name) for row in report.rows], name
    moments = [
        None if one is None else datetime.fromtimestamp(one / 1000, UTC) for one in page.column("updated_at")
    ]
    assert moments == [row.updated_at for row in report.rows]


def test_of_a_delete_every_condition_is_shown_with_its_truth() -> None:
    plan = plan_of(some_images(100))
    page = Page.of(plan_view.view(plan))
    rules = {rule.name: rule for rule in POLICY.rules}
    lines = {rule["name"]: rule["conditions"] for rule in page.data["rules"][0]}
    assert plan.deletes
    for decision, truths in zip(plan.decisions, page.column("truths"), strict=True):
        if decision.action is Action.DELETE:
            found = rules[decision.rule or ""].match.trace(decision.image)
            assert [{"y": True, "n": False}[sign] for sign in truths] == [one.truth for one in found]
            assert [text for text, _, _ in lines[decision.rule]] == [one.text for one in found]


def test_of_a_kept_image_conditions_are_shown_as_far_as_they_follow_from_the_plan_file() -> None:
    plan = plan_of(some_images(100))
    page = Page.of(plan_view.view(plan))
    rules = {rule.name: rule for rule in POLICY.rules}
    signs = Counter[str]()
    for decision, truths in zip(plan.decisions, page.column("truths"), strict=True):
        if decision.action is Action.KEEP and decision.rule:
            found = [one.truth for one in rules[decision.rule].match.trace(decision.image)]
            assert all(
                sign in ("?", dict(zip((True, False, None), "yn?", strict=True))[one])
                for sign, one in zip(truths, found, strict=True)
            )
            assert truths.startswith("y"), "the whole: its reason says so"
            assert decision.rule != "stale-dev-images" or truths[1] == "y", (
                "visibility, which no keep line holds"
            )
            signs.update(truths)
    assert signs["y"] > signs["n"] > 0
    assert page.data["explain"] == ["image-cleanup explain -p policies/vision.yaml"]


def test_of_a_young_image_it_says_when_it_is_old_enough() -> None:
    page = plan_page("dev-1", "dev-2")
    assert page.column("reason") == ["expired", "keep-last"]
    page = Page.of(plan_view.view(plan_of([make_image("1", age=3), make_image("2", age=2)])))
    place = page.column("reason").index(Reason.TOO_YOUNG)
    assert page.column("old_enough_at")[place] == (NOW + timedelta(days=87)).timestamp() * 1000


def test_a_plan_says_the_same_from_its_file(tmp_path: Path) -> None:
    plan = plan_of(some_images(60))
    plans.write(plan, tmp_path / "plan.jsonl")
    shown = plan_view.view(plans.read_to_show(tmp_path / "plan.jsonl"))
    assert "".join(pieces([shown])) == "".join(pieces([plan_view.view(plan)]))


async def test_a_journal_says_how_large_images_were(tmp_path: Path) -> None:
    images = some_images(4)
    path = tmp_path / "journal.jsonl"
    with Journal(path, "run-1", "vision-prod", lambda: NOW) as journal:
        journal.write(run_started("run-1", target="vision-prod", planned=5))
        for intent in intents_of(images):
            await journal.write_ahead(intent)
    page = Page.of(journal_view.view(read_to_show(path)))
    assert sorted(page.column("size")) == sorted(image.size or 0 for image in images)


def test_more_images_than_a_browser_holds_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_ROWS", 25)
    page = Page.of(reports()["plan"])
    assert (page.data["rows"], page.data["left_out"]) == (25, 15)
    assert all(len(page.column(one["name"])) == 25 for one in page.data["columns"])


def test_a_report_of_another_kind_needs_no_code() -> None:
    page = Page.of(changes(30))
    shown = {one["name"] for one in page.data["columns"] if one.get("shown")}
    assert shown == {"change", "before", "after", "before_rule", "sure"}
    assert {one["name"] for one in page.data["columns"] if one.get("choice")} >= {"change", "before", "after"}
    assert "30 decisions change." in page.texts["p"]


def test_several_reports_are_one_table_with_their_targets() -> None:
    plans_ = [plan_view.view(plan_of(some_images(50), target=name)) for name in ("vision", "speech")]
    page = Page.of(*plans_)
    assert page.column("target") == ["vision"] * 50 + ["speech"] * 50
    assert page.column("report") == [0] * 50 + [1] * 50
    assert len(page.data["rules"]) == 2
    assert "Bytes by target" in page.texts["h3"]


def test_of_many_targets_the_summary_is_said_and_its_rows_are_no_images() -> None:
    ends = [
        TargetEnd("vision", 0, "", plan_view.view(plan_of(some_images(50), target="vision"))),
        TargetEnd("speech", 5, "credentials were refused", None),
    ]
    page = Page.of(*together(ends, 5), many=True)
    assert page.texts["h1"] == ["2 targets: vision, speech"]
    assert page.column("target") == ["vision"] * 50
    assert page.texts["h3"].count("All, by reason") == 1
    assert "By reason" not in page.texts["h3"]
    assert "failed (exit code 5): credentials were refused" in page.texts["td"]
    assert any("2 targets: 1 done, 1 failed" in words for words in page.texts["p"])


# ---- its figures


def test_a_content_counts_once_and_goes_with_the_record_that_has_force() -> None:
    figures = PageFigures()
    figures.add(
        {
            "action": ["delete", "delete", "keep", "delete"],
            "force": [False, True, False, False],
            "size": [10, 10, 99, 5],
            "swr_path": ["a", "a", "b", None],
            "namespace": ["x", "y", "x", "x"],
        }
    )
    assert figures.shares("namespace") == {"y": (1, 10, 0), "x": (2, 0, 5)}


def test_causes_that_differ_in_ids_and_numbers_are_one() -> None:
    figures = PageFigures()
    messages = [f"image {n:08x}-edda-4556-bdbb-494e868d043c: attempt {n}" for n in range(3)]
    figures.add(
        {
            "outcome": ["failed", "failed", "failed", "deleted"],
            "http_status": [500] * 4,
            "error_code": [None] * 4,
            "error_msg": [*messages, None],
        }
    )
    assert figures.causes == Counter({("failed", 500, "", "image …: attempt …"): 3})


def test_the_charts_of_a_journal_add_up() -> None:
    page = Page.of(journal_view.view(some_journal(120)))
    about = " ".join(page.texts["p"])
    assert "120 images in 40 s" in about
    assert "requests sent again" in about
    assert "What did not go, by cause" in page.texts["h3"]
    assert "429 too many requests" in page.texts["td"]


def test_the_bounds_of_the_rules_are_marked_in_the_ages() -> None:
    page = Page.of(reports()["plan"])
    assert "stale-dev-images: older than 90 days" in page.texts["li"]
    assert "old-releases: older than 365 days, by create_at" in page.texts["li"]
