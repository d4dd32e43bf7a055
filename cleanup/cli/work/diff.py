"""`diff`: the images whose decision changes between two policies on today's inventory."""

from cleanup.cli import event_loop
from cleanup.cli.command_line import look_again
from cleanup.cli.diff import DiffOptions
from cleanup.cli.output import log, tracer
from cleanup.cli.work.explain import doubts_of, look
from cleanup.decision.select import select
from cleanup.errors import UsageError
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.policy.lint import lint, lint_against
from cleanup.reports.comparison_view import between_policies


def diff(asked: DiffOptions) -> None:
    """Decide by both policies about the same images, and show what differs."""
    if len(asked.policy) != 2:
        raise UsageError(
            f"diff compares two policies, -p OLD -p NEW; {len(asked.policy)} given (a folder is one policy)"
        )
    destination = asked.showing.destination()
    old, new = (load([path]) for path in asked.policy)
    seen = look(asked.connecting, asked.working, asked.inventory)
    for policy in (old, new):
        for warning in (*lint(policy), *lint_against(policy, seen.images)):
            log().warning(str(warning))
    _trace_rules(old, new)
    now = event_loop.runtime().now()
    before, after = (
        select(seen.images, one, seen.in_use, now, others=seen.others, unseen=seen.unseen)
        for one in (old, new)
    )
    destination.show([between_policies(old, new, before, after, look_again(), doubts_of(seen))])


def _trace_rules(old: Policy, new: Policy) -> None:
    """Tell, with --verbose, in which file each rule stands."""
    if (trace := tracer()) is None:
        return
    for word, policy in (("old", old), ("new", new)):
        for rule in policy.rules:
            trace(f"the {word} rule {rule.name} stands in {rule.location.file}:{rule.location.line}")
