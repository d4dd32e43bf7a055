"""`plan`: list, decide, show, and write down what `apply` may delete."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cleanup.apply.resume import unfinished
from cleanup.cli import ends, event_loop, fleet, jobs, telling
from cleanup.cli.command_line import look_again
from cleanup.cli.output import log
from cleanup.cli.plan import PlanOptions
from cleanup.cli.showing import Destination
from cleanup.cli.telling import watch_of
from cleanup.config.job import Job
from cleanup.config.settings import Settings, Target, duration, positive
from cleanup.durations import parse_moment
from cleanup.errors import CleanupError, UsageError
from cleanup.files import read_regular
from cleanup.journal import read as read_journal
from cleanup.modelarts.users.kinds import Scope, UserKind
from cleanup.plan import file as plan_file
from cleanup.plan.build import build_plan, make_plan
from cleanup.plan.inventory_file import StoredInventory, read_inventory_file
from cleanup.plan.plan import Plan
from cleanup.plan.sealed import Over, require_replaceable
from cleanup.policy import load
from cleanup.policy.language import Policy
from cleanup.reports import view
from cleanup.reports.plan_verdict import plan_line
from cleanup.reports.view import Report
from cleanup.stop import Stop

SOMETHING_TO_DELETE = 10
_ELSEWHERE = "choose another place with -o"


def plan(asked: PlanOptions) -> None:
    """Plan every target. Raises CleanupError before any request for what cannot be."""
    planning = _Planning.of(asked)
    ended = event_loop.read(planning.all)
    if planning.from_file:
        log().info(
            f"apply the plans with: image-cleanup apply {asked.output or Path()} "
            "and the same --targets or --config"
        )
    ends.conclude(ended, planning.destination, strict=asked.strict)


@dataclass(frozen=True, kw_only=True)
class _Planning:
    """What the options of `plan` come to; `stored` is an inventory out of a file, which asks no service."""

    asked: PlanOptions
    settings: Settings
    lifetime: timedelta
    moment: datetime | None
    stored: StoredInventory | None
    targets: tuple[Target, ...]
    policies: Mapping[str, Policy]

    @classmethod
    def of(cls, asked: PlanOptions) -> "_Planning":
        settings = fleet.settings_of(asked.connecting, asked.working)
        pins = fleet.pins_of(asked.working) if asked.inventory else None
        stored = read_inventory_file(asked.inventory, pins) if asked.inventory else None
        targets = (stored.target,) if stored else fleet.targets_of(asked.connecting, asked.working)
        telling.about(targets, settings)
        lifetime, moment = duration(asked.expires, "--expires"), _moment(asked.as_of) if asked.as_of else None
        positive(lifetime.total_seconds(), "--expires")
        jobs.require_folder(targets, asked.output, "-o")
        return cls(
            asked=asked,
            settings=settings,
            lifetime=lifetime,
            moment=moment,
            stored=stored,
            targets=targets,
            policies={target.name: load(target.policies or asked.policy) for target in targets},
        )

    @property
    def from_file(self) -> bool:
        return any(target.from_file for target in self.targets)

    @property
    def destination(self) -> Destination:
        return Destination(self.asked.format)

    @property
    def over(self) -> Over:
        return Over.ANY if self.asked.overwrite else Over.INTACT

    async def all(self, stop: Stop) -> list[ends.Ended]:
        return await ends.over(self.targets, lambda target: self._one(target, stop))

    async def _one(self, target: Target, stop: Stop) -> ends.Ended:
        job = jobs.new_job(target, self.settings, stop, elsewhere=_ELSEWHERE)
        warnings = ends.Warnings(target, strict=self.asked.strict)
        path = self._free_place(job)
        made = await self._made(job)
        refused = self.asked.strict and any(what_to_know(made))
        if not refused:
            made = plan_file.write(made, path, job.plan_key, elsewhere=job.elsewhere, over=self.over)
        light = self.from_file and not refused  # many plans are not all held until the end
        shown, file = plan_file.shown_from(path, made) if light else made, None if refused else path
        report = show(shown, target, self.destination, file)
        warnings.tell(what_to_know(made))
        warnings.require_none()
        log().info(f"plan written to {path}{warnings}{self._hint(made, path)}")
        something = self.asked.detailed_exitcode and made.summary.delete
        line = f"{plan_line(made.summary)}{warnings}"
        return ends.Ended(target, SOMETHING_TO_DELETE if something else 0, line, report)

    def _free_place(self, job: Job) -> Path:
        """Where the plan will lie. Raises UsageError where that holds something else, or what is still needed."""
        path = jobs.plan_path(self.asked.output, job.target, job.run_id)
        require_replaceable(path, "plan", job.elsewhere, self.over)
        if not self.asked.overwrite:
            _require_done_with(path, job)
        return path

    async def _made(self, job: Job) -> Plan:
        policy = self.policies[job.target.name]
        with job.progress:
            if self.stored:
                inventory = self.stored.inventory
                return build_plan(inventory, policy, job, expires=self.lifetime, as_of=self.moment)
            return await make_plan(job, policy, expires=self.lifetime, as_of=self.moment)

    def _hint(self, made: Plan, path: Path) -> str:
        """The command that applies one plan, where it can be applied."""
        header = made.header
        if self.from_file or header.as_of or header.inventory.doubts or made.summary.over_limits:
            return ""
        return f"; apply it with: {apply_line(made, path, self.asked.working.pins)}"


def _require_done_with(path: Path, job: Job) -> None:
    """Raise UsageError where a journal, in the plan's folder or the current one, still needs the old plan.

    That is a run of which `resume` has something left to do; an expired plan it would not take.
    """
    if not path.exists():
        return
    try:
        old = plan_file.read_to_show(path)
    except CleanupError:  # of another version, say
        return
    if job.runtime.now() >= old.header.expires_at:
        return
    for folder in dict.fromkeys((path.absolute().parent, Path.cwd())):
        for journal in sorted(folder.glob("*.jsonl")):
            if _is_unfinished(journal, old):
                raise UsageError(
                    f"cannot write the plan {path}: {journal} is unfinished and needs the one that lies there; "
                    f"resume that first, {job.elsewhere}, or give the plan up with --overwrite"
                )


def _is_unfinished(journal: Path, old: Plan) -> bool:
    """Whether it is the journal of a run of that plan which left something to do; its first line is asked first."""
    try:
        if old.summary.sha256.encode() not in read_regular(journal, 4096):
            return False
        return bool(unfinished(old, read_journal(journal)))
    except (OSError, CleanupError):
        return False


def show(made: Plan, target: Target, destination: Destination, file: Path | None = None) -> Report | None:
    """Show a plan, or return its report where a summary over many targets comes first.

    `file` is where it lies, if it was written.
    """
    watch_of(target.name).planned(made)
    report = view(made, file=file, command="" if file else look_again())
    if target.from_file:
        return report
    destination.show([report])
    return None


def what_to_know(made: Plan) -> Iterator[str]:
    """What the policy's author should know, and what keeps a plan from being applied."""
    yield from made.header.warnings
    for doubt in made.header.inventory.doubts:
        yield f"the inventory is not complete, so this plan cannot be applied: {doubt}"
    for violation in made.summary.over_limits:
        yield f"over a limit, so this plan cannot be applied: {violation}"


def apply_line(made: Plan, path: Path, pins: Sequence[Path]) -> str:
    """What applies this plan; `apply` looks again at all, and needs to be told at what, too."""
    read = made.header.inventory
    workspaces = made.header.target.workspaces
    named = (("--workspace", workspaces if workspaces != ("0",) else ()), ("--pins", pins))
    options = "".join(f" {option} {shlex.quote(str(one))}" for option, values in named for one in values)
    options += "" if read.in_use == Scope.ALL else f" --in-use {read.in_use}"
    left_out = [kind for kind in UserKind if kind not in read.users]
    if read.in_use == Scope.OFF:
        left_out = [kind for kind in left_out if kind is not UserKind.NOTEBOOKS]
    if left_out:
        options += f" --users {','.join(kind for kind in UserKind if kind not in left_out)}"
    return f"image-cleanup apply {shlex.quote(str(path))}{options}"


def _moment(text: str) -> datetime:
    try:
        moment = parse_moment(text, assume_utc=True)
    except ValueError as error:
        raise UsageError(f"--as-of {error}") from error
    if not 2000 <= moment.year <= 2200:
        raise UsageError(f"--as-of '{text}' is out of reach: from 2000 to 2200")
    return moment
