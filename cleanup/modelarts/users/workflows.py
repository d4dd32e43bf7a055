"""Workflows: any text in their free JSON may name an image (API.md, Workflows)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from cleanup.errors import InventoryError
from cleanup.in_use import Use
from cleanup.modelarts.client import Client, ListCall
from cleanup.modelarts.gather import gather
from cleanup.modelarts.http.messages import segment
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import decode_json, decode_object
from cleanup.modelarts.wire.values import Unreadable, as_text, clean
from cleanup.reference import readings

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# What cannot stand in a reference, written escapes of a text among it; $ can, for / or before a variable's name.
_BETWEEN = re.compile(r"(?:\\[bfnrt]|[^A-Za-z0-9._/:@$-])+")
_VARIABLE = re.compile(r"\$\w*")
_LONGEST = 2048  # of a reference (API.md, Registering again)
_DEEPEST = 200


@dataclass(frozen=True)
class ListedWorkflow:
    """A workflow as the list shows it. `record` is whole where the list has its steps, else None."""

    key: str
    user: str
    record: Mapping[str, object] | None
    stamp: tuple[str | None, ...]


async def read(reading: Reading, workspace: str | None = None) -> UserListing:
    """All workflows of the project, in whatever workspace: their list knows none. Raises like the others."""
    client = reading.client
    call = ListCall(
        path="workflows",
        what="workflow",
        version="v2",
        query={"sort_by": "create_time"},
        limit=100,
        items="items",
        decode=_decode,
        key=lambda workflow: workflow.key,
    )
    found = await client.list_records(call)
    uses = await gather(partial(_uses, client, workflow) for workflow in found.items)
    return UserListing(
        uses=tuple(use for each in uses for use in each),
        count=len(found.items),
        doubts=tuple(f"the workflows are not clear: {doubt}" for doubt in found.doubts),
    )


def _decode(raw: msgspec.Raw) -> ListedWorkflow:
    record = decode_object(raw)
    workflow_id = as_text(record.get("workflow_id"))
    whole = isinstance(record.get("steps"), list)
    if workflow_id is None and not whole:
        raise Unreadable("it has neither steps nor a workflow_id")
    return ListedWorkflow(
        key=workflow_id or bytes(raw).decode(errors="replace"),
        user=clean(f"workflow {as_text(record.get('name')) or workflow_id or '?'}"),
        record=record if whole else None,
        stamp=(as_text(record.get("last_modified_at")),),
    )


async def _uses(client: Client, workflow: ListedWorkflow) -> tuple[Use, ...]:
    async def look_at() -> tuple[str, ...]:
        return _named(await client.show(path, version="v2"), workflow.user)

    if workflow.record is None:
        path = f"workflows/{segment(workflow.key)}"
        texts = await client.details.get(f"v2/{path}", workflow.stamp, look_at)
    else:
        texts = _named(workflow.record, workflow.user)
    return tuple(_use(workflow.user, text) for text in texts)


def _use(user: str, text: str) -> Use:
    if _UUID.fullmatch(text):
        return Use(user=user, image_id=text)
    return Use(user=user, swr_path=text)


def _named(record: Mapping[str, object], user: str) -> tuple[str, ...]:
    """Every text in a definition that may be a reference, and what anywhere in them may be the id of an image.

    Raises InventoryError.
    """
    try:
        texts = tuple(dict.fromkeys(_texts(record, 0)))  # many come again and again
    except RecursionError:
        raise InventoryError(f"{user} cannot be read: it is nested too deeply") from None
    ids = [found[0] for text in texts for found in _UUID.finditer(text)]
    return tuple(dict.fromkeys([*ids, *filter(_may_be_reference, texts)]))


def _texts(value: object, depth: int) -> Iterator[str]:
    """All texts in a value, names of members too, and their parts: a text may be a command, or JSON itself."""
    if depth > _DEEPEST:
        raise RecursionError
    match value:
        case dict():
            for name, inner in value.items():
                yield from _texts(name, depth + 1)
                yield from _texts(inner, depth + 1)
        case list():
            for inner in value:
                yield from _texts(inner, depth + 1)
        case str():
            yield from _texts_in(value, depth)


def _texts_in(text: str, depth: int) -> Iterator[str]:
    """A text and its parts: what it holds where it is JSON itself, else its words, with and without variables."""
    yield text
    if text.lstrip()[:1] in ("{", "[", '"') and (inner := decode_json(text.encode())) is not None:
        yield from _texts(inner, depth + 1)
    for part in _BETWEEN.split(text):
        yield part
        if "$" in part:
            yield from _VARIABLE.split(part)


def _may_be_reference(text: str) -> bool:
    """A namespace and a name, in one of its readings, and a tag or a digest (`latest` where neither is said).

    In a word the tag may be anything that is filled in later, so it may be any of theirs.
    """
    if len(text) > _LONGEST or "/" not in text:
        return False
    is_word = not _BETWEEN.search(text)
    return any(one.repository if is_word else one.keys for one in readings(text))
