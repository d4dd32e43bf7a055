"""What the policy alone says about an image: protections and the rule that decides. Pure."""

import msgspec

from cleanup.image import Image
from cleanup.policy.language import Policy, Protection, Rule


class RuleMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy alone says about one image, before clocks and groups are asked.

    `protection` is the first entry that holds; `unclear_protection` the first that cannot be
    evaluated. `rule` is the first whose match holds, or (with `unclear`) cannot be evaluated.
    """

    protection: Protection | None = None
    unclear_protection: Protection | None = None
    rule: Rule | None = None
    unclear: bool = False


def match_rules(image: Image, policy: Policy) -> RuleMatch:
    """Ask `protect` and the rules' `match` in three-valued logic; the first rule that is not False ends it."""
    protection, unclear = _protection(image, policy)
    for rule in policy.rules:
        truth = rule.match.evaluate(image)
        if truth is not False:
            return RuleMatch(
                protection=protection, unclear_protection=unclear, rule=rule, unclear=truth is None
            )
    return RuleMatch(protection=protection, unclear_protection=unclear)


def _protection(image: Image, policy: Policy) -> tuple[Protection | None, Protection | None]:
    """The first entry that holds; where none does, the first that cannot be evaluated."""
    unclear = None
    for entry in policy.protect:
        truth = entry.match.evaluate(image)
        if truth:
            return entry, None
        if truth is None:
            unclear = unclear or entry
    return None, unclear
