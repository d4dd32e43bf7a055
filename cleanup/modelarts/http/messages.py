"""What goes over the wire: a request, its response or none, and the result of sending it until it is answered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import quote

import msgspec

T = TypeVar("T")
_UNRESERVED = re.compile(r"[0-9A-Za-z._~-]*")  # the same when it is quoted


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `origin` is scheme://host[:port], `path` is percent-encoded; the body is of `content_type`."""

    method: str
    origin: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = "application/json"

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]

    @property
    def target(self) -> str:
        """Path and query in the one spelling that is both signed and sent."""
        return f"{self.path}?{_spelled(self.query)}" if self.query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """What the body needs to be understood."""
        return {"Content-Type": self.content_type} if self.body else {}

    @property
    def label(self) -> str:
        """Method and URL for people; a query may hold what is nobody's business."""
        return f"{self.method} {self.origin}{self.path}"


@lru_cache(maxsize=256)  # few are different, but for the offsets of pages
def _spelled(query: tuple[tuple[str, str], ...]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(query))


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def passes(status: int) -> bool:
    """Whether an answer with this status may be another one in a moment (API.md, Errors)."""
    return status in (408, 425, 429) or status >= 500


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


@dataclass(frozen=True)
class Response:
    """An answer. `body` is empty where it could not be read, larger than allowed or packed; `unread` says why."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    unread: str | None = None


@dataclass(frozen=True)
class NoResponse:
    """No answer: why, and whether the request may have reached the service all the same."""

    why: str
    sent: bool


class Result(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What came of a request in all its attempts. `status` is None when no answer came; `trouble` says why.

    `value` is the body decoded, None unless the status is 2xx; `unreadable`: it is 2xx and could not
    be decoded, which `trouble` explains. `attempts` counts the requests sent. `doubtful`: one of them,
    perhaps not the last, was sent and not answered, or answered with 408, 425 or 5xx, so that it may
    have had its effect. `stopped`: given up because of a stop. `stale`: not sent (again), for its time was over.
    `redirect` is where a 3xx pointed to, `date` the service's clock; `clock` says how far ours is from it,
    where that may be why a 401 or a 403 came.
    """

    label: str
    status: int | None = None
    body: bytes = b""
    value: T | None = None
    request_id: str | None = None
    redirect: str | None = None
    date: datetime | None = None
    trouble: str | None = None
    clock: str | None = None
    attempts: int = 0
    doubtful: bool = False
    stopped: bool = False
    stale: bool = False
    unreadable: bool = False

    @property
    def ok(self) -> bool:
        """A 2xx that could be read."""
        return self.status is not None and 200 <= self.status < 300 and not self.unreadable
