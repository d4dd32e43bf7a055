"""`plan`: list, decide, show, and write down what `apply` may delete."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

from cleanup.apply.resume import unfinished
from cleanup.cli import event_loop, jobs
from cleanup.cli.options import Connecting, InventoryPath, Measuring, Overwrite, PolicyPaths, Strict, Working
from cleanup.cli.output import log
from cleanup.cli.parsing import FileOrFolder, Option
from cleanup.cli.showing import Destination
from cleanup.cli.telling import telling, watch_of
from cleanup.config.job import Job
from cleanup.config.settings import Target, duration
from cleanup.durations import parse_moment
from cleanup.errors import CleanupError, UsageError
from cleanup.files import read_regular
from cleanup.journal import read as read_journal
from cleanup.modelarts.users import Scope, UserKind
from cleanup.plan import file as plan_file
from cleanup.plan.build import build_plan, make_plan
from cleanup.plan.file import Plan
from cleanup.plan.inventory_file import read_inventory_file
from cleanup.plan.sealed import Over, require_replaceable
from cleanup.policy import load
from cleanup.reports import Format, plan_line, view
from cleanup.reports.view import Report
from cleanup.stop import Stop

SOMETHING_TO_DELETE = 10
_ELSEWHERE = "choose another place with -o"


def plan(
    policy: PolicyPaths,
    connecting: Connecting,
    working: Working,
    measuring: Measuring,
    inventory: InventoryPath = None,
    output: Annotated[
        Path | None,
        Option(
            "--output",
            "-o",
            type=FileOrFolder(),
            help="The plan file, image-cleanup-PLAN_ID.plan.jsonl when left out; a folder with a slash at its "
            "end, and with --targets.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Overwrite = False,
    format: Annotated[Format, Option(help="How to show the plan.")] = Format.TABLE,
    expires: Annotated[str, Option(help="How long the plan may be applied.", metavar="DURATION")] = "24h",
    as_of: Annotated[
        str | None,
        Option(help="Decide as if it were then (RFC 3339); such a plan cannot be applied.", metavar="TIME"),
    ] = None,
    detailed_exitcode: Annotated[
        bool, Option("--detailed-exitcode", help="Exit with 10 when there is something to delete.")
    ] = False,
    strict: Strict = False,
) -> None:
    """List, decide and show, read-only; write the plan file that `apply` takes.

    With --strict a warning ends it with exit 2: the plan is shown, and not written.
    """
    settings = working.settings(connecting)
    lifetime, moment = duration(expires, "--expires"), _moment(as_of) if as_of else None
    stored = read_inventory_file(inventory, connecting.pins(working)) if inventory else None
    targets = (stored.target,) if stored else connecting.fleet(working)
    destination = Destination(format)
    from_file = any(target.from_file for target in targets)
    jobs.require_folder(targets, output, "-o")
    policies = {target.name: load(target.policies or policy) for target in targets}
    over = Over.ANY if overwrite else Over.INTACT

    async def work(stop: Stop) -> list[jobs.Ended]:
        async def one(target: Target) -> jobs.Ended:
            job = jobs.new_job(target, settings, stop, elsewhere=_ELSEWHERE)
            warnings = jobs.Warnings(target, strict=strict)
            path = jobs.plan_path(output, target, job.run_id)
            require_replaceable(path, "plan", job.elsewhere, over)
            if not overwrite:
                _require_done_with(path, job)
            with job.progress:
                mine = policies[target.name]
                if stored:
                    made = build_plan(stored.inventory, mine, job, expires=lifetime, as_of=moment)
                else:
                    made = await make_plan(job, mine, expires=lifetime, as_of=moment)
            refused = strict and any(what_to_know(made))
            if not refused:
                made = plan_file.write(made, path, job.plan_key, elsewhere=job.elsewhere, over=over)
            light = from_file and not refused  # many plans are not all held until the end
            report = show(plan_file.shown_from(path, made) if light else made, target, destination, path)
            warnings.tell(what_to_know(made))
            warnings.require_none()
            applicable = not (made.header.as_of or made.header.inventory.doubts or made.summary.over_limits)
            hint = f"; apply it with: {apply_line(made, path, working.pins)}"
            log().info(f"plan written to {path}{warnings}" + (hint if applicable and not from_file else ""))
            something = detailed_exitcode and made.summary.delete
            code = SOMETHING_TO_DELETE if something else 0
            return jobs.Ended(target, code, f"{plan_line(made.summary)}{warnings}", report)

        return await jobs.over(targets, one)

    with telling(measuring, None, targets, settings, dry_run=True):
        ends = event_loop.read(work)
        if from_file:
            log().info(
                f"apply the plans with: image-cleanup apply {output or Path()} and the same --targets or --config"
            )
        jobs.conclude(ends, destination, strict=strict)


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
    """Show a plan, or return its report where a summary over many targets comes first; `file` is where it lies."""
    watch_of(target.name).planned(made)
    report = view(made, file=file)
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
