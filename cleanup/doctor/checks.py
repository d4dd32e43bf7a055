"""What a check of `doctor` comes to."""

from enum import StrEnum
from typing import Any

import msgspec

from cleanup.config.configuration import Setting
from cleanup.errors import AccessDenied, InventoryError
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Result

DENIED, UNREADABLE = AccessDenied.exit_code, InventoryError.exit_code
GRANT = "grant {} to this user or agency, and check that the project id is right"


class CheckLevel(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"
    NOTE = "note"
    NOT_CHECKED = "not-checked"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `next_step` is what to do about it; only a failure has an exit code."""

    name: str = ""
    level: CheckLevel
    detail: str
    next_step: str | None = None
    exit_code: int = 0


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The checks of one target, and the exit code they come to."""

    name: str
    endpoint: str
    project_id: str
    exit_code: int
    checks: tuple[Check, ...]
    settings: tuple[Setting, ...] = ()


def ok(detail: str) -> Check:
    return Check(level=CheckLevel.OK, detail=detail)


def warning(detail: str, next_step: str) -> Check:
    return Check(level=CheckLevel.WARNING, detail=detail, next_step=next_step)


def failure(exit_code: int, detail: str, next_step: str) -> Check:
    return Check(level=CheckLevel.FAILURE, detail=detail, next_step=next_step, exit_code=exit_code)


def refused(answer: Result[Any], permission: str, what: str) -> Check:
    """The failure that an answer without success is."""
    detail = f"{what}it {describe(answer)}"
    if answer.status in (401, 403):
        return failure(DENIED, detail, GRANT.format(permission))
    return failure(UNREADABLE, detail, "try again later; the request id helps the service's support")


def unasked(failed: Check, kind: str) -> Check:
    """What is left of a failure about users that the options do not ask: it would matter if they did."""
    step = f"none while {kind} are not asked" + (f"; else {failed.next_step}" if failed.next_step else "")
    return warning(f"{failed.detail}; it does not matter now: {kind} are not asked", step)
