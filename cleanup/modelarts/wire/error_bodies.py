"""What an answer without success says, for people."""

import re
from typing import Any

import msgspec

from cleanup.modelarts.http.messages import Result
from cleanup.modelarts.wire.json_bodies import decode_json
from cleanup.modelarts.wire.values import MOST_TEXT, clean

_TAG = re.compile(r"<[^>]*>")


class ServiceError(msgspec.Struct, frozen=True):
    """What an error body says: `code` such as ModelArts.0203, `message` one bounded line; None when absent."""

    code: str | None
    message: str | None


def decode_error(body: bytes) -> ServiceError:
    """What an error answer says, whatever it is made of: JSON, HTML, nothing, or rubbish. Never raises."""
    told = decode_json(body)
    if isinstance(told, dict):
        nested = told.get("error")  # IAM nests what ModelArts and the gateway put at the top
        source = nested if isinstance(nested, dict) else told
        code = source.get("error_code") or source.get("code")
        message = source.get("error_msg") or source.get("message")
        if isinstance(message, str) or isinstance(code, str):
            return ServiceError(_line(code), _line(message))
    return ServiceError(None, _line(_TAG.sub(" ", body[: 8 * MOST_TEXT].decode(errors="replace"))))


def _line(value: object) -> str | None:
    if isinstance(value, int):
        return str(value)
    return clean(value) or None if isinstance(value, str) else None


def explanation(answer: Result[Any]) -> str | None:
    """What an answer without success says, for people: a wrong clock of ours first, for it may be the reason."""
    told = answer.trouble or decode_error(answer.body).message
    return "; ".join(part for part in (answer.clock, told) if part) or None
