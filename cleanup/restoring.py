"""Registering again what was deleted without its content: what can come back, and why the rest cannot. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from cleanup.image import Image, content_key
from cleanup.journal import Intent, JournalFile, Result, Run
from cleanup.outcome import Outcome

_CLOCKS_DIFFER = timedelta(minutes=5)


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a journal. `obstacle` says why it cannot be registered again; None when it can.

    `record` is the image as the API sent it before it was deleted.
    """

    result: Result
    record: msgspec.Raw | None
    obstacle: str | None


def candidates(journal: JournalFile, restored: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Every image that the journal's runs ended, the result that counts; `restored` maps old ids to new ones."""
    intents = {id_: intent for run in journal.runs for id_, intent in run.intents.items()}
    results = {id_: result for run in journal.runs for id_, result in run.results.items()}
    taken = _contents_taken(journal.runs, results)
    return tuple(
        Candidate(
            result=result,
            record=intents[id_].image if id_ in intents else None,
            obstacle=_obstacle(result, intents.get(id_), taken, restored),
        )
        for id_, result in results.items()
    )


def _contents_taken(runs: Iterable[Run], results: Mapping[str, Result]) -> frozenset[str]:
    """The contents that a DELETE with `force` took along, or may have taken."""
    forced = {id_ for run in runs for id_, intent in run.intents.items() if intent.force}
    kept = {Outcome.FAILED, Outcome.DENIED, Outcome.IN_USE, Outcome.DRIFTED}
    paths = (results[id_].swr_path for id_ in forced if id_ in results and results[id_].outcome not in kept)
    return frozenset(key for path in paths if (key := content_key(path)))


def _obstacle(
    result: Result, intent: Intent | None, taken: frozenset[str], restored: Mapping[str, str]
) -> str | None:
    if new_id := restored.get(result.image_id):
        return f"already restored as {new_id}"
    if result.outcome is Outcome.ALREADY_GONE and intent is None:
        return "somebody else deleted it; nothing is known about its content"
    if result.outcome not in (Outcome.DELETED, Outcome.ALREADY_GONE) or intent is None:
        return f"it was not deleted ({result.outcome})"
    if intent.force:
        return "its content in SWR was deleted with it (force)"
    if content_key(result.swr_path) in taken:
        return "its content in SWR was deleted with another record of it (force)"
    return None if result.swr_path else "its swr_path is unknown"


_COPIED = ("swr_path", "arch", "description", "origin", "service_type", "visibility", "workspace_id")
_RENAMED = {"resource_category": "resource_categories", "services": "dev_services"}


def registration(record: msgspec.Raw) -> dict[str, object]:
    """The body that registers an image with the attributes its record had (api.md, POST images)."""
    known = msgspec.json.decode(record, type=dict[str, object])
    body = {name: known[name] for name in _COPIED if known.get(name) is not None}
    return body | {name: known[old] for name, old in _RENAMED.items() if known.get(old)}


def living_twin(candidate: Candidate, images: Iterable[Image]) -> Image | None:
    """A live record of the same content that came after the delete: somebody registered it already."""
    result = candidate.result
    key = content_key(result.swr_path)
    return next((one for one in images if one.content == key and _came_after(one, result.timestamp)), None)


def _came_after(image: Image, deleted_at: datetime | None) -> bool:
    """Unknown times count as after: rather not registered than registered twice."""
    if image.created_at is None or deleted_at is None:
        return True
    return image.created_at >= deleted_at - _CLOCKS_DIFFER
