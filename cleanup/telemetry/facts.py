"""What a command did to one target: noted while it happens, frozen at its end."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from cleanup.config.settings import TargetRef
from cleanup.decision.decisions import rules_of
from cleanup.journal import RunFinished
from cleanup.outcome import Outcome, tally
from cleanup.plan.plan import Plan

WELL = (0, 10)  # 10 says that there is something to delete (--detailed-exitcode)
NO_ANSWER = "none"  # the code of a request that was not answered
UNKNOWN = "unknown"
# Where a command ended before it knew its targets.
NOBODY = TargetRef(name=UNKNOWN, endpoint="", project_id=UNKNOWN, workspaces=())


class PlanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was planned. `rules` says for each rule of the policy on how many images it decides."""

    delete: int
    bytes: int
    max_deletes: int | None
    by_reason: dict[str, int]
    rules: dict[str, int]

    @classmethod
    def of(cls, plan: Plan) -> "PlanFacts":
        decided = Counter(rules_of(plan.decisions))
        return cls(
            delete=plan.summary.delete,
            bytes=plan.summary.bytes,
            max_deletes=plan.policy.limits.max_deletes,
            by_reason=dict(plan.summary.by_reason),
            rules={rule.name: decided[rule.name] for rule in plan.policy.rules},
        )


class TargetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended for one target. `plan` is None where it ended before there was one; durations in
    seconds; `codes` counts requests by the status of their answers, NO_ANSWER among them; `project_id` is UNKNOWN
    and `endpoint` empty where the command ended before it knew them."""

    target: str
    project_id: str
    endpoint: str
    command: str
    dry_run: bool
    exit_code: int
    line: str
    started_at: datetime
    ended_at: datetime
    plan: PlanFacts | None = None
    outcomes: dict[Outcome, int] = {}
    bytes_freed: int = 0
    warnings: int = 0
    codes: dict[str, int] = {}
    phases: dict[str, float] = {}

    @property
    def is_success(self) -> bool:
        """Whether it ended well for this target."""
        return self.exit_code in WELL

    @property
    def deleted(self) -> int:
        return self.outcomes.get(Outcome.DELETED, 0)


class Watch:
    """Notes what is done to one target."""

    def __init__(self) -> None:
        self._plan: PlanFacts | None = None
        self._outcomes: Counter[Outcome] = Counter()
        self._bytes_freed = 0
        self._warnings = 0
        self._codes: Counter[str] = Counter()
        self._phases: dict[str, float] = {}
        self._phase: tuple[str, float] | None = None
        self._ended: tuple[int, str] | None = None

    def planned(self, plan: Plan) -> None:
        """This is the plan that is shown or applied."""
        self._plan = PlanFacts.of(plan)

    def finished(self, run: RunFinished) -> None:
        """A run has ended; there may be an earlier one that was resumed first."""
        self._outcomes.update(run.counts)
        self._bytes_freed += run.bytes_freed

    def warned(self) -> None:
        """People were warned once more."""
        self._warnings += 1

    def answered(self, status: int | None) -> None:
        """One request has its answer, or will have none."""
        self._codes[NO_ANSWER if status is None else str(status)] += 1

    def begun(self, phase: str, moment: float) -> None:
        """A phase has begun at this monotonic second, and the one before it is over."""
        if self._phase:
            name, began = self._phase
            self._phases[name] = self._phases.get(name, 0.0) + moment - began
        self._phase = (phase, moment) if phase else None

    def ended(self, exit_code: int, line: str) -> None:
        """All is over for this target, with the exit code that it would have alone."""
        self._ended = exit_code, line

    def facts(self, place: TargetRef, command: Mapping[str, object], end: tuple[int, str]) -> TargetFacts:
        """All of it. `command` has what is the same for all targets, `end` is how the command ended: so did a
        target that did not say."""
        exit_code, line = self._ended or end
        return msgspec.convert(
            {
                "target": place.name,
                "project_id": place.project_id,
                "endpoint": place.endpoint,
                "exit_code": exit_code,
                "line": line,
                "plan": msgspec.to_builtins(self._plan),
                "outcomes": tally(self._outcomes.elements()),
                "bytes_freed": self._bytes_freed,
                "warnings": self._warnings,
                "codes": dict(self._codes),
                "phases": self._phases,
                **command,
            },
            TargetFacts,
        )
