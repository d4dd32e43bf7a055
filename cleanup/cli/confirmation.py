"""The question before anything is deleted: what goes, from where; the answer is the target's name."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from cleanup.cli.output import STDERR
from cleanup.config.settings import TargetRef
from cleanup.errors import Interrupted, UsageError
from cleanup.plan.plan import Plan
from cleanup.reports.formatting import count, plain, size
from cleanup.stop import Stop

ABORTED = "aborted: nothing was deleted"


@dataclass(frozen=True)
class Question:
    """One target and, in lines for people, what would be deleted of it."""

    target: TargetRef
    says: tuple[str, ...]

    @classmethod
    def about(cls, plan: Plan) -> "Question":
        """What a plan deletes: how many by which rule, and the content that cannot come back."""
        header, summary = plan.header, plan.summary
        rules = [f"  {number:>7,}  {rule}" for rule, number in summary.by_rule.items()]
        forced = sum(decision.force for decision in plan.deletes)
        says = [
            f"{summary.delete:,} of {count(header.inventory.images, 'image')} would be deleted:",
            *rules,
        ]
        if forced:
            says.append(
                f"{size(summary.bytes_freed)} of content ({count(forced, 'image')} with force) leave SWR for good"
            )
        rest = summary.delete - forced
        if rest:
            says.append(f"{count(rest, 'image')} without force: `restore` can register them again")
        return cls(header.target, tuple(says))


def is_watched() -> bool:
    """Whether a person sits there: what is asked can be read, and answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


async def confirm(questions: Sequence[Question], stop: Stop, hint: str = "") -> None:
    """Ask once for all targets. Raises UsageError unless the answer is as wanted, Interrupted when a stop comes.

    For one target that is its name or its project's id, for more how many they are. `hint` is what to do
    after a refusal, for people.
    """
    if not questions:
        return
    for question in questions:
        _say(f"{_place(question.target)}:")
        for line in question.says:
            _say(f"  {line}")
    wanted = _wanted(questions)
    _say(f"To delete, type {' or '.join(wanted)}; anything else deletes nothing (--yes does not ask).")
    STDERR.write("> ")
    STDERR.flush()
    answer = await stop.unless_requested(read_answer)
    if answer is None:
        raise Interrupted(f"{stop.why}: nothing was deleted")
    if not answer.endswith("\n"):
        STDERR.write("\n")
    if answer.strip() not in wanted:
        raise UsageError(ABORTED + (f"; {hint}" if hint else ""))


def _wanted(questions: Sequence[Question]) -> tuple[str, ...]:
    if len(questions) > 1:
        return (f"{len(questions)} targets",)
    target = questions[0].target
    return target.name, target.project_id


def _place(target: TargetRef) -> str:
    workspaces = f"workspace{'' if len(target.workspaces) == 1 else 's'} {', '.join(target.workspaces)}"
    return f"Target {target.name}, project {target.project_id}, {workspaces}, at {target.endpoint}"


def _say(line: str) -> None:
    STDERR.write(plain(line) + "\n")


async def read_answer() -> str:
    """A line of the terminal, empty at its end. Waiting for it lets signals through."""
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline()
