"""Registering images again: one POST each, written down before and after; a lost answer is looked up."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import msgspec

import cleanup
from cleanup.errors import InventoryError, JournalWriteError, RecordRejected, UsageError
from cleanup.image import Image
from cleanup.journal import Journal
from cleanup.journal.reader import whole_part
from cleanup.modelarts import wire
from cleanup.modelarts.client import Client, describe
from cleanup.modelarts.http.transport import Result
from cleanup.plan.file import TargetRef
from cleanup.restore.candidates import (
    Candidate,
    Restoration,
    State,
    existing_registration,
    exit_code,
    registration,
    tally,
)
from cleanup.stop import Cause, Stop, end_draining

_AGAIN = "run the same command again"


class _Event(msgspec.Struct):
    event: str


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore journal of `size` bytes says was restored: old ids to new ones."""

    links: dict[str, str]
    size: int


def read_earlier(path: Path) -> Earlier:
    """Read a restore journal; there need not be one, and a torn last line is tolerated.

    Raises RecordRejected when it is damaged inside: what it says no more could be registered twice.
    Raises UsageError when it cannot be read.
    """
    if not path.is_file():
        return Earlier(links={}, size=0)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the restore journal {path}: {error.strerror}") from error
    whole, _ = whole_part(content)
    links: dict[str, str] = {}
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            if msgspec.json.decode(line, type=_Event).event == "restore.result":
                result = msgspec.json.decode(line, type=Restoration)
                links |= {result.image_id: result.new_image_id} if result.new_image_id else {}
        except msgspec.MsgspecError as error:
            raise RecordRejected(f"{path}:{number}: not a line of a restore journal ({error})") from error
    return Earlier(links=links, size=len(content))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One restoring of one journal's images: what it works with. `clock` is in monotonic seconds."""

    source: Path
    target: TargetRef
    journal: Journal
    client: Client
    stop: Stop
    concurrency: int
    clock: Callable[[], float]


async def restore(
    run: Run, due: Sequence[Candidate], live: Sequence[Image], known: Collection[str]
) -> tuple[tuple[Restoration, ...], int]:
    """Register what is due and not registered yet; one result each, whatever happens, and the exit code.

    `live` are the target's images now, `known` the new ids of what was restored before.
    """
    began = run.clock()
    pool = _Pool(run, due, live, known)
    try:
        run.journal.event("info", "restore.started", **_started(run, len(due)))
        await pool.work_off()
    except JournalWriteError as error:
        run.stop.request(Cause.JOURNAL, str(error))
    results = pool.settle_the_rest()
    code = exit_code(results, run.stop.cause)
    if run.stop.cause is not Cause.JOURNAL:
        _finish(run, results, code, run.clock() - began)
    return results, code


class _Pool:
    """The state the workers of one run share."""

    def __init__(
        self, run: Run, due: Sequence[Candidate], live: Sequence[Image], known: Collection[str]
    ) -> None:
        self._run = run
        self._due = due
        self._live = live
        self._claimed_ids = set(known)
        self._results: dict[str, Restoration] = {}

    async def work_off(self) -> None:
        """Let the workers register everything, until it is done or the drain after a stop is over."""
        groups = iter(_by_content(self._due))
        async with anyio.create_task_group() as guard:
            guard.start_soon(end_draining, self._run.stop, guard.cancel_scope)
            async with anyio.create_task_group() as workers:
                for _ in range(min(self._run.concurrency, len(self._due))):
                    workers.start_soon(self._work, groups)
            guard.cancel_scope.cancel()

    async def _work(self, groups: Iterator[list[Candidate]]) -> None:
        for group in groups:
            for one in group:
                if self._run.stop:
                    return
                await self._see_through(one)

    def settle_the_rest(self) -> tuple[Restoration, ...]:
        """All results, in the order of what was due; those that nobody came to are not attempted."""
        for one in self._due:
            if one.image.id not in self._results:
                self._settle(_ended(one, State.NOT_ATTEMPTED, self._run.stop.why))
        return tuple(self._results[one.image.id] for one in self._due)

    async def _see_through(self, one: Candidate) -> None:
        """One image up to its result; whatever happens, it gets exactly one."""
        result: Restoration | None = None
        intended = False
        try:
            if found := existing_registration(one, self._live, self._claimed_ids):
                result = _ended(one, State.ALREADY_RESTORED, new_image_id=found.id)
            else:
                attributes = registration(one.image.raw)
                self._run.journal.event(
                    "info", "restore.intent", image_id=one.image.id, registration=attributes
                )
                await self._run.journal.durable()
                intended = True
                result = await self._read(one, await self._run.client.register_image(attributes))
        except JournalWriteError as error:
            self._run.stop.request(Cause.JOURNAL, str(error))
        finally:
            if intended and result is None:
                why = f"stopped while its POST was under way ({self._run.stop.why}); {_AGAIN} to settle it"
                result = _ended(one, State.UNKNOWN, why)
            if result:
                self._settle(result)

    async def _read(self, one: Candidate, answer: Result) -> Restoration:
        """What the answer to a POST says; what it leaves open is looked up, for a repeat could register twice."""
        if answer.ok and (new_id := _new_id(answer, one)):
            return _ended(one, State.RESTORED, answer=answer, new_image_id=new_id)
        if answer.ok or answer.doubtful:
            return await self._look_up(one, answer)
        if answer.stopped:
            return _ended(one, State.NOT_ATTEMPTED, self._run.stop.why)
        if answer.status == 401:
            self._run.stop.request(Cause.DENIED, f"the credentials are not accepted ({describe(answer)})")
        return _ended(one, State.FAILED, answer=answer)

    async def _look_up(self, one: Candidate, answer: Result) -> Restoration:
        """Whether an image came into being although no usable answer did."""
        doubt = "answered without the new image" if answer.ok else describe(answer)
        try:
            found = existing_registration(
                one, await self._run.client.same_repository(one.image), self._claimed_ids
            )
        except InventoryError as error:
            return _ended(one, State.UNKNOWN, f"{doubt}; {error}; {_AGAIN} to settle it", answer=answer)
        if found:
            return _ended(one, State.RESTORED, answer=answer, new_image_id=found.id)
        state = State.UNKNOWN if answer.ok else State.FAILED
        return _ended(one, state, f"{doubt}; no new image is listed; {_AGAIN} to try again", answer=answer)

    def _settle(self, result: Restoration) -> None:
        self._results[result.image_id] = result
        if result.new_image_id:
            self._claimed_ids.add(result.new_image_id)
        level = "error" if result.outcome in (State.FAILED, State.UNKNOWN) else "info"
        try:
            self._run.journal.event(level, "restore.result", **msgspec.structs.asdict(result))
        except JournalWriteError as error:
            self._run.stop.request(Cause.JOURNAL, str(error))


def _by_content(due: Iterable[Candidate]) -> list[list[Candidate]]:
    """Records of one content go one after the other, so that a look-up cannot take one for another."""
    groups: dict[str | None, list[Candidate]] = {}
    for one in due:
        groups.setdefault(one.image.content, []).append(one)
    return list(groups.values())


def _new_id(answer: Result, one: Candidate) -> str | None:
    try:
        new_id = wire.decode_image(answer.body).id
    except wire.Unreadable:
        return None
    return new_id if new_id != one.image.id else None


def _ended(
    one: Candidate,
    outcome: State,
    why: str | None = None,
    *,
    answer: Result | None = None,
    new_image_id: str | None = None,
) -> Restoration:
    """A result with its evidence; `why` is our own word where the service's is not enough."""
    if answer is None:
        return Restoration.of(one.image, outcome, error_msg=why or None, new_image_id=new_image_id)
    told = wire.ServiceError(None, None) if answer.ok else wire.decode_error(answer.body)
    return Restoration.of(
        one.image,
        outcome,
        new_image_id=new_image_id,
        http_status=answer.status,
        error_code=told.code,
        error_msg=why or told.message or (None if answer.ok else describe(answer)),
        request_id=answer.request_id,
    )


def _started(run: Run, planned: int) -> dict[str, object]:
    return {
        "journal": run.source.name,
        "planned": planned,
        "endpoint": run.target.endpoint,
        "project_id": run.target.project_id,
        "workspaces": run.target.workspaces,
        "concurrency": run.concurrency,
        "tool_version": cleanup.__version__,
    }


def _finish(run: Run, results: Sequence[Restoration], code: int, seconds: float) -> None:
    counts = {state.value: count for state, count in tally(results).items()}
    run.journal.event(
        "info" if code == 0 else "error",
        "restore.finished",
        **counts,
        planned=len(results),
        requests=run.client.requests,
        throttled=run.client.throttled,
        duration_s=round(seconds, 3),
        exit_code=code,
        stopped=run.stop.why or None,
    )
