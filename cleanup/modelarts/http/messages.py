"""What goes over the wire: a request, spelled once for signing and for sending, and its answer or none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. `origin` is scheme://host[:port], `path` is percent-encoded; the body is JSON or empty."""

    method: str
    origin: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]

    @property
    def target(self) -> str:
        """Path and query in the one spelling that is both signed and sent."""
        spelled = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(self.query))
        return f"{self.path}?{spelled}" if spelled else self.path

    @property
    def headers(self) -> dict[str, str]:
        """What the body needs to be understood."""
        return {"Content-Type": "application/json"} if self.body else {}

    @property
    def place(self) -> str:
        """Method and URL for people; a query may hold what is nobody's business."""
        return f"{self.method} {self.origin}{self.path}"


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def segment(text: str) -> str:
    """An id as one segment of a path."""
    return quote(text, safe="")


@dataclass(frozen=True)
class Response:
    """An answer. `body` is empty where it was larger than allowed; `oversized` says so."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    oversized: bool = False


@dataclass(frozen=True)
class NoResponse:
    """No answer: why, and whether the request may have reached the service all the same."""

    why: str
    sent: bool
