"""What goes in and what comes out: one call as it was asked, one answer as it shall be delivered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

Record = dict[str, Any]


class Operation(StrEnum):
    """The calls of the image API that the simulator answers, by the names that faults are given for."""

    LIST = "list"
    SHOW = "show"
    DELETE = "delete"
    REGISTER = "register"
    NOTEBOOKS = "notebooks"
    ALL_NOTEBOOKS = "all-notebooks"
    TOKEN = "token"  # noqa: S105 - the name of a call, not a secret
    OTHER = "other"


class Delivery(StrEnum):
    """How an answer reaches the client, if it does."""

    WHOLE = "whole"
    SLOW = "slow"
    DROP = "drop"
    HANG = "hang"


_PATH = re.compile(r"/v1/(?P<project>[^/]+)/(?P<what>images|notebooks)(?:/(?P<id>[^/]+))?/?")
_OPERATIONS = {
    ("GET", "images", False): Operation.LIST,
    ("POST", "images", False): Operation.REGISTER,
    ("GET", "images", True): Operation.SHOW,
    ("DELETE", "images", True): Operation.DELETE,
    ("GET", "notebooks", False): Operation.NOTEBOOKS,
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. `path` and `raw_query` are as sent (percent-encoded), header names in lower case."""

    method: str
    path: str
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    operation: Operation = Operation.OTHER
    project_id: str | None = None
    image_id: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> "Call":
        """Recognise what is asked; anything unknown is `other`."""
        operation, project_id, image_id = _recognise(method, path)
        return cls(
            method=method,
            path=path,
            raw_query=query,
            headers=headers or {},
            body=body,
            operation=operation,
            project_id=project_id,
            image_id=image_id,
            query=dict(parse_qsl(query, keep_blank_values=True)),
        )

    def json(self) -> object:
        """The body as JSON; None when there is none. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body) if self.body.strip() else None


def _recognise(method: str, path: str) -> tuple[Operation, str | None, str | None]:
    if method == "POST" and path.rstrip("/") == "/v3/auth/tokens":
        return Operation.TOKEN, None, None
    if (match := _PATH.fullmatch(path)) is None:
        return Operation.OTHER, None, None
    project, what, last = unquote(match["project"]), match["what"], match["id"]
    if (method, what, last) == ("GET", "notebooks", "all"):
        return Operation.ALL_NOTEBOOKS, project, None
    operation = _OPERATIONS.get((method, what, last is not None), Operation.OTHER)
    return operation, project, unquote(last) if last and what == "images" else None


@dataclass(frozen=True, kw_only=True)
class ApiResponse:
    """One response; `effect` says in one word what the call changed, None when nothing."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    delivery: Delivery = Delivery.WHOLE
    effect: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """One line of the simulator's memory: what was asked, what came of it.

    `status` is None when no answer was sent; `fault` names the misbehaviour that was shown.
    """

    time: datetime
    request_id: str
    operation: Operation
    method: str
    path: str
    query: Mapping[str, str]
    body: str
    image_id: str | None
    status: int | None
    effect: str | None
    fault: str | None


def json_response(status: int, value: object, *, effect: str | None = None, **headers: str) -> ApiResponse:
    """An answer with a JSON body; underscores in header names stand for dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return ApiResponse(status=status, body=msgspec.json.encode(value), headers=named, effect=effect)


def error_response(status: int, code: str, message: str, **headers: str) -> ApiResponse:
    """An answer in the service's form of an error."""
    return json_response(status, {"error_code": code, "error_msg": message}, **headers)
