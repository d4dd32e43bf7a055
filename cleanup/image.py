"""One image of the inventory, as typed values; None where the API did not say."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, cast

import msgspec

from cleanup.reference import BASIC, Reference, common_key, from_fields, host_of, parse_reference
from cleanup.spool import Spool

EPOCH_OF_SENSE = datetime(2000, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    """The states the API documents; anything else is an unknown state, and unknown means keep."""

    INIT = "INIT"
    CREATING = "CREATING"
    CREATE_FAILED = "CREATE_FAILED"
    ERROR = "ERROR"
    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


_STATUSES: Final = {status.value: status for status in Status}  # an enum itself is slow to ask


class Image(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One image record; `None` is "the API did not say", never "empty" and never zero.

    Texts are as the API sent them (enumerated ones drift in case: compare without case).
    `swr_instance_id` names the enterprise registry that holds the content, None is the basic one.
    `size` is in bytes (cleanup/modelarts/API.md). `unreadable` says what of the record could not be read:
    such an image is kept. `record` is what `raw` gives, or its place in the `spool` of the listing.
    """

    id: str
    namespace: str | None = None
    name: str | None = None
    tag: str | None = None
    swr_path: str | None = None
    swr_instance_id: str | None = None
    type: str | None = None
    visibility: str | None = None
    status: str | None = None
    origin: str | None = None
    service_type: str | None = None
    arch: str | None = None
    workspace_id: str | None = None
    description: str | None = None
    size: int | None = None
    resource_tags: dict[str, str] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    unreadable: str | None = None
    record: msgspec.Raw | int = msgspec.Raw(b"{}")
    spool: Spool | None = None

    @property
    def raw(self) -> msgspec.Raw:
        """The record as the API sent it, compact JSON, without what is unreadable.

        Raises InventoryError when a listing's records are not there any more.
        """
        if self.spool is None or isinstance(self.record, msgspec.Raw):
            return cast(msgspec.Raw, self.record)
        return msgspec.Raw(self.spool.read([self.record])[0])

    @property
    def key(self) -> str:
        """The id for comparison: the service's answers differ in case, and so may who edits a plan."""
        return id_key(self.id)

    @property
    def label(self) -> str:
        """`namespace/name:tag` for people, `?` where the API did not say."""
        return label_of(self.namespace, self.name, self.tag)

    @property
    def known_status(self) -> Status | None:
        """The documented status, whatever its case; None when missing or new to us."""
        return known_status(self.status)

    @property
    def is_dedicated(self) -> bool:
        """A project's own image, not one of the service's built-in ones."""
        return same_word(self.type, "DEDICATED")

    @property
    def is_private(self) -> bool:
        """Only PRIVATE images can lose their content; an unknown visibility is not PRIVATE."""
        return same_word(self.visibility, "PRIVATE")

    @property
    def reference(self) -> Reference:
        """What names the content: the record's path, or its own fields for what the path does not say."""
        path, host = self._path, host_of(self.swr_path or "")
        if path.keys:
            return msgspec.structs.replace(path, host=host)
        fields = from_fields(self.namespace, self.name, self.tag, registry=self.registry)
        return Reference(
            registry=self.registry,
            host=host,
            namespace=path.namespace or fields.namespace,
            name=path.name or fields.name,
            tag=path.tag or (None if path.digest else fields.tag),
            digest=path.digest,
        )

    @property
    def content(self) -> str | None:
        """One key for one content: registry, namespace, name and tag, or digest where there is no tag.

        None where the path does not say all of that; the fields alone do not prove where a content lies.
        """
        key = common_key(self.swr_path, self.namespace) or next(iter(self._path.keys), None)
        return f"{self.registry}/{key}" if key else None

    @property
    def registry(self) -> str:
        """The registry of the content: an enterprise instance, or the basic one of all others."""
        return self.swr_instance_id.lower() if self.swr_instance_id else BASIC

    @property
    def _path(self) -> Reference:
        if not self.swr_path:
            return Reference()
        return parse_reference(self.swr_path, registry=self.registry, namespace=self.namespace)


def label_of(namespace: str | None, name: str | None, tag: str | None) -> str:
    """What the label of an image with these fields is."""
    return f"{namespace or '?'}/{name or '?'}:{tag or '?'}"


def id_key(id_: str) -> str:
    """An image's id as it is compared: without case."""
    return id_.lower()


def never_deleted(image: Image) -> str | None:
    """Why no DELETE may name this image, whoever asks for it: built-in, in the making, or perhaps so."""
    return _never_deleted(image.type, image.status)


@lru_cache(maxsize=1000)  # few differ, and a plan asks it of each delete
def _never_deleted(kind: str | None, status: str | None) -> str | None:
    if not same_word(kind, "DEDICATED"):
        return f"not the project's own (type {kind or 'missing'})"
    if known_status(status) in (None, Status.INIT, Status.CREATING):
        return f"it may still be in the making (status {status or 'missing'})"
    return None


def known_status(status: str | None) -> Status | None:
    """The documented status, whatever its case; None when missing or new to us."""
    return _STATUSES.get((status or "").upper())


def same_word(left: str | None, right: str | None) -> bool:
    """Equality of two enumerated values: the API's pages and answers differ in case."""
    if left == right:
        return True
    if left is None or right is None:
        return False
    return left.casefold() == right.casefold()


def makes_sense(moment: datetime | None, now: datetime) -> bool:
    """A time that can be reckoned with: there, not in the future, not before the service was.

    The lower bound catches zero, seconds taken for milliseconds, and dates like 1980.
    """
    return moment is not None and EPOCH_OF_SENSE <= moment <= now
