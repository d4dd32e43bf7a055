"""What must hold for every inventory and every policy."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations, product
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanup.decision.force import Sharers, sharing_content
from cleanup.decision.limits import RunLimits, violations
from cleanup.decision.select import select
from cleanup.decision.types import Action, Decision, Reason
from cleanup.image import Image
from cleanup.image_columns.fields import key_numbers
from cleanup.in_use import InUse, Use
from cleanup.plan.plan import in_plan_order
from cleanup.plan.summary import summarize
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
from cleanup.policy.match import Matcher, match_rules
from cleanup.policy.patterns import text_pattern
from cleanup.reference import ReferenceIndex, same_content
from cleanup.strict_yaml.location import Location
from tests.support.builders import NOW, columns_of, make_image

HERE = Location("generated.yaml", 1, 1)
Words = tuple[str | None, ...]
X, Y = f"@sha256:{'0a' * 32}", f"@sha256:{'0b' * 32}"

# The strategies are made once, of few draws each: of what is drawn from tables, what nobody needs to shrink alone is
# drawn together. No table has more than 256 rows, from where on Hypothesis draws later ones less often.


def together(*columns: Words) -> st.SearchStrategy[Words]:
    """One value of each column, in one draw."""
    table = list(product(*columns))
    assert len(table) <= 256
    return st.sampled_from(table)


NAMESPACES = ("ml-vision", "ml-nlp", "prod-serving", "sandbox")
NAMES = ("trainer", "server")
TAGS = ("latest", "dev-1", "dev-2", "pr-7", "1.4.0")
HOSTS = ("swr.example.com/", "https://SWR.a.eu:443/", "10.0.0.1:20202/", "")
REPOSITORIES = ("ml-vision/trainer", "ML-Vision//trainer", "sandbox/team/server", "sandbox/team$server")
ENDS = (":0", ":1", ":1", ":V1", ":v1", "", ":latest", f":1{X}", f":0{X}", X, Y)
SPELLED = [f"{host}{name}{{}}" for host, name in product(HOSTS, REPOSITORIES)]
ODD = ["trainer:1", "ml-vision/trainer:", "x y/trainer:1"]


def spelled(path: tuple[str | None, str]) -> str | None:
    return path[0] and path[0].format(path[1])


# References to few contents in many spellings, digests and unreadable ones among them.
PATHS = st.tuples(st.sampled_from([None, None, *SPELLED, "?", *ODD]), st.sampled_from(ENDS)).map(spelled)
NAMED_PATHS = st.tuples(st.sampled_from(SPELLED + ODD), st.sampled_from(ENDS)).map(spelled)


def of_fields(*fields: dict[str, Any]) -> list[Image]:
    return [make_image(f"id-{number}", **one) for number, one in enumerate(fields)]


def any_image(drawn: tuple[Any, ...]) -> dict[str, Any]:
    (namespace, name), tag, (visibility, kind), (status, instance), size, path, age = drawn
    return {
        "namespace": namespace,
        "name": name,
        "tag": tag,
        "visibility": visibility,
        "status": status,
        "type": kind,
        "size": None if size < 0 else size,
        "swr_path": path,
        "swr_instance_id": instance,
        "age": None if age < -20 else age,
    }


IMAGES = st.lists(
    st.tuples(
        together((*NAMESPACES, None), (*NAMES, *NAMES, None)),
        st.sampled_from((*TAGS, None)),
        together(
            (*["PRIVATE"] * 4, "private", "PUBLIC", "SHARED", None), (*["DEDICATED"] * 6, "BUILD_IN", None)
        ),
        together(
            (*["ACTIVE"] * 4, "active", "ERROR", "CREATING", "INIT", "NEW", None), (*[None] * 3, "8f1c")
        ),
        st.integers(-(1 << 40), 1 << 40),
        PATHS,
        st.integers(-40, 400),
    ).map(any_image),
    max_size=14,
).map(lambda found: of_fields(*found))


def sharer(drawn: tuple[Any, ...]) -> dict[str, Any]:
    (tag, visibility), path, age = drawn
    return {"tag": tag, "visibility": visibility, "swr_path": path, "age": age}


FEW_PATHS = st.sampled_from(
    [
        f"{host}ml-vision/trainer{end}"
        for host in ("swr.example.com/", "10.0.0.1:20202/", "")
        for end in (":1", ":1", ":2", ":2", ":3", f":1{X}", f":2{X}", X, Y)
    ]
)
# Ordinary records of very few contents, most of them old enough to go.
SHARERS = st.lists(
    st.tuples(
        together(("dev-1", "dev-1", "1.4.0"), ("PRIVATE", "PRIVATE", "PRIVATE", "PUBLIC")),
        st.integers(0, 9).flatmap(lambda odd: FEW_PATHS if odd else PATHS),
        st.sampled_from([1, 100, 100, 101, 102, 103, 104]),
    ).map(sharer),
    min_size=2,
    max_size=5,
).map(lambda found: of_fields(*found))
SOME_OR_NO_SHARERS = st.just(list[Image]()) | SHARERS


def leaf(pair: tuple[str, str] | None) -> Condition:
    """A condition of its own each time: what is remembered of it may not be told by where it lies in memory."""
    if pair is None:
        return EVERY_IMAGE
    pattern = text_pattern(pair[1], ignores_case=True, location=HERE)
    return FieldCondition(pair[0], pattern, f"{pair[0]}: {pair[1]}")


LEAVES = [
    (attribute, text)
    for attribute, some in {
        "namespace": ("ml-*", "prod-*", "sandbox"),
        "tag": ("latest", "dev-*", "*", "*-1", "*e*"),
        "name": ("trainer", "s*"),
        "visibility": ("PRIVATE", "public"),
        "status": ("ERROR", "active"),
    }.items()
    for text in some
]
CONDITIONS = st.recursive(
    st.sampled_from([*LEAVES, *[None] * len(LEAVES)]).map(leaf),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=4,
)


def rules(drawn: Sequence[tuple[Any, ...]]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            name=f"rule-{number}",
            description=None,
            match=match,
            older_than=OlderThan(clock=clock, age=timedelta(days=days)) if clock else None,
            keep_last=KeepLast(count=keep) if keep else None,
            delete_all=not clock and not keep,
            force=force,
            limits=None,
            location=HERE,
        )
        for number, (match, clock, days, (keep, force)) in enumerate(drawn)
    )


RULES = st.lists(
    st.tuples(
        CONDITIONS,
        st.sampled_from([*[None] * len(Clock), *Clock]),
        st.integers(1, 200),
        st.sampled_from(list(product([*[0] * 4, 1, 2, 3, 4], [False, True]))),
    ),
    min_size=1,
    max_size=3,
).map(rules)
PROTECTIONS = CONDITIONS.map(
    lambda match: Protection(match=match, text="generated", because=None, location=HERE)
)


def policy_of(rules: tuple[Rule, ...], protect: Sequence[Protection] = ()) -> Policy:
    return Policy(rules=rules, protect=tuple(protect), limits=Limits(), files=(), sha256="")


POLICIES = st.tuples(RULES, st.lists(PROTECTIONS, max_size=2)).map(lambda drawn: policy_of(*drawn))


def forcing(is_alone: bool) -> Policy:
    """Takes whatever is old, and asks for its content too, mostly."""

    def rule(name: str, match: Condition, force: bool) -> Rule:
        return Rule(
            name=name,
            description=None,
            match=match,
            older_than=OlderThan(clock=Clock.UPDATE_AT, age=timedelta(days=90)),
            keep_last=None,
            delete_all=False,
            force=force,
            limits=None,
            location=HERE,
        )

    visible = FieldCondition(
        "visibility", text_pattern("*", ignores_case=True, location=HERE), "visibility: *"
    )
    tagged = FieldCondition("tag", text_pattern("1.*", ignores_case=False, location=HERE), "tag: 1.*")
    rest = rule("rest", visible, True)
    return policy_of((rest,) if is_alone else (rule("gentle", tagged, False), rest))


FORCING = st.sampled_from([True, False]).map(forcing)
SINGLE_USERS = (
    st.sampled_from(["id-0", "ID-1", "id-2"]).map(lambda name: Use(user="notebook", image_id=name))
    | NAMED_PATHS.map(lambda path: Use(user="job", swr_path=path))
    | st.sampled_from(list(product(NAMESPACES, NAMES, TAGS))).map(
        lambda parts: Use(user="pin", name="{}/{}:{}".format(*parts))
    )
)
USERS = st.lists(SINGLE_USERS, max_size=2).map(InUse)
ANY_IMAGES, ANY_POLICY = IMAGES | SHARERS, POLICIES | FORCING


def deleted(decisions: Sequence[Decision]) -> set[str]:
    return {decision.image.id for decision in decisions if decision.action is Action.DELETE}


def forced(decisions: Sequence[Decision]) -> set[str]:
    return {decision.image.id for decision in decisions if decision.force}


@given(IMAGES, POLICIES, USERS)
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


@given(ANY_IMAGES, ANY_POLICY, USERS, PROTECTIONS)
def test_a_protection_more_never_deletes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, extra: Protection
) -> None:
    stricter = msgspec.structs.replace(policy, protect=(*policy.protect, extra))
    before, after = (select(inventory, p, in_use, NOW) for p in (policy, stricter))
    assert deleted(after) <= deleted(before)
    assert forced(after) <= forced(before)
    assert {
        decision.image.id for decision in after if extra.match.evaluate(decision.image) is not False
    }.isdisjoint(deleted(after))


@given(ANY_IMAGES, ANY_POLICY, USERS)
@settings(max_examples=300)
def test_what_is_remembered_is_what_would_be_found_anew(
    inventory: list[Image], policy: Policy, in_use: InUse
) -> None:
    matcher = Matcher(policy, lambda image, match: match, ())
    anew = [match_rules(image, policy) for image in inventory]
    assert matcher.each(inventory) == anew
    assert [matcher(image) for image in inventory] == anew
    for image in inventory:
        assert in_use.of(image) == next(iter(in_use.users_of(image)), None)
        (alone,) = select([image], policy, in_use, NOW)
        (as_one_of_many,) = (d for d in select(inventory, policy, in_use, NOW) if d.image is image)
        if not any(rule.keep_last for rule in policy.rules):
            assert (alone.action, alone.reason, alone.detail) == (
                as_one_of_many.action,
                as_one_of_many.reason,
                as_one_of_many.detail,
            )


@given(ANY_IMAGES, ANY_POLICY, USERS, SOME_OR_NO_SHARERS)
@settings(max_examples=300)
def test_images_in_columns_are_decided_on_like_any_others(
    inventory: list[Image], policy: Policy, in_use: InUse, elsewhere: list[Image]
) -> None:
    held = columns_of(inventory)
    told = [msgspec.structs.replace(one, record=number) for number, one in enumerate(inventory)]
    others = renamed(elsewhere)
    assert list(held) == told
    made = select(held, policy, in_use, NOW, others=columns_of(others))
    assert made == select(told, policy, in_use, NOW, others=others)
    assert in_plan_order(made) == in_plan_order(tuple(made))
    assert summarize(made) == summarize(tuple(made))
    limits = RunLimits(max_deletes=1, max_percent=20, min_remaining=2)
    deletes = made.in_order(made.going())
    assert violations(deletes, held, limits) == violations(tuple(deletes), told, limits)


@given(ANY_IMAGES, st.data())
@settings(max_examples=300)
def test_sharers_are_those_that_comparing_all_with_all_would_find(
    inventory: list[Image], data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from(range(len(inventory))), unique=True)) if inventory else []
    found = Sharers(inventory, asked, key_numbers(inventory))
    everything = ReferenceIndex((image.reference, image) for image in inventory)
    for number in asked:
        sharing = sharing_content(inventory[number], everything)
        assert sharing_content(inventory[number], found) == sharing
        assert not (sharing and found.has_none(number))


@given(ANY_IMAGES, POLICIES, USERS, st.integers(1, 3))
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


@given(ANY_IMAGES, POLICIES, USERS, st.integers(1, 300))
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


@given(ANY_IMAGES, ANY_POLICY, USERS, st.randoms(use_true_random=False))
def test_the_order_of_the_inventory_changes_nothing(
    inventory: list[Image], policy: Policy, in_use: InUse, random: object
) -> None:
    shuffled = list(inventory)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = {decision.image.id: decision for decision in select(inventory, policy, in_use, NOW)}
    second = {decision.image.id: decision for decision in select(shuffled, policy, in_use, NOW)}
    assert first == second


@given(ANY_IMAGES, ANY_POLICY, USERS, SOME_OR_NO_SHARERS, st.booleans())
@settings(max_examples=300)
def test_no_content_that_anybody_names_by_any_spelling_is_ever_taken(
    inventory: list[Image], policy: Policy, in_use: InUse, elsewhere: list[Image], all_seen: bool
) -> None:
    others = renamed(elsewhere)
    decisions = select(inventory, policy, in_use, NOW, others=others, unseen=() if all_seen else ("w",))
    staying = [decision.image for decision in decisions if decision.action is Action.KEEP] + others
    named = [reference for use in in_use.uses for reference in use.references if not use.image_id]
    for decision in decisions:
        if not decision.force:
            assert decision.force_withheld is None or decision.action is Action.DELETE
            continue
        assert decision.action is Action.DELETE
        assert decision.force_withheld is None
        assert decision.image.is_private
        assert decision.image.content
        assert all_seen
        reference = decision.image.reference
        assert not any(same_content(reference, image.reference) for image in staying)
        assert not any(same_content(reference, one) for one in named)


@given(SHARERS, ANY_POLICY)
@settings(max_examples=300)
def test_content_goes_once_and_only_if_all_that_share_it_go_and_ask_for_it(
    inventory: list[Image], policy: Policy
) -> None:
    decisions = select(inventory, policy, InUse(), NOW)
    asking = {rule.name for rule in policy.rules if rule.force}
    for one in decisions:
        sharing = [d for d in decisions if same_content(one.image.reference, d.image.reference)]
        if one.force:
            assert all(d.action is Action.DELETE and d.rule in asking for d in sharing)
        if one.action is Action.DELETE:
            assert (one.force or bool(one.force_withheld)) == (one.rule in asking)
    carriers = [decision.image.reference for decision in decisions if decision.force]
    assert not any(same_content(*pair) for pair in combinations(carriers, 2))


def renamed(images: list[Image]) -> list[Image]:
    return [msgspec.structs.replace(one, id=f"other-{one.id}") for one in images]


@given(ANY_IMAGES, ANY_POLICY, USERS, SINGLE_USERS)
@settings(max_examples=300)
def test_a_user_or_pin_more_never_deletes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, extra: Use
) -> None:
    before, after = (select(inventory, policy, uses, NOW) for uses in (in_use, in_use | InUse([extra])))
    assert deleted(after) <= deleted(before)
    assert forced(after) <= forced(before)


@given(ANY_IMAGES, ANY_POLICY, USERS, SOME_OR_NO_SHARERS, SHARERS)
@settings(max_examples=300)
def test_a_workspace_more_never_takes_more(
    inventory: list[Image], policy: Policy, in_use: InUse, some: list[Image], more: list[Image]
) -> None:
    some, more = renamed(some), renamed(renamed(more))
    before = select(inventory, policy, in_use, NOW, others=some)
    after = select(inventory, policy, in_use, NOW, others=some + more)
    unseen = select(inventory, policy, in_use, NOW, others=some, unseen=["w"])
    assert deleted(after) == deleted(before) == deleted(unseen)
    assert forced(after) <= forced(before)
    assert not forced(unseen)


@given(IMAGES, POLICIES, USERS, st.sampled_from(["namespace", "tag", "visibility", "status", "updated_at"]))
@settings(max_examples=200)
def test_knowing_less_never_deletes_more_of_an_image(
    inventory: list[Image], policy: Policy, in_use: InUse, field: str
) -> None:
    before = deleted(select(inventory, policy, in_use, NOW))
    for image in inventory:
        poorer = [msgspec.structs.replace(one, **{field: None}) if one is image else one for one in inventory]
        assert image.id in before or image.id not in deleted(select(poorer, policy, in_use, NOW))
