"""Registering again what was deleted without its content: what can come back, and why the rest cannot. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from cleanup.config.settings import Target, TargetRef
from cleanup.errors import RecordRejected, UsageError
from cleanup.image import Image, Status, id_key
from cleanup.journal import DeleteIntent, DeleteResult, JournalFile, JournalRun
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.modelarts.wire.json_bodies import decode_json
from cleanup.modelarts.wire.values import Unreadable
from cleanup.outcome import GONE, Outcome
from cleanup.restore.records import RestoreState

_CLOCKS_DIFFER = timedelta(minutes=5)
_STILL_THERE = frozenset({Outcome.FAILED, Outcome.DENIED, Outcome.IN_USE, Outcome.DRIFTED})


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a journal. `why` says what stands in its way, None when nothing does.

    `outcome` is how its delete ended (None: nobody wrote it down), `deleted_at` when that was asked
    for, None when it was not; `new_image_id` is what it is registered as already. `image.raw` is the
    whole record where a DELETE was asked for, else empty.
    """

    image: Image
    state: RestoreState
    outcome: Outcome | None
    deleted_at: datetime | None
    why: str | None = None
    new_image_id: str | None = None


def candidates(journal: JournalFile, restored: Mapping[str, str]) -> tuple[Candidate, ...]:
    """Every image that any run of the journal was about; `restored` maps old ids to new ones.

    Raises RecordRejected when a record in the journal makes no sense.
    """
    intents, results = _effective(journal.runs), journal.counting
    forced = (_image(id_, intent, None).content for id_, intent in intents.items() if intent.force)
    taken = frozenset(key for key in forced if key)
    return tuple(
        _candidate(_image(id_, intents.get(id_), results.get(id_)), intents, results, taken, restored)
        for id_ in dict.fromkeys((*results, *intents))
    )


def _effective(runs: Iterable[JournalRun]) -> dict[str, DeleteIntent]:
    """By image: the last DELETE that had, or may have had, its effect."""
    intents: dict[str, DeleteIntent] = {}
    gone: set[str] = set()
    for run in runs:
        unsent = {key for key, one in run.results.items() if one.outcome is Outcome.NOT_ATTEMPTED}
        intents |= {key: intent for key, intent in run.intents.items() if key not in unsent}
        for key, result in run.results.items():
            if result.outcome in GONE:
                gone.add(key)
            elif result.found_there or (result.outcome in _STILL_THERE and key not in gone):
                gone.discard(key)
                intents.pop(key, None)
    return intents


def _candidate(
    image: Image,
    intents: Mapping[str, DeleteIntent],
    results: Mapping[str, DeleteResult],
    taken: Collection[str],
    restored: Mapping[str, str],
) -> Candidate:
    intent, result, new_id = intents.get(image.key), results.get(image.key), restored.get(image.id)
    why = None if new_id else _obstacle(image, intent, result, taken)
    return Candidate(
        image=image,
        state=RestoreState.ALREADY_RESTORED
        if new_id
        else RestoreState.NOT_RESTORABLE
        if why
        else RestoreState.RESTORABLE,
        outcome=result.outcome if result else None,
        deleted_at=intent.timestamp if intent else None,
        why=why,
        new_image_id=new_id,
    )


def _image(id_: str, intent: DeleteIntent | None, result: DeleteResult | None) -> Image:
    if intent is not None:
        try:
            return decode_image(intent.image)
        except Unreadable as error:
            raise RecordRejected(f"the journal's record of image {id_} makes no sense: {error}") from error
    if result is None:
        return Image(id=id_)
    return Image(
        id=result.image_id,
        namespace=result.namespace,
        name=result.name,
        tag=result.tag,
        swr_path=result.swr_path,
    )


def _obstacle(
    image: Image, intent: DeleteIntent | None, result: DeleteResult | None, taken: Collection[str]
) -> str | None:
    if result is None or result.outcome is Outcome.UNKNOWN:
        return "nobody knows whether it was deleted: `resume` settles that"
    if result.outcome not in GONE:
        return f"it was not deleted ({result.outcome})"
    if intent is None:
        return "somebody else deleted it; nothing is known about its content"
    if intent.force:
        return "its content in SWR was deleted with it (force)"
    if image.known_status is Status.CREATE_FAILED:
        return "it never had content (CREATE_FAILED)"
    if image.content is None:
        return "its swr_path is unknown"
    if image.content in taken:
        return "its content in SWR was deleted with another record of it (force)"
    return None


def target_of(journal: JournalFile, targets: Sequence[Target]) -> Target:
    """The target that all runs of the journal are about. Raises RecordRejected when it is not among these."""
    places = [run.started.place for run in journal.runs]
    for target in targets:
        if all(place.same_place(target.ref) for place in places):
            return target
    given = f"about {_place(targets[0].ref)}" if len(targets) == 1 else "about any of the targets"
    raise RecordRejected(
        f"the journal is about {_place(places[-1])}, not {given}: connect to where it was written"
    )


def _place(target: TargetRef) -> str:
    return f"project {target.project_id} (workspaces {', '.join(target.workspaces)}) at {target.endpoint}"


def selected(found: Sequence[Candidate], ids: Collection[str]) -> tuple[Candidate, ...]:
    """Those with these ids, all when there are none. Raises UsageError for an id the journal does not name."""
    known, wanted = {one.image.key for one in found}, {id_key(id_) for id_ in ids}
    if strangers := [id_ for id_ in ids if id_key(id_) not in known]:
        raise UsageError(f"the journal names no image {', '.join(strangers)}: give the ids of its results")
    return tuple(one for one in found if not ids or one.image.key in wanted)


# In a registration and, where it has another name there, in the record.
_ATTRIBUTES = {
    "swr_path": "swr_path",
    "arch": "arch",
    "description": "description",
    "origin": "origin",
    "resource_category": "resource_categories",
    "service_type": "service_type",
    "services": "dev_services",
    "visibility": "visibility",
    "workspace_id": "workspace_id",
    "flavor_type": "flavor_type",
    "swr_instance_id": "swr_instance_id",
}


def registration(record: msgspec.Raw) -> dict[str, object]:
    """The body that registers an image with the attributes its record had (modelarts/API.md, Registering again)."""
    known = msgspec.json.decode(record, type=dict[str, object])
    body = {name: known[field] for name, field in _ATTRIBUTES.items() if known.get(field) is not None}
    if isinstance(arch := body.get("arch"), str):
        body["arch"] = arch.upper()  # the API's example asks for X86_64 and is answered x86_64
    return body


# The service makes them anew; everything else of a record can be compared with the new one.
NEVER_RESTORED = ("id", "create_at", "update_at", "size")
_OF_NO_WEIGHT = frozenset({"status", "status_message", "tags"})


def attributes_lost(record: bytes, registered: bytes) -> tuple[str, ...]:
    """The fields of the old record that the new one does not have, or has otherwise; tags are set apart.

    Empty where the new one cannot be read.
    """
    old, new = (_fields(one) for one in (record, registered))
    if not new:
        return ()
    ignored = _OF_NO_WEIGHT | set(NEVER_RESTORED)
    return tuple(
        name
        for name, value in old.items()
        if name not in ignored and value not in (None, "", []) and _folded(value) != _folded(new.get(name))
    )


def _folded(value: object) -> str:
    """A value for comparison: the API is not careful with upper and lower case, nor with order."""
    values = value if isinstance(value, list) else [value]
    return repr(sorted(str(one).casefold() for one in values))


def _fields(record: bytes) -> dict[str, object]:
    found = decode_json(record)
    return found if isinstance(found, dict) else {}


def tags_of(record: bytes) -> tuple[object, ...]:
    """The resource tags of a record, which are its group's (API.md, trap 20)."""
    tags = _fields(record).get("tags")
    return tuple(tags) if isinstance(tags, list) else ()


def existing_registration(
    candidate: Candidate, live: Iterable[Image], claimed_ids: Collection[str]
) -> Image | None:
    """A live record of the same content that came after the delete: it is registered already.

    `claimed_ids` are the ids that are known as the new ones of other images.
    """
    return next(
        (
            one
            for one in live
            if (one.content == candidate.image.content or one.swr_path == candidate.image.swr_path)
            and one.id not in claimed_ids
            and one.id != candidate.image.id
            and _came_after(one, candidate.deleted_at)
        ),
        None,
    )


def _came_after(image: Image, deleted_at: datetime | None) -> bool:
    """Unknown times count as after: rather not registered than registered twice."""
    if image.created_at is None or deleted_at is None:
        return True
    return image.created_at >= deleted_at - _CLOCKS_DIFFER
