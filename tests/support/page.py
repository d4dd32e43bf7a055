"""Reports for the page, and the page taken apart: its elements and its data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec

from cleanup.config.settings import TargetRef
from cleanup.decision.cases import CaseFile, Difference, Expectation
from cleanup.decision.select import select
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.journal import DeleteIntent, DeleteResult, JournalFile, JournalRun
from cleanup.outcome import Outcome, Verdict, tally
from cleanup.plan.plan import Header, InventoryRef, Plan, PolicyRef, in_plan_order
from cleanup.plan.summary import summarize
from cleanup.policy.load import from_document
from cleanup.reports.html_page import pieces
from cleanup.reports.view import Body, Report
from cleanup.strict_yaml.location import Location
from tests.support.builders import NOW, make_image, run_finished, run_started

POLICY = from_document(
    {
        "version": 1,
        "protect": [{"tag": ["latest", "stable"], "because": "serving images are released by hand"}],
        "rules": [
            {
                "name": "stale-dev-images",
                "match": {
                    "visibility": "PRIVATE",
                    "namespace": ["ml-*", "sandbox"],
                    "any": [{"tag": "dev-*"}, {"not": {"tag": {"regex": "^v[0-9]"}}}],
                },
                "older_than": "90d",
                "keep_last": 1,
                "force": True,
            },
            {"name": "old-releases", "match": {"tag": "v*"}, "older_than": {"create_at": "365d"}},
        ],
    },
    ["policies/vision.yaml"],
    "ab" * 32,
)


def plan_of(images: Sequence[Image], *uses: Use, target: str = "vision-prod") -> Plan:
    """The plan that POLICY makes of these images, decided as the product does."""
    decisions = in_plan_order(select(images, POLICY, InUse(uses), NOW))
    header = Header(
        plan_id="20261123T120000Z-0a1b2c3d",
        created_at=NOW,
        expires_at=NOW + timedelta(hours=24),
        tool_version="0.1.0",
        target=TargetRef(
            name=target,
            endpoint="https://modelarts.cn-north-4.myhuaweicloud.com",
            project_id="0a1b2c3d4e5f",
            workspaces=("0",),
        ),
        policy=PolicyRef(sha256="ab" * 32, files=POLICY.files, document=POLICY.document),
        inventory=InventoryRef(images=len(images), own=len(images), notebooks=1, complete=True),
        warnings=("rule 'old-releases' takes PRIVATE images only",),
    )
    return Plan(header=header, policy=POLICY, decisions=decisions, summary=summarize(decisions))


def cases_of(text: str) -> tuple[CaseFile, tuple[Difference, ...]]:
    """A test file of that name with images called so, one decided as expected and one otherwise."""
    images = tuple(make_image(id_, namespace=text, name=text, tag=text) for id_ in ("1", text))
    expected = [
        Expectation(image_id=image.id, location=Location(text, line, 5))
        for line, image in enumerate(images, 5)
    ]
    cases = CaseFile(
        file=text, policies=(), now=NOW, images=images, in_use=InUse(), expectations=tuple(expected)
    )
    return cases, (Difference(expected[1].location, images[1].label, text),)


def some_images(number: int = 300) -> list[Image]:
    """Images of several namespaces and ages: some go with their content, some stay for each of several reasons."""
    tags = ("dev-{}", "pr-{}", "v1.{}", "latest")
    return [
        make_image(
            f"{n:08x}-edda-4556-bdbb-494e868d043c",
            age=n * 3.7 % 500,
            namespace=("ml-vision", "ml-speech", "sandbox", "platform")[n * 7 % 4],
            name=("trainer", "serving", "etl")[n % 3],
            tag=tags[n % 4].format(n),
            size=(n * 977 % 64 + 1) << 28,
        )
        for n in range(1, number + 1)
    ]


def some_journal(number: int = 120) -> JournalFile:
    """A run of which some deletes were throttled, refused or not attempted."""
    run = JournalRun(
        started=run_started("run-1", target="vision-prod", planned=number), intents={}, results={}
    )
    verdicts = (
        Verdict(outcome=Outcome.DELETED, force=True, http_status=200, attempts=1),
        Verdict(outcome=Outcome.DELETED, force=True, http_status=200, attempts=3),
        Verdict(outcome=Outcome.ALREADY_GONE, http_status=404, error_code="ModelArts.6797", attempts=1),
        Verdict(outcome=Outcome.FAILED, http_status=429, error_msg="too many requests", attempts=5),
        Verdict(
            outcome=Outcome.DENIED, http_status=403, error_code="ModelArts.0108", error_msg="not allowed"
        ),
    )
    outcomes = []
    for n, image in enumerate(some_images(number)):
        verdict = verdicts[0 if n % 10 < 6 else n % 10 - 5]
        result = DeleteResult.of(image, "stale-dev-images", verdict)
        moment = NOW + timedelta(seconds=n / 3)
        run.results[image.key] = msgspec.structs.replace(result, run_id="run-1", timestamp=moment)
        outcomes.append(verdict.outcome)
    run.finished = run_finished(tally(outcomes), requests=200, throttled=17, duration_s=40.0, exit_code=3)
    return JournalFile(path=Path("image-cleanup-run.jsonl"), runs=(run,), torn=False)


def intents_of(images: Sequence[Image]) -> list[DeleteIntent]:
    """What a journal says before it deletes these."""
    return [
        DeleteIntent(image_id=one.id, rule="stale-dev-images", force=True, image=one.raw) for one in images
    ]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A row that the page knows nothing of."""

    change: str
    namespace: str
    name: str
    tag: str
    before: str
    after: str
    before_rule: str | None
    sure: bool


class ChangeHead(msgspec.Struct, frozen=True, kw_only=True):
    report: str = "comparison"


def changes(number: int) -> Report:
    """A report of another kind, as a comparison of two plans would be."""
    words = ("now deleted", "kept now", "another reason")
    rows = [
        Change(
            change=words[n % 3],
            namespace=f"ns-{n % 12}",
            name=f"image-{n % 97}",
            tag=f"v{n}",
            before="too-young",
            after=("expired", "in-use", "keep-last")[n % 3],
            before_rule=None if n % 4 else "stale",
            sure=n % 2 == 0,
        )
        for n in range(number)
    ]
    return Report(
        title="Changes",
        verdict=f"{number:,} decisions change.",
        head=ChangeHead(),
        warnings=(),
        facts=(),
        make_body=lambda: Body(tallies=(), sections=(), listed=0, more=""),
        rows=rows,
        row_type=Change,
    )


@dataclass
class Page(HTMLParser):
    """A page taken apart: the elements in order, their attributes, and the text within each kind."""

    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._inside = ""

    @classmethod
    def of(cls, *reports: Report, many: bool = False) -> "Page":
        page = cls()
        page.feed("".join(pieces(reports, many=many)))
        page.close()
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)

    @property
    def data(self) -> dict[str, Any]:
        """What the table is made from."""
        document: dict[str, Any] = json.loads(self.texts["script"][0])
        return document

    def column(self, name: str) -> list[Any]:
        """The values of a column, each as it stands in its row."""
        [column] = [one for one in self.data["columns"] if one["name"] == name]
        found = (
            column["raw"]
            if "raw" in column
            else [None if code < 0 else column["values"][code] for code in column["codes"]]
        )
        return found + [None] * (self.data["rows"] - len(found))
