"""Reading a journal back: its runs, what each intended, and how each planned image ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from cleanup.errors import RecordRejected, UsageError
from cleanup.files import read_regular
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
from cleanup.outcome import GONE, TO_RESUME, Outcome

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
        counting = self.counting
        return {key: counting[key] for run in self.chain for key in run.results}

    @property
    def counting(self) -> dict[str, DeleteResult]:
        """The result that counts for each image of the journal, by its key: the latest.

        What was deleted stays deleted, unless it was found to be there after all: a later run that
        does not find it any more, or does not get to it, takes nothing back.
        """
        found: dict[str, DeleteResult] = {}
        for run in self.runs:
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
        later one says how it ended: the last such intent."""
        doubtful: dict[str, DeleteIntent] = {}
        for run in self.runs:
            doubtful |= run.intents
            for key, result in run.results.items():
                if result.outcome not in TO_RESUME or result.found_there:
                    doubtful.pop(key, None)
        return doubtful


class LinesFile(msgspec.Struct, frozen=True):
    """A file of `size` bytes in JSON Lines; `whole` are its whole lines, `torn` says that a last one was cut off."""

    path: Path
    whole: tuple[bytes, ...]
    torn: bool
    size: int

    @classmethod
    def read(cls, path: Path, what: str) -> "LinesFile":
        """Raises UsageError when it cannot be read; `what` it is, for people."""
        try:
            content = read_regular(path)
        except OSError as error:
            raise UsageError(f"cannot read the {what} {path}: {error.strerror}") from error
        whole, torn = whole_part(content)
        return cls(path, tuple(content[:whole].splitlines()), bool(torn), len(content))

    def decoded(self, decoder: "msgspec.json.Decoder[L]", what: str) -> Iterator[tuple[int, L]]:
        """The lines as values, with their numbers from 1; events of a later version are left out.

        Raises RecordRejected naming the line that is damaged.
        """
        for number, line in enumerate(self.whole, 1):
            try:
                value = decoder.decode(line)
            except msgspec.MsgspecError as error:
                if not _is_unknown_event(line, error):
                    raise RecordRejected(f"{self.path}:{number}: not a line of a {what} ({error})") from error
            else:
                yield number, value


class _AnyEvent(msgspec.Struct):
    event: str
    run_id: str


def _is_unknown_event(line: bytes, error: msgspec.MsgspecError) -> bool:
    if "Invalid value" not in str(error) or not str(error).endswith("`$.event`"):
        return False
    try:
        msgspec.json.decode(line, type=_AnyEvent)
    except msgspec.MsgspecError:
        return False
    return True


def whole_part(content: bytes) -> tuple[int, bytes]:
    """How many bytes are whole lines, and the torn rest; zeros after a power loss count as nothing."""
    written = content.rstrip(b"\0")
    start = written.rfind(b"\n") + 1
    tail = written[start:]
    try:
        msgspec.json.decode(tail or b"{}")
    except msgspec.MsgspecError:
        return start, tail
    return len(written), b""


def read(path: Path) -> JournalFile:
    """Read a journal; a torn last line is tolerated.

    Raises UsageError when there is no such file, RecordRejected when it is not a journal or damaged inside.
    """
    file = LinesFile.read(path, "journal")
    runs: dict[str, JournalRun] = {}
    for number, line in file.decoded(_decoder, "journal"):
        if isinstance(line, RunStarted):
            runs[line.run_id] = JournalRun(started=line, intents={}, results={}, groups=[])
            continue
        if (run := runs.get(line.run_id)) is None:
            if isinstance(line, JournalRepaired):
                continue
            raise RecordRejected(f"{path}:{number}: not a line of a journal (its run has no beginning)")
        match line:
            case DeleteIntent():
                run.intents[id_key(line.image_id)] = line
            case DeleteResult():
                run.results[id_key(line.image_id)] = line
            case RunFinished():
                run.finished = line
            case GroupSeen():
                run.groups.append(line)
    if not runs:
        raise RecordRejected(f"{path} holds no run: is it a journal?")
    return JournalFile(path=path, size=file.size, runs=tuple(runs.values()), torn=file.torn)
