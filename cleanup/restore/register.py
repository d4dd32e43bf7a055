"""Registering images again: one POST each, written down before and after; a lost answer is looked up."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import cleanup
from cleanup.apply.worker_pool import work_off
from cleanup.config.connect import connect
from cleanup.config.job import Job
from cleanup.errors import AccessDenied, Interrupted, InventoryError, JournalWriteError
from cleanup.image import Image
from cleanup.journal import Journal, require_writable
from cleanup.journal.reader import LinesFile
from cleanup.journal.records import Level
from cleanup.modelarts.client import Client
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Result
from cleanup.modelarts.inventory import list_workspaces, read_images
from cleanup.modelarts.users.listing import Reading
from cleanup.modelarts.users.reading import read_users
from cleanup.modelarts.wire.error_bodies import ServiceError, decode_error, explanation
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.modelarts.wire.values import Unreadable
from cleanup.restore.candidates import (
    NEVER_RESTORED,
    Candidate,
    attributes_lost,
    existing_registration,
    registration,
    tags_of,
)
from cleanup.restore.records import (
    RestoreFinished,
    RestoreIntent,
    RestoreResult,
    RestoreStarted,
    RestoreState,
    exit_code,
    tally,
)
from cleanup.stop import Cause, Stop

ELSEWHERE = "copy the journal to a folder where this can lie beside it"
_AGAIN = "run the same command again"
_decoder = msgspec.json.Decoder(RestoreStarted | RestoreIntent | RestoreResult | RestoreFinished)


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
    file = LinesFile(path, "restore journal")
    links = {
        line.image_id: line.new_image_id
        for _, line in file.decoded(_decoder)
        if isinstance(line, RestoreResult) and line.new_image_id
    }
    return Earlier(links=links, size=file.size)


def require_writable_beside(path: Path) -> None:
    """Raise UsageError now, before any request, where the restore journal could not be written later."""
    require_writable(path, ELSEWHERE)


async def restore(
    job: Job,
    source: Path,
    due: Sequence[Candidate],
    earlier: Earlier,
    read_mes: Mapping[tuple[str, str, str], str],
) -> tuple[tuple[RestoreResult, ...], int]:
    """List what is there, register what of `due` is not; one result each, and the exit code.

    `source` is the journal whose images these are, `job.journal` the restore journal, `earlier` what it
    said before, `read_mes` what groups that are gone said of themselves, by workspace, namespace and name.
    Raises AccessDenied, InventoryError, Interrupted, UsageError; nothing was registered then.
    """
    async with connect(job.target, job.settings, job.runtime, job.stop) as client:
        found = await job.stop.unless_requested(lambda: read_images(client, job.target.workspaces))
        users = await job.stop.unless_requested(lambda: _users_of_ids(job, client))
        if found is None or users is None:
            raise Interrupted(f"{job.stop.why}: nothing was registered")
        if found.doubts:
            raise InventoryError(
                f"the inventory is not complete, nothing was registered: {'; '.join(found.doubts)}"
            )
        finish_with = f"image-cleanup restore {source} --apply"
        with Journal.of(job, finish_with=finish_with, read_size=earlier.size) as journal:
            registrar = Registrar(
                client,
                journal,
                job.stop,
                found.images,
                earlier.links.values(),
                users,
                workspaces=job.target.workspaces,
                read_mes=read_mes,
            )
            return await register_all(job, source, due, client, journal, registrar)


async def _users_of_ids(job: Job, client: Client) -> dict[str, tuple[str, ...]]:
    """Who names which id, in lower case, as far as it can be read; a restore does not depend on that."""
    try:
        known = await list_workspaces(client)
    except InventoryError:
        known = ()
    others = [workspace for workspace in known if workspace not in job.target.workspaces]
    reading = Reading(client=client, asked=job.asked_users, now=job.runtime.now())
    try:
        found = await read_users(reading, job.target.workspaces, others)
    except (AccessDenied, InventoryError) as error:
        job.progress.note(f"who names the old ids is not known: {error}")
        return {}
    users: dict[str, tuple[str, ...]] = {}
    for use in (found.in_use | job.target.pins).uses:
        if use.image_id:
            users[use.image_id.lower()] = (*users.get(use.image_id.lower(), ()), use.user)
    return users


async def register_all(
    job: Job, source: Path, due: Sequence[Candidate], client: Client, journal: Journal, registrar: "Registrar"
) -> tuple[tuple[RestoreResult, ...], int]:
    """Register what is due, whatever happens; the journal has its beginning and end when this returns."""
    began = job.runtime.clock()
    try:
        journal.write(_started(job, source, len(due)))
        await work_off(_by_content(due), registrar.register, job.stop, min(job.target.concurrency, len(due)))
    except JournalWriteError as error:
        job.stop.request(Cause.JOURNAL, str(error))
    results = registrar.settle_the_rest(due)
    code = exit_code(results, job.stop.cause)
    if job.stop.cause is not Cause.JOURNAL:
        journal.write(_finished(job, client, results, code, job.runtime.clock() - began))
    return results, code


class Registrar:
    """Registers images through a client, ahead of each POST in a journal.

    `live` are the target's images now, in its `workspaces`; `known` the new ids of what was restored
    before, `users` who names which (old) id.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        stop: Stop,
        live: Sequence[Image],
        known: Collection[str],
        users: Mapping[str, tuple[str, ...]] | None = None,
        *,
        workspaces: Sequence[str] = ("0",),
        read_mes: Mapping[tuple[str, str, str], str] | None = None,
    ) -> None:
        self._users = users or {}
        self._read_mes = read_mes or {}
        self._workspaces = workspaces
        self._client = client
        self._journal = journal
        self._stop = stop
        self._live = live
        self._claimed_ids = set(known)
        self._results: dict[str, RestoreResult] = {}

    async def register(self, group: Sequence[Candidate]) -> None:
        """Register the records of one content, one after the other."""
        for one in group:
            if self._stop:
                return
            await self._register_one(one)

    def settle_the_rest(self, due: Sequence[Candidate]) -> tuple[RestoreResult, ...]:
        """All results, in the order of what was due; those that nobody came to are not attempted."""
        for one in due:
            if one.image.id not in self._results:
                self._settle(_ended(one, RestoreState.NOT_ATTEMPTED, self._stop.why))
        return tuple(self._results[one.image.id] for one in due)

    async def _register_one(self, one: Candidate) -> None:
        """One image up to its result; whatever happens, it gets exactly one."""
        result: RestoreResult | None = None
        intended = False
        try:
            if found := existing_registration(one, self._live, self._claimed_ids):
                result = _ended(one, RestoreState.ALREADY_RESTORED, new_image_id=found.id)
            else:
                attributes = registration(one.image.raw)
                await self._journal.write_ahead(RestoreIntent(image_id=one.image.id, registration=attributes))
                intended = True
                result, record = await self._read(one, await self._client.register_image(attributes))
                if record is not None:  # the image is there again, whatever becomes of its group
                    lost = await self._not_restored(one, record)
                    result = msgspec.structs.replace(result, not_restored=lost)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))
        finally:
            if intended and result is None:
                why = f"stopped while its POST was under way ({self._stop.why}); {_AGAIN} to settle it"
                result = _ended(one, RestoreState.UNKNOWN, why)
            if result:
                self._settle(result)

    async def _read(self, one: Candidate, answer: Result[Any]) -> tuple[RestoreResult, bytes | None]:
        """What the answer to a POST says, and the new record where there is one.

        What the answer leaves open is looked up, for a repeat could register twice.
        """
        if answer.ok and (new_id := _new_id(answer, one)):
            return self._restored(one, answer, new_id, answer.body)
        if answer.ok or answer.doubtful:
            return await self._look_up(one, answer)
        if answer.stopped:
            return _ended(one, RestoreState.NOT_ATTEMPTED, self._stop.why), None
        if answer.status == 401:
            self._stop.request(Cause.DENIED, f"the credentials are not accepted ({describe(answer)})")
        return _ended(one, RestoreState.FAILED, answer=answer), None

    def _restored(
        self, one: Candidate, answer: Result[Any], new_id: str, record: bytes
    ) -> tuple[RestoreResult, bytes]:
        """The result as it stands until what the group had lost is back."""
        lost = (*self._lost(one, record), *self._owed(one, record))
        restored = _ended(one, RestoreState.RESTORED, answer=answer, new_image_id=new_id)
        return msgspec.structs.replace(restored, not_restored=lost), record

    @staticmethod
    def _lost(one: Candidate, record: bytes) -> tuple[str, ...]:
        return (*NEVER_RESTORED, *attributes_lost(bytes(one.image.raw), record))

    def _owed(self, one: Candidate, record: bytes) -> dict[str, object]:
        """What the group of the new `record` had and has lost; where other versions stayed, it has kept it."""
        group = _group(one.image)
        if any(_group(other) == group for other in self._live):
            return {}
        tags, read_me = tags_of(bytes(one.image.raw)), self._read_mes.get(group)
        owed: dict[str, object] = {"tags": tags} if tags and not tags_of(record) else {}
        return owed | ({"read_me": read_me} if read_me else {})

    async def _not_restored(self, one: Candidate, record: bytes) -> tuple[str, ...]:
        """What of the old record the new one lacks, after its group has got back what it had lost."""
        lost, owed = self._lost(one, record), self._owed(one, record)
        workspace, namespace, name = _group(one.image)
        if not owed or not (namespace and name):
            return (*lost, *owed)
        answer = await self._client.set_group(workspace, namespace, name, owed)
        return lost if answer.ok else (*lost, f"{', '.join(owed)} ({answer.label} {describe(answer)})")

    async def _look_up(self, one: Candidate, answer: Result[Any]) -> tuple[RestoreResult, bytes | None]:
        """Whether an image came into being although no usable answer did."""
        doubt = "answered without the new image" if answer.ok else describe(answer)
        try:
            found = existing_registration(
                one,
                await self._client.same_repository(one.image, self._workspaces),
                self._claimed_ids,
            )
        except InventoryError as error:
            why = f"{doubt}; {error}; {_AGAIN} to settle it"
            return _ended(one, RestoreState.UNKNOWN, why, answer=answer), None
        if found:
            return self._restored(one, answer, found.id, bytes(found.raw))
        state = RestoreState.UNKNOWN if answer.ok else RestoreState.FAILED
        why = f"{doubt}; no new image is listed; {_AGAIN} to try again"
        return _ended(one, state, why, answer=answer), None

    def _settle(self, result: RestoreResult) -> None:
        users = self._users.get(result.image_id.lower(), ())
        result = msgspec.structs.replace(result, old_id_used_by=users)
        self._results[result.image_id] = result
        if result.new_image_id:
            self._claimed_ids.add(result.new_image_id)
        try:
            self._journal.write(result)
        except JournalWriteError as error:
            self._stop.request(Cause.JOURNAL, str(error))


def _by_content(due: Iterable[Candidate]) -> list[list[Candidate]]:
    """Records of one content go one after the other, so that a look-up cannot take one for another."""
    groups: dict[str | None, list[Candidate]] = {}
    for one in due:
        groups.setdefault(one.image.content, []).append(one)
    return list(groups.values())


def _group(image: Image) -> tuple[str, str, str]:
    return image.workspace_id or "0", image.namespace or "", image.name or ""


def _new_id(answer: Result[Any], one: Candidate) -> str | None:
    try:
        new_id = decode_image(answer.body).id
    except Unreadable:
        return None
    return new_id if new_id != one.image.id else None


def _ended(
    one: Candidate,
    outcome: RestoreState,
    why: str | None = None,
    *,
    answer: Result[Any] | None = None,
    new_image_id: str | None = None,
) -> RestoreResult:
    """A result with its evidence; `why` is our own word where the service's is not enough."""
    if answer is None:
        return RestoreResult.of(one.image, outcome, error_msg=why or None, new_image_id=new_image_id)
    told = ServiceError(None, None) if answer.ok else decode_error(answer.body)
    return RestoreResult.of(
        one.image,
        outcome,
        new_image_id=new_image_id,
        http_status=answer.status,
        error_code=told.code,
        error_msg=why or (None if answer.ok else explanation(answer) or describe(answer)),
        request_id=answer.request_id,
    )


def _started(job: Job, source: Path, planned: int) -> RestoreStarted:
    return RestoreStarted(
        journal=source.name,
        planned=planned,
        endpoint=job.target.endpoint,
        project_id=job.target.project_id,
        workspaces=job.target.workspaces,
        concurrency=job.target.concurrency,
        tool_version=cleanup.__version__,
    )


def _finished(
    job: Job, client: Client, results: Sequence[RestoreResult], code: int, seconds: float
) -> RestoreFinished:
    counts = tally(results)
    return RestoreFinished(
        level=Level.INFO if code == 0 else Level.ERROR,
        restored=counts[RestoreState.RESTORED],
        already_restored=counts[RestoreState.ALREADY_RESTORED],
        failed=counts[RestoreState.FAILED],
        unknown=counts[RestoreState.UNKNOWN],
        not_attempted=counts[RestoreState.NOT_ATTEMPTED],
        planned=len(results),
        requests=client.requests,
        throttled=client.throttled,
        duration_s=round(seconds, 3),
        exit_code=code,
        stopped=job.stop.why or None,
    )
