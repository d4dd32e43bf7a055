"""The simulator's messages: one call as it was sent, its response, and the line that is kept about both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from cleanup.simulator.routes import Operation

Record = dict[str, Any]


class Delivery(StrEnum):
    """How a response reaches the client, if it does."""

    WHOLE = "whole"
    SLOW = "slow"
    DROP = "drop"
    HANG = "hang"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request. `path` and `raw_query` are as sent (percent-encoded), header names in lower case.

    `parts` are the values of the route's placeholders, e.g. `image_id`.
    """

    operation: Operation = Operation.OTHER
    method: str = "GET"
    path: str = "/"
    parts: Mapping[str, str] = field(default_factory=dict)
    raw_query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def image_id(self) -> str | None:
        """The image that the call is about; None where it is about no single one."""
        return self.parts.get("image_id")

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The query's parameters; of a repeated one the last counts."""
        return dict(parse_qsl(self.raw_query, keep_blank_values=True))

    def json(self) -> object:
        """The body as JSON; None when there is none. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body) if self.body.strip() else None


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

    `status` is None when no response was sent; `fault` names the fault that was shown.
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
    """A response with a JSON body; underscores in header names stand for dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return ApiResponse(status=status, body=msgspec.json.encode(value), headers=named, effect=effect)


def error_response(status: int, code: str, message: str, **headers: str) -> ApiResponse:
    """A response in the service's form of an error."""
    return json_response(status, {"error_code": code, "error_msg": message}, **headers)
