"""Reading a journal back: its runs, what each intended, and how each planned image ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from cleanup.errors import RecordRejected, UsageError
from cleanup.files import open_regular
from cleanup.image import id_key
from cleanup.journal.records import (
    DeleteIntent,
    DeleteResult,
    GroupSeen,
    JournalRepaired,
    Line,
    RunFinished,
    RunStarted,
)
from cleanup.kinds import UNDECODABLE, FileKind, require_kind
from cleanup.outcome import GONE, Outcome

L = TypeVar("L", bound=Line)
_decoder = msgspec.json.Decoder(
    RunStarted | GroupSeen | DeleteIntent | DeleteResult | RunFinished | JournalRepaired
)


class JournalRun(msgspec.Struct, kw_only=True):
    """One run as its lines tell it, intents and results by the keys of their images; `finished` is None
    where the run was cut off."""

    started: RunStarted
    intents: dict[str, DeleteIntent] = {}
    results: dict[str, DeleteResult] = {}
    finished: RunFinished | None = None
    groups: list[GroupSeen] = []


class JournalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A journal of `size` bytes: its runs in the order in which they began; `torn` says that the last
    line was cut off."""

    path: Path
    runs: tuple[JournalRun, ...]
    torn: bool
    size: int = 0

    @property
    def chain(self) -> tuple[JournalRun, ...]:
        """The last apply, the runs that resumed it, and earlier ones of the same plan: what `resume` and
        `report` speak of."""
        applied = [run for run in self.runs if run.started.resumes is None] or self.runs
        plan = applied[-1].started.plan_sha256
        return tuple(one for one in self.runs if one.started.plan_sha256 == plan)

    @property
    def latest(self) -> dict[str, DeleteResult]:
        """The result that counts for each image that the chain had a result for, by its key."""
        counting, chain = self.counting, self.chain
        if chain == self.runs:
            return counting
        return {key: counting[key] for run in chain for key in run.results}

    @property
    def counting(self) -> dict[str, DeleteResult]:
        """The result that counts for each image of the journal, by its key: the latest.

        What was deleted stays deleted, unless it was found to be there after all: a later run that
        does not find it any more, or does not get to it, takes nothing back.
        """
        first, *others = self.runs
        found = dict(first.results)
        for run in others:
            for key, result in run.results.items():
                before = found.get(key)
                gone = before is not None and before.outcome in GONE
                if not gone or result.found_there or result.outcome is Outcome.DELETED:
                    found[key] = result
        return found

    @property
    def read_mes(self) -> dict[tuple[str, str, str], str]:
        """What groups said of themselves when images of them were deleted, by workspace, namespace and name."""
        seen = (group for run in self.runs for group in run.groups)
        return {(one.workspace_id, one.namespace, one.name): one.read_me for one in seen}

    @property
    def in_doubt(self) -> dict[str, DeleteIntent]:
        """By their keys the images, of any run, that an intent names and for which neither its own run nor a
        later one says how it ended: the last such intent. One that waited for its turn when its run was stopped
        was never sent."""
        doubtful: dict[str, DeleteIntent] = {}
        for run in self.runs:
            never_sent = {
                key for key in run.intents.keys() & run.results.keys() if run.results[key].never_sent
            }
            doubtful |= {key: intent for key, intent in run.intents.items() if key not in never_sent}
            for key in doubtful.keys() & run.results.keys():
                if run.results[key].settles:
                    del doubtful[key]
        return doubtful


class LinesFile:
    """A file in JSON Lines, read line by line. When its lines have ended, `size` is how many bytes they
    were, and `torn` says that a last one was cut off."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what  # for people
        self.size = 0
        self.torn = False

    def decoded(self, decoder: "msgspec.json.Decoder[L]") -> Iterator[tuple[int, L]]:
        """The lines as values, with their numbers from 1; events of a later version are left out.

        Raises UsageError when the file cannot be read, RecordRejected naming the line that is damaged.
        """
        for number, line in enumerate(self._whole(), 1):
            try:
                value = decoder.decode(line)
            except UNDECODABLE as error:
                if not _is_unknown_event(line, error):
                    raise RecordRejected(
                        f"{self.path}:{number}: not a line of a {self.what} ({error})"
                    ) from error
            else:
                yield number, value

    def _whole(self) -> Iterator[bytes]:
        try:
            with open_regular(self.path) as file:
                for line in file:
                    if line.endswith(b"\n"):
                        yield line
                        continue
                    whole, torn = whole_part(line)
                    self.torn = bool(torn)
                    if whole:
                        yield line[:whole]
                    break  # what somebody is writing behind it is not read
                self.size = file.tell()
        except OSError as error:
            raise UsageError(f"cannot read the {self.what} {self.path}: {error.strerror}") from error


class _AnyEvent(msgspec.Struct):
    event: str
    run_id: str


def _is_unknown_event(line: bytes, error: Exception) -> bool:
    if "Invalid value" not in str(error) or not str(error).endswith("`$.event`"):
        return False
    try:
        msgspec.json.decode(line, type=_AnyEvent)
    except UNDECODABLE:
        return False
    return True


def whole_part(content: bytes) -> tuple[int, bytes]:
    """How many bytes are whole lines, and the torn rest; zeros after a power loss count as nothing."""
    written = content.rstrip(b"\0")
    start = written.rfind(b"\n") + 1
    tail = written[start:]
    try:
        msgspec.json.decode(tail or b"{}")
    except UNDECODABLE:
        return start, tail
    return len(written), b""


def read(path: Path) -> JournalFile:
    """Read a journal; a torn last line is tolerated.

    Raises UsageError when there is no such file, RecordRejected when it is not a journal or damaged inside.
    """
    return _read(path, settled=True)


def read_to_show(path: Path) -> JournalFile:
    """Read what a report needs: most records are in intents that their own run settled, and are let go at once.

    Only where runs of other plans are in the journal something is asked of those. Raises as `read` does.
    """
    journal = _read(path, settled=False)
    return journal if len(journal.chain) == len(journal.runs) else read(path)


def _read(path: Path, *, settled: bool) -> JournalFile:
    require_kind(path, FileKind.JOURNAL)
    file = LinesFile(path, "journal")
    runs: dict[str, JournalRun] = {}
    for number, line in file.decoded(_decoder):
        run = runs.get(line.run_id)
        if isinstance(line, RunStarted):
            runs[line.run_id] = JournalRun(started=line, intents={}, results={}, groups=[])
        elif run is None:
            if not isinstance(line, JournalRepaired):
                raise RecordRejected(f"{path}:{number}: not a line of a journal (its run has no beginning)")
        elif isinstance(line, DeleteIntent):
            run.intents[id_key(line.image_id)] = line
        elif isinstance(line, DeleteResult):
            run.results[key := id_key(line.image_id)] = line
            if not settled and (line.settles or line.never_sent):
                run.intents.pop(key, None)
        elif isinstance(line, RunFinished):
            run.finished = line
        elif isinstance(line, GroupSeen):
            run.groups.append(line)
    if not runs:
        raise RecordRejected(f"{path} holds no run: is it a journal?")
    return JournalFile(path=path, size=file.size, runs=tuple(runs.values()), torn=file.torn)
