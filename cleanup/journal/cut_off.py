"""What the lines of a run that was cut off show: all that is known of it, since it never wrote how it ended."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

import msgspec

from cleanup.image import Image, id_key
from cleanup.journal.reader import JournalFile, JournalRun, LinesFile
from cleanup.journal.records import DeleteIntent, DeleteResult, image_of
from cleanup.outcome import Outcome

_decoder = msgspec.json.Decoder(DeleteIntent | DeleteResult)


class Seen(NamedTuple):
    """At least so long a run took, in seconds, and at least so many requests it sent."""

    duration_s: float
    requests: int


def seen(run: JournalRun) -> Seen:
    """From the first to the last line of the run, and the attempts of its results."""
    moments = [one.timestamp for one in (*run.results.values(), *run.intents.values()) if one.timestamp]
    started = run.started.timestamp
    took = (max(moments) - started).total_seconds() if moments and started else 0.0
    return Seen(max(took, 0.0), sum(one.attempts for one in run.results.values()))


def taken(journal: JournalFile, runs: Collection[JournalRun]) -> Iterator[Image]:
    """The images that these runs deleted with their content. The file is read once more: only there are the records.

    Raises UsageError when the file is gone, RecordRejected when it is damaged.
    """
    wanted = {
        (run.started.run_id, key)
        for run in runs
        for key, one in run.results.items()
        if one.outcome is Outcome.DELETED and one.force
    }
    if not wanted:
        return
    intents: dict[tuple[str, str], DeleteIntent] = {}
    for _, line in LinesFile(journal.path, "journal").decoded(_decoder):
        place = line.run_id, id_key(line.image_id)
        if place not in wanted:
            continue
        if isinstance(line, DeleteIntent):
            intents[place] = line
        elif intent := intents.pop(place, None):
            yield image_of(intent)
