"""A journal as a report: how each planned image ended, the bad news first."""

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from cleanup.durations import format_elapsed, format_moment
from cleanup.journal import DeleteIntent, DeleteResult, JournalFile, JournalRun, RunFinished, image_of
from cleanup.journal.cut_off import seen, taken
from cleanup.outcome import BAD, GONE, TO_RESUME, Outcome
from cleanup.plan.summary import content_bytes
from cleanup.reports.formatting import count, label, plain, plain_words, size
from cleanup.reports.journal_evidence import JournalEvidence, SizeRows
from cleanup.reports.view import Body, Column, ColumnRows, Columns, Fact, Report, Section, Tally, more_in, top

_WORST_FIRST: tuple[Outcome | None, ...] = (
    None,
    Outcome.UNKNOWN,
    Outcome.FAILED,
    Outcome.DENIED,
    Outcome.NOT_ATTEMPTED,
    Outcome.IN_USE,
    Outcome.DRIFTED,
    Outcome.ALREADY_GONE,
    Outcome.DELETED,
)
_NO_RESULT = "no result"
_WORDS = 5
_TOGETHER = 500  # rows that are made together


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the journal. Where it was cut off, all it would have said at its end is None."""

    run_id: str
    resumes: str | None
    started_at: datetime | None
    finished_at: datetime | None = None
    duration_s: float | None = None
    requests: int | None = None
    throttled: int | None = None
    bytes_freed: int | None = None
    exit_code: int | None = None
    stopped: str | None = None


class JournalHead(msgspec.Struct, frozen=True, kw_only=True):
    """The top of the JSON document; sums are over `runs`, the last apply and what resumed it.

    `no_result` counts planned images without any result, `to_resume` those that `resume` would
    take up. Where a run was cut off, `bytes_freed`, `requests` and `duration_s` are what its lines show: lower bounds.
    """

    report: Literal["journal"] = "journal"
    schema: Literal[1] = 1
    plan_id: str
    plan: str
    policy_sha256: str
    target: str
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...]
    runs: tuple[RunFacts, ...]
    finished: bool
    exit_code: int | None
    warnings: tuple[str, ...]
    planned: int
    by_outcome: dict[str, int]
    no_result: int
    to_resume: int
    bytes_freed: int
    requests: int
    throttled: int
    duration_s: float
    deleted_by_rule: dict[str, int]


class ResultRow(msgspec.Struct, frozen=True, gc=False):
    """How one planned image ended, as JSON and CSV give it: the result that counts.

    `outcome` is None where a DELETE was about to be sent and no result was written any more.
    """

    outcome: Outcome | None
    http_status: int | None
    error_code: str | None
    error_msg: str | None
    namespace: str | None
    name: str | None
    tag: str | None
    rule: str | None
    force: bool
    attempts: int
    duration_ms: int
    request_id: str | None
    image_status: str | None
    swr_path: str | None
    image_id: str
    run_id: str
    timestamp: datetime | None


Ended = DeleteResult | DeleteIntent  # an intent is one that no result followed


@dataclass(frozen=True, slots=True)
class ResultRows(ColumnRows):
    """The rows of how images ended, made when they are come to: of very many a table shows few."""

    ended: Sequence[Ended]

    def __len__(self) -> int:
        return len(self.ended)

    def __iter__(self) -> Iterator[ResultRow]:
        for columns in self.columns():
            yield from map(ResultRow, *columns.values())

    def columns(self) -> Iterator[Columns]:
        for start in range(0, len(self.ended), _TOGETHER):
            some = [_as_row(one) for one in self.ended[start : start + _TOGETHER]]
            yield {name: [getattr(one, name) for one in some] for name in ResultRow.__struct_fields__}


def view(journal: JournalFile, obstacle: str | None = None) -> Report:
    """The report of a journal: of its last apply and the runs that resumed it.

    `obstacle` is why its plan cannot be gone on with, where that is so.
    """
    latest = journal.latest
    ended = _by_outcome(journal, latest)
    outcomes = {outcome: len(those) for outcome, those in ended.items()}
    rows = ResultRows([one for those in ended.values() for one in those])
    head = _head(journal, latest, outcomes, obstacle)
    return Report(
        title=f"Journal {plain(str(journal.path))}",
        verdict=verdict(head),
        head=head,
        warnings=tuple(map(plain, head.warnings)),
        facts=tuple(_facts(head)),
        make_body=lambda: _body(journal, head, rows, latest),
        rows=rows,
        row_type=ResultRow,
        evidence=SizeRows(journal, rows),
        evidence_type=JournalEvidence,
    )


def _body(
    journal: JournalFile, head: JournalHead, rows: ResultRows, latest: Mapping[str, DeleteResult]
) -> Body:
    known = {word: number for word, number in head.by_outcome.items() if number}
    missing = {_NO_RESULT: head.no_result} if head.no_result else {}
    bad = len(rows) - sum(number for word, number in known.items() if word not in BAD)
    namespaces = Counter(
        plain(one.namespace or "?") for one in latest.values() if one.outcome is Outcome.DELETED
    )
    rules = plain_words(head.deleted_by_rule)
    return Body(
        tallies=(
            Tally(title="Deleted, by rule", counts=top(rules, _WORDS), more=max(len(rules) - _WORDS, 0)),
            Tally(
                title="Deleted, by namespace",
                counts=top(namespaces, _WORDS),
                more=max(len(namespaces) - _WORDS, 0),
            ),
            Tally(title="All, by outcome", counts=known | missing),
        ),
        sections=(
            Section(
                title="Images, failures first" if bad else "Images",
                columns=_COLUMNS,
                rows=rows,
                highlighted=bad,
                urgent="failed or without a result",
            ),
        ),
        listed=len(rows),
        more=more_in(f"image-cleanup report {shlex.quote(str(journal.path))}"),
    )


def _by_outcome(
    journal: JournalFile, latest: Mapping[str, DeleteResult]
) -> dict[Outcome | None, list[Ended]]:
    """How all planned images ended, the worst first."""
    ended: dict[Outcome | None, list[Ended]] = {outcome: [] for outcome in _WORST_FIRST}
    for result in latest.values():
        ended[result.outcome].append(result)
    intents = {id_: intent for run in journal.chain for id_, intent in run.intents.items()}
    ended[None].extend(intents[image_id] for image_id in sorted(intents.keys() - latest.keys()))
    return ended


def _as_row(one: Ended) -> DeleteResult | ResultRow:
    """What has the fields of a row."""
    return _in_doubt(one) if isinstance(one, DeleteIntent) else one


def _in_doubt(intent: DeleteIntent) -> ResultRow:
    record = msgspec.json.decode(intent.image, type=dict[str, object])
    return ResultRow(
        outcome=None,
        http_status=None,
        error_code=None,
        error_msg="the DELETE may have left: nothing was written after it",
        namespace=_text(record.get("namespace")),
        name=_text(record.get("name")),
        tag=_text(record.get("tag")),
        rule=intent.rule,
        force=intent.force,
        attempts=0,
        duration_ms=0,
        request_id=None,
        image_status=None,
        swr_path=_text(record.get("swr_path")),
        image_id=intent.image_id,
        run_id=intent.run_id,
        timestamp=intent.timestamp,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _run(run: JournalRun) -> RunFacts:
    started, end = run.started, run.finished
    facts = RunFacts(run_id=started.run_id, resumes=started.resumes, started_at=started.timestamp)
    if end is None:
        return facts
    return msgspec.structs.replace(
        facts,
        finished_at=end.timestamp,
        exit_code=end.exit_code,
        stopped=end.stopped,
        bytes_freed=end.bytes_freed,
        requests=end.requests,
        throttled=end.throttled,
        duration_s=end.duration_s,
    )


def _head(
    journal: JournalFile,
    latest: Mapping[str, DeleteResult],
    outcomes: Mapping[Outcome | None, int],
    obstacle: str | None,
) -> JournalHead:
    first, runs = journal.chain[0].started, tuple(_run(run) for run in journal.chain)
    no_result = max(first.planned - len(latest), 0)
    to_resume = no_result + sum(outcomes[outcome] for outcome in TO_RESUME)
    finished = runs[-1].finished_at is not None
    cut_off = [run for run in journal.chain if run.finished is None]
    lines = [seen(run) for run in cut_off]
    return JournalHead(
        plan_id=first.plan_id,
        plan=first.plan,
        policy_sha256=first.policy_sha256,
        target=first.target,
        endpoint=first.endpoint,
        project_id=first.project_id,
        workspaces=first.workspaces,
        runs=runs,
        finished=finished,
        exit_code=runs[-1].exit_code,
        warnings=tuple(_warnings(journal, finished, to_resume, obstacle)),
        planned=first.planned,
        by_outcome={outcome.value: outcomes[outcome] for outcome in Outcome},
        no_result=no_result,
        to_resume=to_resume,
        bytes_freed=sum(run.bytes_freed or 0 for run in runs)
        + content_bytes(taken(journal, cut_off))
        + _freed_before(journal, latest),
        requests=sum(run.requests or 0 for run in runs) + sum(one.requests for one in lines),
        throttled=sum(run.throttled or 0 for run in runs),
        duration_s=round(sum(run.duration_s or 0 for run in runs) + sum(one.duration_s for one in lines), 3),
        deleted_by_rule=_deleted_by_rule(latest.values()),
    )


def _freed_before(journal: JournalFile, latest: Mapping[str, DeleteResult]) -> int:
    """Bytes of the content that runs of other plans took, of images that this one planned as well."""
    own = {run.started.run_id for run in journal.chain}
    if len(own) == len(journal.runs):
        return 0
    taken = {
        (one.run_id, key)
        for key, one in latest.items()
        if one.outcome is Outcome.DELETED and one.force and one.run_id not in own
    }
    intents = (
        run.intents.get(key) for run in journal.runs for id_, key in taken if id_ == run.started.run_id
    )
    return content_bytes(image_of(intent) for intent in intents if intent)


def _deleted_by_rule(results: Iterable[DeleteResult]) -> dict[str, int]:
    return dict(sorted(Counter(one.rule or "" for one in results if one.outcome is Outcome.DELETED).items()))


def _warnings(journal: JournalFile, finished: bool, to_resume: int, obstacle: str | None) -> Iterator[str]:
    resume = f"image-cleanup resume {shlex.quote(str(journal.path))}"
    on = f"finish with: {resume}"
    if obstacle:
        settle = f"settle what is in doubt with: {resume}, then " if journal.in_doubt else ""
        on = f"{obstacle}, so the rest cannot be resumed: {settle}plan again and apply the new plan"
    if not finished:
        yield f"still running or cut off: {on}"
    elif to_resume:
        yield f"{count(to_resume, 'image')} not attempted or in doubt: {on}"
    if earlier := len(journal.in_doubt.keys() - {key for run in journal.chain for key in run.intents}):
        yield f"{count(earlier, 'delete')} of earlier plans in doubt: settle them with: {resume}"
    if journal.torn:
        yield "the last line of the journal was cut off"


def verdict(head: JournalHead) -> str:
    """`308 of 312 planned images deleted, 41.2 GiB left SWR; 4 failed; took 35 s`."""
    deleted = head.by_outcome[Outcome.DELETED]
    parts = [f"{deleted:,} of {count(head.planned, 'planned image')} deleted, {_freed(head)} left SWR"]
    others = [(head.no_result, "without a result")] if head.no_result else []
    others += [(head.by_outcome[outcome], outcome.replace("-", " ")) for outcome in _WORST_FIRST if outcome]
    if told := [f"{number:,} {word}" for number, word in others if number and word != Outcome.DELETED]:
        parts.append(", ".join(told))
    parts.append(f"took {_at_least(head)}{format_elapsed(head.duration_s)}")
    if not head.finished:
        parts.append("still running or cut off")
    if head.warnings:
        parts.append(count(len(head.warnings), "warning"))
    return "; ".join(parts)


def _facts(head: JournalHead) -> Iterator[Fact]:
    last = head.runs[-1]
    yield Fact(
        "target", plain(f"{head.target}, project {head.project_id} (workspace {', '.join(head.workspaces)})")
    )
    yield Fact("endpoint", plain(head.endpoint))
    yield Fact("plan", plain(f"{head.plan_id} ({head.plan}), policy sha256 {head.policy_sha256[:12]}"))
    yield Fact("runs", plain("; ".join(map(_told, head.runs))))
    ended = f"finished {format_moment(last.finished_at)}" if head.finished else "still running or cut off"
    yield Fact("started", f"{format_moment(head.runs[0].started_at)}, {ended}")
    yield Fact("requests", f"{_at_least(head)}{head.requests:,}, throttled {count(head.throttled, 'time')}")
    if last.exit_code is not None:
        stopped = f" (stopped: {last.stopped})" if last.stopped else ""
        yield Fact("exit code", plain(f"{last.exit_code}{stopped}"))


def _told(run: RunFacts) -> str:
    resumes = f", resumes {run.resumes}" if run.resumes else ""
    end = "not finished" if run.finished_at is None else f"exit code {run.exit_code}"
    return f"{run.run_id} ({end}{resumes})"


def _at_least(head: JournalHead) -> str:
    """What stands before a figure to which a run that was cut off may not have added all of its own."""
    return "" if all(run.bytes_freed is not None for run in head.runs) else "at least "


def _freed(head: JournalHead) -> str:
    return f"{_at_least(head)}{size(head.bytes_freed)}"


def _why(row: ResultRow) -> str:
    """The service's error in one line, and the id that the vendor's support asks for."""
    ended_well = row.outcome in GONE
    request = f"(request {row.request_id})" if row.request_id and not ended_well else ""
    return plain(" ".join(part for part in (row.error_code, row.error_msg, request) if part))


_COLUMNS = (
    Column(title="outcome", of=lambda row: row.outcome or _NO_RESULT),
    Column(title="image", of=lambda row: plain(label(row.namespace, row.name, row.tag))),
    Column(title="http", of=lambda row: str(row.http_status or ""), right=True),
    Column(title="tries", of=lambda row: str(row.attempts), right=True),
    Column(title="error", of=_why, prose=True),
)


def summary_line(finished: RunFinished) -> str:
    """`312 planned: 308 deleted, 4 failed; 41.2 GiB freed in SWR; 35 s; 330 requests, throttled 2 times`."""
    ended = ", ".join(
        f"{finished.counts[outcome]:,} {outcome}" for outcome in Outcome if finished.counts.get(outcome)
    )
    return "; ".join(
        (
            f"{finished.planned:,} planned: {ended or 'nothing to do'}",
            f"{size(finished.bytes_freed)} freed in SWR",
            format_elapsed(finished.duration_s),
            f"{count(finished.requests, 'request')}, throttled {count(finished.throttled, 'time')}",
        )
    )
