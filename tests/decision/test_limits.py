"""Limits: what they forbid, for a policy and for one rule of it."""

from pathlib import Path

import msgspec
import pytest

from cleanup.decision.limits import RunLimits, violations
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.policy import load
from cleanup.policy.language import Limits
from tests.support.builders import make_image


def gone(*images: Image, rule: str = "r") -> list[Decision]:
    return [
        Decision(image=image, action=Action.DELETE, reason=Reason.EXPIRED, rule=rule, detail="")
        for image in images
    ]


IMAGES = [make_image(f"i{number}", name=f"n{number % 2}") for number in range(10)]


@pytest.mark.parametrize(
    ("limits", "count", "allowed"),
    [
        (RunLimits(max_deletes=3), 3, True),
        (RunLimits(max_deletes=3), 4, False),
        (RunLimits(max_deletes=0), 1, False),
        (RunLimits(max_percent=40), 4, True),
        (RunLimits(max_percent=39.9), 4, False),
        (RunLimits(max_percent=0), 0, True),
        (RunLimits(min_remaining=3), 4, True),
        (RunLimits(min_remaining=4), 4, False),
        (RunLimits(), 10, True),
        (RunLimits(rules={"r": Limits(max_deletes=2)}), 3, False),
        (RunLimits(rules={"other": Limits(max_deletes=0)}), 3, True),
    ],
)
def test_how_much_is_too_much(limits: RunLimits, count: int, allowed: bool) -> None:
    assert (violations(gone(*IMAGES[:count]), IMAGES, limits) == ()) is allowed


def test_percent_is_of_the_projects_own_images() -> None:
    builtin = [make_image(f"b{number}", type="BUILD_IN") for number in range(90)]
    (sentence,) = violations(gone(*IMAGES[:6]), IMAGES + builtin, RunLimits(max_percent=50))
    assert "60.0 % of the project's 10 own images" in sentence


def test_only_active_images_count_as_remaining() -> None:
    images = [make_image("a"), make_image("b"), make_image("e", status="ERROR")]
    assert violations(gone(images[2]), images, RunLimits(min_remaining=5)) == ()
    (sentence,) = violations(gone(images[0]), images, RunLimits(min_remaining=2))
    assert "would leave ml-vision/trainer with 1 ACTIVE" in sentence


def test_each_breach_names_the_figure_and_the_way_to_raise_it() -> None:
    limits = RunLimits(max_deletes=1, max_percent=10, rules={"r": Limits(max_deletes=2)})
    first, second, third = violations(gone(*IMAGES[:3]), IMAGES, limits)
    assert first.startswith("the policy would delete 3 images, over max_deletes 1")
    assert "raise max_deletes to 3 in limits" in first
    assert "over max_percent 10" in second
    assert third.startswith("rule 'r' would delete 3 images, over max_deletes 2")


def test_limits_come_from_the_policy_and_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "version: 1\nrules:\n  - {name: a, older_than: 1d, limits: {max_deletes: 5}}\n  - {name: b, older_than: 1d}\n"
    )
    limits = RunLimits.of(load([path]))
    assert (limits.max_deletes, limits.max_percent, limits.min_remaining) == (1000, 50, None)
    assert limits.rules == {"a": Limits(max_deletes=5)}
    assert msgspec.json.encode(limits) == (  # as journals have it
        b'{"max_deletes":1000,"max_percent":50.0,"min_remaining":null,'
        b'"rules":{"a":{"max_deletes":5,"max_percent":null,"min_remaining":null}}}'
    )
