"""Reading a journal back: its runs, what each intended, and how each planned image ended."""

from pathlib import Path

import msgspec

from cleanup.errors import RecordRejected, UsageError
from cleanup.journal.records import DeleteIntent, DeleteResult, RunStarted
from cleanup.outcome import TO_RESUME


class _Event(msgspec.Struct):
    event: str
    run_id: str


class JournalRun(msgspec.Struct, kw_only=True):
    """One run as its lines tell it; `finished` is the whole last line, None where the run was cut off."""

    started: RunStarted
    intents: dict[str, DeleteIntent] = {}
    results: dict[str, DeleteResult] = {}
    finished: dict[str, object] | None = None


class JournalFile(msgspec.Struct, frozen=True, kw_only=True):
    """A journal of `size` bytes: its runs in the order in which they began; `torn` says that the last
    line was cut off."""

    path: Path
    runs: tuple[JournalRun, ...]
    torn: bool
    size: int = 0

    @property
    def chain(self) -> tuple[JournalRun, ...]:
        """The last apply and the runs that resumed it: what `resume` and `report` speak of."""
        first = max((i for i, run in enumerate(self.runs) if run.started.resumes is None), default=0)
        return self.runs[first:]

    @property
    def latest(self) -> dict[str, DeleteResult]:
        """The result that counts for each image: the latest of the chain."""
        return {image_id: result for run in self.chain for image_id, result in run.results.items()}

    @property
    def in_doubt(self) -> frozenset[str]:
        """Images that an intent names and for which no later result says how it ended."""
        doubtful: set[str] = set()
        for run in self.chain:
            doubtful |= run.intents.keys()
            doubtful -= {id_ for id_, result in run.results.items() if result.outcome not in TO_RESUME}
        return frozenset(doubtful)


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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the journal {path}: {error.strerror}") from error
    whole, torn = whole_part(content)
    runs: dict[str, JournalRun] = {}
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            _take(line, runs)
        except (msgspec.MsgspecError, KeyError) as error:
            raise RecordRejected(f"{path}:{number}: not a line of a journal ({error})") from error
    if not runs:
        raise RecordRejected(f"{path} holds no run: is it a journal?")
    return JournalFile(path=path, size=len(content), runs=tuple(runs.values()), torn=bool(torn))


def _take(line: bytes, runs: dict[str, JournalRun]) -> None:
    head = msgspec.json.decode(line, type=_Event)
    match head.event:
        case "run.started":
            runs[head.run_id] = JournalRun(
                started=msgspec.json.decode(line, type=RunStarted), intents={}, results={}
            )
        case "delete.intent":
            intent = msgspec.json.decode(line, type=DeleteIntent)
            runs[head.run_id].intents[intent.image_id] = intent
        case "delete.result":
            result = msgspec.json.decode(line, type=DeleteResult)
            runs[head.run_id].results[result.image_id] = result
        case "run.finished":
            runs[head.run_id].finished = msgspec.json.decode(line)
