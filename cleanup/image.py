"""One image of the inventory, as typed values; None where the API did not say."""

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

_EPOCH_OF_SENSE = datetime(2000, 1, 1, tzinfo=UTC)


class Status(StrEnum):
    """The states the API documents; anything else is an unknown state, and unknown means keep."""

    INIT = "INIT"
    CREATING = "CREATING"
    CREATE_FAILED = "CREATE_FAILED"
    ERROR = "ERROR"
    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image record; `None` is "the API did not say", never "empty" and never zero.

    Texts are as the API sent them (enumerated ones drift in case: compare without case).
    `size` is in bytes (cleanup/modelarts/API.md). `raw` is the record as the API sent it, compact JSON.
    """

    id: str
    namespace: str | None = None
    name: str | None = None
    tag: str | None = None
    swr_path: str | None = None
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
    raw: msgspec.Raw = msgspec.Raw(b"{}")

    @property
    def label(self) -> str:
        """`namespace/name:tag` for people, `?` where the API did not say."""
        return f"{self.namespace or '?'}/{self.name or '?'}:{self.tag or '?'}"

    @property
    def known_status(self) -> Status | None:
        """The documented status, whatever its case; None when missing or new to us."""
        try:
            return Status((self.status or "").upper())
        except ValueError:
            return None

    @property
    def is_dedicated(self) -> bool:
        """A project's own image, not one of the service's built-in ones."""
        return same_word(self.type, "DEDICATED")

    @property
    def is_private(self) -> bool:
        """Only PRIVATE images can lose their content; an unknown visibility is not PRIVATE."""
        return same_word(self.visibility, "PRIVATE")

    @property
    def content(self) -> str | None:
        """The key of the registry content behind this record; None when the path is unknown."""
        return content_key(self.swr_path)


def same_word(left: str | None, right: str | None) -> bool:
    """Equality of two enumerated values: the API's pages and answers differ in case."""
    if left is None or right is None:
        return left is right
    return left.casefold() == right.casefold()


def content_key(swr_path: str | None) -> str | None:
    """One spelling for one content: no scheme, no case, `:latest` where the tag is left out."""
    if not swr_path or not swr_path.strip():
        return None
    path = swr_path.strip().casefold().removeprefix("https://").removeprefix("http://").rstrip("/")
    last = path.rsplit("/", 1)[-1]
    if ":" in last.partition("@")[0]:
        return path.partition("@")[0]  # a tag says which record is meant, its digest nothing more
    return path if "@" in last else f"{path}:latest"


def makes_sense(moment: datetime | None, now: datetime) -> bool:
    """A time that can be reckoned with: there, not in the future, not before the service was.

    The lower bound catches zero, seconds taken for milliseconds, and dates like 1980.
    """
    return moment is not None and _EPOCH_OF_SENSE <= moment <= now
