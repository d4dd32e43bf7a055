"""Plan against cloud: what still is as the plan saw it is due, everything else is left alone."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanup.apply.recheck import Due, Objections, Rechecked, recheck
from cleanup.decision.select import select
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.outcome import Outcome
from cleanup.policy.load import from_document
from tests.support.builders import EVERYTHING, NOW, make_image

PATH = "swr.example.com/ml-vision/trainer:shared"


def planned(*images: Image, force: frozenset[str] = frozenset()) -> list[Decision]:
    return [
        Decision(
            image=image,
            action=Action.DELETE,
            reason=Reason.EXPIRED,
            rule="r",
            detail="",
            force=image.id in force,
        )
        for image in images
    ]


def check(plan: list[Decision], *live: Image, in_use: InUse | None = None) -> Rechecked:
    today = select(live, EVERYTHING, in_use or InUse(), NOW)
    return recheck(plan, today, EVERYTHING, seen_at=5.0, now=NOW)


def test_what_is_unchanged_is_due() -> None:
    image = make_image("a")
    (due,) = check(planned(image), image).due
    assert (due.image, due.force, due.seen_at, due.after) == (image, False, 5.0, frozenset())


@pytest.mark.parametrize(
    "change",
    [
        {"updated_at": NOW},
        {"updated_at": None},
        {"status": "ERROR"},
        {"visibility": "PUBLIC"},
        {"visibility": None},
        {"tag": "other"},
        {"swr_path": "swr.example.com/x/y:z"},
    ],
)
def test_each_part_of_the_fingerprint(change: dict[str, Any]) -> None:
    image = make_image("a")
    result = check(planned(image, force=frozenset("a")), msgspec.structs.replace(image, **change))
    assert result.due == ()
    ((_, verdict),) = result.left_alone
    assert (verdict.outcome, verdict.force) == (Outcome.DRIFTED, False)
    assert "changed since the plan" in (verdict.error_msg or "")


@pytest.mark.parametrize(
    "change", [{"status": "active"}, {"visibility": "private"}, {"size": 5}, {"description": "x"}]
)
def test_what_is_no_part_of_it(change: dict[str, Any]) -> None:
    image = make_image("a")
    live = msgspec.structs.replace(image, **change)
    (due,) = check(planned(image), live).due
    assert due.image == live  # what is looked at and written down is the image of now


def test_what_came_into_use() -> None:
    image = make_image("a")
    result = check(
        planned(image), image, in_use=InUse([Use(user="notebook n (RUNNING)", swr_path=image.swr_path)])
    )
    ((_, verdict),) = result.left_alone
    assert verdict.error_msg == "would be kept now: in-use, used by notebook n (RUNNING)"


def test_what_the_listing_does_not_show_is_to_be_looked_up_and_never_deleted() -> None:
    image = make_image("a")
    (due,) = check(planned(image)).due
    assert (due.seen_at, due.listed) == (None, False)
    verdict = Objections(EVERYTHING).to(due, image, InUse())
    assert verdict is not None
    assert "lists it no more" in (verdict.error_msg or "")


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ({"type": "BUILD_IN"}, "not the project's own"),
        ({"type": None}, "not the project's own"),
        ({"status": "CREATING"}, "in the making"),
        ({"status": None}, "in the making"),
        ({"workspace_id": "w1"}, "workspace_id 0 -> w1"),
    ],
)
def test_what_a_last_look_never_lets_go(live: dict[str, Any], why: str) -> None:
    """Also where the plan, and the inventory that it is held against, said the same."""
    fields = live if "status" in live else {}
    image = make_image("a", **{"workspace_id": "0"} | fields)
    verdict = Objections(EVERYTHING).to(
        Due(image=image, rule="r", force=False), msgspec.structs.replace(image, **live), InUse()
    )
    assert verdict is not None
    assert verdict.outcome is Outcome.DRIFTED
    assert why in (verdict.error_msg or "")


def test_another_rule_that_deletes_it_now_deletes_it() -> None:
    rules = [{"name": name, "match": {"description": name}, "older_than": "1d"} for name in ("r", "q")]
    policy = from_document({"version": 1, "rules": rules}, ["p.yaml"], "")
    image = make_image("a", description="r")
    live = msgspec.structs.replace(image, description="q")
    (due,) = recheck(planned(image), select([live], policy, InUse(), NOW), policy, seen_at=5.0, now=NOW).due
    assert due.rule == "q"
    assert Objections(policy).to(due, due.image, InUse()) is None


class TestDecidingAgain:
    """Deleted is only what a plan of this minute would delete, whatever the plan says."""

    def against(self, policy: dict[str, Any], plan: list[Decision], *live: Image) -> Rechecked:
        made = from_document({"version": 1, **policy}, ["p.yaml"], "")
        return recheck(plan, select(live, made, InUse(), NOW), made, seen_at=5.0, now=NOW)

    def why(self, result: Rechecked) -> dict[str, str]:
        assert not result.due
        return {one.image.id: verdict.error_msg or "" for one, verdict in result.left_alone}

    def test_a_group_keeps_its_newest_also_when_newer_ones_went_meanwhile(self) -> None:
        rules = [{"name": "r", "keep_last": 2}]
        old = [make_image(f"old-{age}", age=age) for age in (300, 200)]
        result = self.against({"rules": rules}, planned(*old), *old)
        assert self.why(result)["old-300"].startswith(
            "would be kept now: keep-last, number 2 of the newest 2"
        )

    def test_a_forged_line_deletes_nothing(self) -> None:
        young, public = make_image("young", age=1), make_image("public", visibility="PUBLIC")
        protected = make_image("protected", tag="stable")
        policy = {
            "protect": [{"tag": "stable"}],
            "rules": [{"name": "r", "older_than": "90d", "force": True}],
        }
        images = (young, public, protected)
        forged = planned(*images, force=frozenset(image.id for image in images))
        why = self.why(self.against(policy, forged, *images))
        assert {id_: text.split(",")[0].rpartition(" ")[2] for id_, text in why.items()} == {
            "young": "too-young",
            "public": "public",
            "protected": "protected",
        }

    def test_content_goes_only_where_the_rule_asks_for_it(self) -> None:
        image = make_image("a")
        (due,) = self.against(
            {"rules": [{"name": "r", "older_than": "1d"}]}, planned(image, force=frozenset("a")), image
        ).due
        assert due.force is False

    def test_what_came_to_be_protected_while_it_waited_is_left_alone(self) -> None:
        policy = from_document(
            {
                "version": 1,
                "protect": [{"description": "keep*"}],
                "rules": [{"name": "r", "delete_all": True}],
            },
            ["p.yaml"],
            "",
        )
        image = make_image("a", description="an old one")
        due = Due(image=image, rule="r", force=False)
        objections = Objections(policy)
        assert objections.to(due, image, InUse()) is None
        verdict = objections.to(due, msgspec.structs.replace(image, description="keep me"), InUse())
        assert verdict is not None
        assert "protected by 'description: keep*'" in (verdict.error_msg or "")


class TestSharedContent:
    first = make_image("first", swr_path=PATH, age=100)
    carrier = make_image("carrier", swr_path=PATH, age=50)
    both = planned(carrier, first, force=frozenset(["carrier"]))

    def test_the_carrier_comes_last_and_waits_for_the_others(self) -> None:
        first, carrier = check(self.both, self.first, self.carrier).due
        assert (first.image.id, carrier.image.id) == ("first", "carrier")
        assert (carrier.force, carrier.after) == (True, frozenset(["first"]))

    def test_a_sibling_that_drifted_keeps_the_content(self) -> None:
        changed = msgspec.structs.replace(self.first, updated_at=NOW - timedelta(1))
        (carrier,) = check(self.both, changed, self.carrier).due
        assert carrier.force is False

    def test_a_newcomer_keeps_the_content(self) -> None:
        newcomer = make_image("new", swr_path=PATH.replace("swr.example.com", "100.125.0.198:20202"))
        due = check(self.both, self.first, self.carrier, newcomer).due
        assert {one.image.id: one.force for one in due} == {"first": False, "carrier": False}

    def test_a_newcomer_without_a_path_but_of_that_name_keeps_it(self) -> None:
        newcomer = make_image("new", tag="shared", swr_path=None)
        due = check(self.both, self.first, self.carrier, newcomer).due
        assert not any(one.force for one in due)

    def test_siblings_that_are_gone_already_are_no_hindrance(self) -> None:
        result = check(self.both, self.carrier)
        assert {one.image.id: one.force for one in result.due} == {"first": False, "carrier": True}


@given(
    st.lists(st.sampled_from(["same", "changed", "gone", "used"]), min_size=1, max_size=12),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
    st.sets(st.integers(0, 11)),
)
def test_no_content_that_stays_is_taken_and_every_planned_image_is_accounted_for(
    fates: list[str], paths: list[int], newcomers: set[int]
) -> None:
    images = [make_image(f"i{n}", swr_path=f"swr.example.com/a/b:{paths[n]}") for n in range(len(fates))]
    carriers = {image.content: image.id for image in images}
    plan = planned(*images, force=frozenset(carriers.values()))
    live = []
    for image, fate in zip(images, fates, strict=True):
        if fate != "gone":
            live.append(msgspec.structs.replace(image, updated_at=NOW) if fate == "changed" else image)
    live += [make_image(f"new{n}", swr_path=f"swr.example.com/a/b:{n}") for n in newcomers]
    in_use = InUse(Use(user="u", image_id=f"i{n}") for n, fate in enumerate(fates) if fate == "used")
    result = check(plan, *live, in_use=in_use)
    accounted = [one.image.id for one in result.due] + [one.image.id for one, _ in result.left_alone]
    assert sorted(accounted) == sorted(image.id for image in images)
    due = {one.image.id for one in result.due}
    staying = {image.content for image in live if image.id not in due}
    assert not {one.image.content for one in result.due if one.force} & staying
    order = [one.image.id for one in result.due]
    for one in result.due:
        assert all(order.index(other) < order.index(one.image.id) for other in one.after)
