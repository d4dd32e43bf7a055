"""What must hold for every inventory and every policy."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanup.decision.select import select
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.in_use import InUse, Use
from cleanup.policy.language import (
    EVERY_IMAGE,
    All,
    AnyOf,
    Clock,
    Condition,
    FieldCondition,
    KeepLast,
    Limits,
    Not,
    OlderThan,
    Policy,
    Protection,
    Rule,
)
from cleanup.policy.patterns import text_pattern
from cleanup.strict_yaml.location import Location
from tests.support.builders import NOW, make_image

HERE = Location("generated.yaml", 1, 1)
NAMESPACES = ("ml-vision", "ml-nlp", "prod-serving", "sandbox")
TAGS = ("latest", "dev-1", "dev-2", "pr-7", "1.4.0")


def images() -> st.SearchStrategy[list[Image]]:
    one: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "namespace": st.sampled_from(NAMESPACES) | st.none(),
            "name": st.sampled_from(["trainer", "server"]) | st.none(),
            "tag": st.sampled_from(TAGS) | st.none(),
            "visibility": st.sampled_from(["PRIVATE", "private", "PUBLIC", "SHARED"]) | st.none(),
            "status": st.sampled_from(["ACTIVE", "active", "ERROR", "CREATING", "INIT", "NEW"]) | st.none(),
            "type": st.sampled_from(["DEDICATED", "DEDICATED", "DEDICATED", "BUILD_IN"]) | st.none(),
            "size": st.integers(0, 1 << 40) | st.none(),
            "swr_path": st.sampled_from([f"swr.example.com/ml-vision/trainer:{n}" for n in range(4)])
            | st.none(),
            "age": st.integers(-5, 400) | st.none(),
        }
    )
    return st.lists(one, max_size=14).map(
        lambda found: [make_image(f"id-{number}", **fields) for number, fields in enumerate(found)]
    )


def leaves() -> st.SearchStrategy[Condition]:
    texts = {
        "namespace": ("ml-*", "prod-*", "sandbox"),
        "tag": ("latest", "dev-*", "*"),
        "visibility": ("PRIVATE", "public"),
        "status": ("ERROR", "active"),
    }
    pairs = [(attribute, text) for attribute, some in texts.items() for text in some]
    return st.sampled_from(pairs).map(
        lambda pair: FieldCondition(
            pair[0], text_pattern(pair[1], ignores_case=True, location=HERE), f"{pair[0]}: {pair[1]}"
        )
    )


def conditions() -> st.SearchStrategy[Condition]:
    return st.recursive(
        leaves() | st.just(EVERY_IMAGE),
        lambda inner: (
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts)))
            | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
            | inner.map(Not)
        ),
        max_leaves=4,
    )


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        older = draw(st.none() | st.builds(OlderThan, clock=st.sampled_from(Clock), age=_ages()))
        keep = draw(st.none() | st.builds(KeepLast, count=st.integers(1, 4)))
        made.append(
            Rule(
                name=f"rule-{number}",
                description=None,
                match=draw(conditions()),
                older_than=older,
                keep_last=keep,
                delete_all=older is None and keep is None,
                force=draw(st.booleans()),
                limits=None,
                location=HERE,
            )
        )
    return tuple(made)


def _ages() -> st.SearchStrategy[timedelta]:
    return st.integers(1, 200).map(lambda days: timedelta(days=days))


def protections() -> st.SearchStrategy[Protection]:
    return st.builds(
        Protection, match=conditions(), text=st.just("generated"), because=st.none(), location=st.just(HERE)
    )


def policies() -> st.SearchStrategy[Policy]:
    return st.builds(
        Policy,
        rules=rules(),
        protect=st.lists(protections(), max_size=2).map(tuple),
        limits=st.just(Limits()),
        files=st.just(()),
        sha256=st.just(""),
    )


def users() -> st.SearchStrategy[InUse]:
    use = st.builds(
        Use, user=st.just("notebook"), image_id=st.sampled_from(["id-0", "id-1", "id-2"])
    ) | st.builds(Use, user=st.just("pin"), swr_path=st.just("swr.example.com/ml-vision/trainer:1"))
    return st.lists(use, max_size=2).map(InUse)


def deleted(decisions: tuple[Decision, ...]) -> set[str]:
    return {decision.image.id for decision in decisions if decision.action is Action.DELETE}


def content_taken(decisions: tuple[Decision, ...]) -> set[str | None]:
    return {decision.image.content for decision in decisions if decision.force}


@given(images(), policies(), users())
def test_every_image_is_decided_once_and_a_delete_is_never_of_the_untouchable(
    inventory: list[Image], policy: Policy, in_use: InUse
) -> None:
    decisions = select(inventory, policy, in_use, NOW)
    assert [decision.image for decision in decisions] == inventory
    for decision in decisions:
        assert (decision.action is Action.DELETE) == (decision.reason is Reason.EXPIRED)
        if decision.action is Action.DELETE:
            image = decision.image
            assert image.is_dedicated
            assert image.status
            assert image.status.upper() not in ("INIT", "CREATING", "NEW")
            assert in_use.of(image) is None
            assert decision.rule


@given(images(), policies(), users(), protections())
def test_a_protection_more_never_deletes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, extra: Protection
) -> None:
    stricter = msgspec.structs.replace(policy, protect=(*policy.protect, extra))
    before, after = (select(inventory, p, in_use, NOW) for p in (policy, stricter))
    assert deleted(after) <= deleted(before)
    assert {
        decision.image.id for decision in after if extra.match.evaluate(decision.image) is not False
    }.isdisjoint(deleted(after))


@given(images(), policies(), users(), st.integers(1, 3))
def test_keeping_more_of_the_newest_never_deletes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, more: int
) -> None:
    def raised(rule: Rule) -> Rule:
        if rule.keep_last is None:
            return rule
        return msgspec.structs.replace(rule, keep_last=KeepLast(count=rule.keep_last.count + more))

    stricter = msgspec.structs.replace(policy, rules=tuple(map(raised, policy.rules)))
    assert deleted(select(inventory, stricter, in_use, NOW)) <= deleted(
        select(inventory, policy, in_use, NOW)
    )


@given(images(), policies(), users(), st.integers(1, 300))
def test_a_higher_age_never_deletes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, days: int
) -> None:
    def raised(rule: Rule) -> Rule:
        if rule.older_than is None:
            return rule
        age = rule.older_than.age + timedelta(days=days)
        return msgspec.structs.replace(rule, older_than=OlderThan(clock=rule.older_than.clock, age=age))

    stricter = msgspec.structs.replace(policy, rules=tuple(map(raised, policy.rules)))
    assert deleted(select(inventory, stricter, in_use, NOW)) <= deleted(
        select(inventory, policy, in_use, NOW)
    )


@given(images(), policies(), users(), st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_changes_nothing(
    inventory: list[Image], policy: Policy, in_use: InUse, random: object
) -> None:
    shuffled = list(inventory)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = {decision.image.id: decision for decision in select(inventory, policy, in_use, NOW)}
    second = {decision.image.id: decision for decision in select(shuffled, policy, in_use, NOW)}
    assert first == second


@given(images(), policies(), users())
def test_content_that_somebody_still_uses_is_never_taken(
    inventory: list[Image], policy: Policy, in_use: InUse
) -> None:
    decisions = select(inventory, policy, in_use, NOW)
    staying = {decision.image.content for decision in decisions if decision.action is Action.KEEP} - {None}
    assert not content_taken(decisions) & staying
    assert None not in content_taken(decisions)
    for decision in decisions:
        if decision.force:
            assert decision.image.is_private
            assert decision.action is Action.DELETE
    carriers = [decision.image.content for decision in decisions if decision.force]
    assert len(carriers) == len(set(carriers))


@given(
    images(), policies(), users(), st.sampled_from(["namespace", "tag", "visibility", "status", "updated_at"])
)
@settings(max_examples=200)
def test_knowing_less_never_deletes_more_of_an_image(
    inventory: list[Image], policy: Policy, in_use: InUse, field: str
) -> None:
    for image in inventory:
        poorer = [msgspec.structs.replace(one, **{field: None}) if one is image else one for one in inventory]
        before = next(d for d in select(inventory, policy, in_use, NOW) if d.image.id == image.id)
        after = next(d for d in select(poorer, policy, in_use, NOW) if d.image.id == image.id)
        if after.action is Action.DELETE:
            assert before.action is Action.DELETE
