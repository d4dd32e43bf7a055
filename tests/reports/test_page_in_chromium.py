"""The page as a browser shows it: Debian's Chromium, driven by Playwright, one browser for all tests of this module."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from cleanup.reports import journal_view, plan_view
from cleanup.reports.html_page import pieces
from cleanup.reports.view import Report
from tests.support.builders import make_image, needs
from tests.support.page import changes, plan_of, some_images, some_journal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs("chromium")
HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script>\"'\u202e" + "x" * 10_000
LIGHT, DARK = "rgb(244, 245, 247)", "rgb(18, 22, 28)"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root has no sandbox to start; nothing but our own page is opened.
        started = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(browser: "Browser", report: Report, folder: Path, **options: Any) -> "Iterator[Page]":
    """The page of a report with its script done. Nothing was complained of or asked for when it is left."""
    file = folder / "page.html"
    file.write_text("".join(pieces([report])), encoding="utf-8")
    usual: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
    context = browser.new_context(**(usual | options))
    page, trouble = context.new_page(), list[str]()
    page.on("console", lambda message: trouble.append(message.text))  # where a broken CSP is told, too
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: trouble.append(dialog.message))
    page.on("request", lambda request: trouble.append(request.url))
    page.goto(file.as_uri())
    if options.get("java_script_enabled", True):
        page.locator("html.ready").wait_for(state="attached")
    yield page
    context.close()
    assert [one for one in trouble if one not in (file.as_uri(), "data:,")] == []


def rows(page: "Page") -> list[str]:
    """What stands in the rows that are in sight."""
    return page.locator("#images tr.row").all_inner_texts()


def test_a_plan_is_searched_narrowed_sorted_and_explained(browser: "Browser", tmp_path: Path) -> None:
    plan = plan_of(some_images(300))
    with opened(browser, plan_view.view(plan), tmp_path) as page:
        found = page.locator("#found")
        assert found.inner_text().startswith("300 of 300 images")

        page.select_option("#choose-action", label=f"delete ({len(plan.deletes)})")
        assert found.inner_text().startswith(f"{len(plan.deletes)} of 300 images")
        assert all("delete" in row for row in rows(page))
        page.click("#clear")

        page.fill("#search", "VISION dev-40")
        page.locator("#found", has_text="1 of 300 images").wait_for()
        assert "ml-vision/serving:dev-40" in rows(page)[0]
        page.click("#clear")

        page.click("#images th.n-size button")
        assert page.locator("#images th.n-size").get_attribute("aria-sort") == "descending"
        largest = max(one.image.size or 0 for one in plan.deletes)
        assert f"{largest / (1 << 30):.1f} GiB" in rows(page)[0]
        page.click("#images th.n-age_days button")
        page.click("#images th.n-age_days button")
        assert page.locator("#images th.n-age_days").get_attribute("aria-sort") == "ascending"

        page.click("button.word >> text=stale-dev-images")
        assert page.locator("#choose-rule").input_value() != ""
        page.click("#images th.n-age_days button")
        page.locator("#images tr.row").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        why = page.locator("#why").inner_text()
        assert "Rule stale-dev-images" in why
        assert "visibility: PRIVATE" in why
        assert "is PRIVATE" in why
        page.keyboard.press("Escape")
        assert page.locator("#why").is_hidden()
        assert page.evaluate("document.activeElement.dataset.place") == "1"


def test_a_journal_is_narrowed_by_outcome(browser: "Browser", tmp_path: Path) -> None:
    with opened(browser, journal_view.view(some_journal(120)), tmp_path, color_scheme="dark") as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == DARK
        page.select_option("#choose-outcome", label="failed (12)")
        assert page.locator("#found").inner_text().startswith("12 of 120 images")
        page.locator("#images tr.row").first.click()
        assert "too many requests" in page.locator("#why").inner_text()


def test_hostile_names_are_shown_and_do_nothing(browser: "Browser", tmp_path: Path) -> None:
    plan = plan_of(
        [make_image("1", name=HOSTILE, namespace=HOSTILE, tag=HOSTILE), make_image("2")], target=HOSTILE
    )
    lines = [msgspec.structs.replace(one, detail=HOSTILE, rule=HOSTILE) for one in plan.decisions]
    report = plan_view.view(msgspec.structs.replace(plan, decisions=lines))
    with opened(browser, report, tmp_path, viewport={"width": 400, "height": 800}) as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == LIGHT
        page.locator("#images tr.row").first.click()
        assert "\\u202e" in page.locator("#why-title").inner_text()
        assert page.locator("img").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 400


def test_a_hundred_thousand_rows_scroll_and_print_the_first(browser: "Browser", tmp_path: Path) -> None:
    with opened(browser, changes(100_000), tmp_path) as page:
        assert page.locator("#images tr.row").count() < 100
        page.focus("#images tr.row >> nth=0")
        page.keyboard.press("End")
        assert "ns-3/image-89:v99999" in rows(page)[-1]
        page.fill("#search", "v4242")
        page.locator("#found", has_text="11 of 100,000 images").wait_for()
        page.click("#clear")
        page.emulate_media(media="print")
        page.locator("#unprinted", has_text="99,800 are not").wait_for()
        assert page.locator("#images tr.row").count() == 200
        assert page.locator("#controls").is_hidden()


def test_without_javascript_the_charts_and_the_facts_are_there(browser: "Browser", tmp_path: Path) -> None:
    report = plan_view.view(plan_of(some_images(60)))
    with opened(browser, report, tmp_path, java_script_enabled=False) as page:
        assert page.locator("svg.plot rect").count() > 0
        assert page.locator("noscript p").is_visible()
        assert page.get_by_text("policies/vision.yaml").is_visible()
