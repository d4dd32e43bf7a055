"""One image: its DELETE, and what may be claimed of it. What is in doubt is looked up before anything is said.

The readings of answers are pure; the table they implement is in deploy/README.md, The journal.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from cleanup.errors import InventoryError
from cleanup.image import Image, Status
from cleanup.modelarts import wire
from cleanup.modelarts.client import Client, describe
from cleanup.modelarts.http.messages import Result
from cleanup.outcome import Outcome, Verdict

_NOT_FOUND = frozenset({"modelarts.6797", "modelarts.6404"})
_LOOKS = 3  # at an image that a 404 hides which is not the service's: it may have been a moment's hiccup
_FOREIGN = "which is not the service's own word that there is no such image"
_USED = re.compile(r"\b(in use|(is|being|currently|still) used|used by|occupied)\b", re.IGNORECASE)
_MOST_RESPONSE = 1 << 16
_MOST_NESTING = 500  # a body nested deeper could not be written again


@dataclass(frozen=True)
class Present:
    """The image is there."""

    image: Image


@dataclass(frozen=True)
class Gone:
    """There is no such image, or it is DELETED."""

    answer: Result[Any]


@dataclass(frozen=True)
class Unclear:
    """Nobody can tell; `why` is a sentence."""

    answer: Result[Any]
    why: str


LookUp = Present | Gone | Unclear


async def look_up(client: Client, image_id: str, *, ignore_stop: bool = False) -> LookUp:
    """Whether the image is there; with `ignore_stop` also while a stop is under way. Never raises CleanupError
    once credentials were found."""
    for _ in range(_LOOKS):
        result = await client.get_image(image_id, ignore_stop=ignore_stop)
        if result.status != 404 or _says_not_found(result):
            break
    if _says_not_found(result):
        return Gone(result)
    if result.unreadable:
        return Unclear(result, f"the look-up shows no image: {result.trouble}")
    if result.value is None:
        foreign = f", {_FOREIGN}" if result.status == 404 else ""
        return Unclear(result, f"the look-up {describe(result)}{foreign}")
    return Gone(result) if result.value.known_status is Status.DELETED else Present(result.value)


def _says_not_found(answer: Result[Any]) -> bool:
    """The service's own not-found code, documented with 400 and seen with 404 (API.md, Errors). Any other 404
    is a proxy's, a gateway's, a router's: it proves nothing."""
    if answer.status not in (400, 404):
        return False
    return (wire.decode_error(answer.body).code or "").casefold() in _NOT_FOUND


async def current(client: Client, image_id: str) -> Image | Verdict:
    """The image as it is now, or the verdict that it is gone, or that we may not look.

    Raises InventoryError when nobody can tell.
    """
    match await look_up(client, image_id):
        case Present(image):
            return image
        case Gone(answer):
            return _verdict(answer, Outcome.ALREADY_GONE, attempts=0)
        case Unclear(answer, why) if answer.status in (401, 403):
            return _verdict(answer, Outcome.DENIED, why, attempts=0)
        case Unclear(answer, why):
            raise InventoryError(f"image {image_id} ({answer.label}): {why}")


@dataclass(frozen=True)
class Stale:
    """The DELETE did not leave (again), for its time was over, and the image is still there as far as
    the `attempts` that did leave show."""

    attempts: int


async def delete(
    client: Client,
    image_id: str,
    *,
    force: bool,
    send_before: float = math.inf,
    on_send: Callable[[int], None] = lambda _: None,
) -> Verdict | Stale:
    """Send the DELETE and settle what came of it: one verdict, whatever happens.

    From the monotonic second `send_before` on it does not leave any more; `on_send` is told the
    number of each attempt as it leaves. A cancellation in the middle leaves the outcome to whoever
    looks the image up next.
    """
    began = client.clock()
    answer = await client.delete_image(image_id, force=force, send_before=send_before, on_send=on_send)
    if answer.stale and not answer.doubtful:
        return Stale(answer.attempts)
    reading = (
        Doubt(Outcome.ALREADY_GONE, Outcome.FAILED, None) if answer.stale else read_answer(answer, image_id)
    )
    if isinstance(reading, Doubt):
        found = await look_up(client, image_id, ignore_stop=True)
        if answer.stale and isinstance(found, Present):
            return Stale(answer.attempts)
        reading = _settle(answer, reading, found)
    return msgspec.structs.replace(reading, duration_ms=round((client.clock() - began) * 1000))


@dataclass(frozen=True)
class Doubt:
    """An answer that leaves open whether the image is gone, with what each finding of a look-up means."""

    gone: Outcome
    present: Outcome
    why: str | None


def read_answer(answer: Result[Any], image_id: str) -> Verdict | Doubt:
    """What the answer to a DELETE says of the image `image_id`."""
    if answer.ok:
        return _read_success(answer, image_id)
    if answer.stopped:
        why = f"stopped before it could be sent again; it {describe(answer)}" if answer.attempts else None
        return _unless_doubtful(answer, Outcome.NOT_ATTEMPTED, why)
    if _says_not_found(answer):  # it can also mean that we may not see it
        return Doubt(Outcome.ALREADY_GONE, Outcome.FAILED, None)
    if answer.status == 404:
        return Doubt(Outcome.ALREADY_GONE, Outcome.FAILED, f"it {describe(answer)}, {_FOREIGN}")
    return _unless_doubtful(answer, _refusal(answer))


def _read_success(answer: Result[Any], image_id: str) -> Verdict | Doubt:
    """200 does not mean gone: the body must say so, and of this image (API.md, trap 10)."""
    said = wire.decode_json(answer.body)
    if answer.status == 204:
        return _verdict(answer, Outcome.DELETED)
    if not isinstance(said, dict):
        return Doubt(Outcome.DELETED, Outcome.FAILED, f"answered {answer.status} without a usable body")
    status, named = said.get("status"), said.get("id")
    same = named is None or (isinstance(named, str) and named.casefold() == image_id.casefold())
    if same and answer.status == 200 and isinstance(status, str) and status.upper() == Status.DELETED:
        return _verdict(answer, Outcome.DELETED)
    told = f"status {wire.clean(str(status))}" if same else "another image"
    return Doubt(Outcome.DELETED, Outcome.FAILED, f"answered {answer.status} with {told}")


def _unless_doubtful(answer: Result[Any], outcome: Outcome, why: str | None = None) -> Verdict | Doubt:
    """The outcome as it stands, unless an attempt may have deleted the image after all."""
    if answer.doubtful:
        return Doubt(Outcome.ALREADY_GONE, outcome, why)
    return _verdict(answer, outcome, why)


def _refusal(answer: Result[Any]) -> Outcome:
    if answer.status in (401, 403):
        return Outcome.DENIED
    used = answer.status == 400 and _USED.search(wire.decode_error(answer.body).message or "")
    return Outcome.IN_USE if used or answer.status == 409 else Outcome.FAILED


def _settle(answer: Result[Any], doubt: Doubt, found: LookUp) -> Verdict:
    match found:
        case Gone():
            return _verdict(answer, doubt.gone, _joined(doubt.why, "a look-up shows that the image is gone"))
        case Present(image):
            seen = f"the image is still there ({image.status or 'status unknown'})"
            verdict = _verdict(answer, doubt.present, _joined(doubt.why or _error_message(answer), seen))
            return msgspec.structs.replace(verdict, image_status=image.status)
        case Unclear(_, why):
            return _verdict(answer, Outcome.UNKNOWN, _joined(doubt.why or _error_message(answer), why))


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


def _verdict(
    answer: Result[Any], outcome: Outcome, why: str | None = None, attempts: int | None = None
) -> Verdict:
    """The verdict with its evidence; `why` is our own word where the service's is not enough."""
    said = wire.decode_json(answer.body)
    status = said.get("status") if isinstance(said, dict) else None
    told = None if answer.ok else wire.decode_error(answer.body)
    return Verdict(
        outcome=outcome,
        http_status=answer.status,
        image_status=wire.clean(status) if isinstance(status, str) else None,
        error_code=told.code if told else None,
        error_msg=why or _error_message(answer),
        request_id=answer.request_id,
        attempts=answer.attempts if attempts is None else attempts,
        response=_shown(answer.body, said),
    )


def _error_message(answer: Result[Any]) -> str | None:
    if answer.ok:
        return answer.trouble
    if answer.redirect or answer.status is None:
        return f"{answer.label} {describe(answer)}"
    return answer.trouble or wire.decode_error(answer.body).message


def _shown(body: bytes, said: object) -> object:
    """The body for the journal: as JSON where it is of a sane size and depth, else as bounded text."""
    sane = len(body) <= _MOST_RESPONSE and body.count(b"[") + body.count(b"{") <= _MOST_NESTING
    return said if sane and said is not None else wire.clean(body.decode(errors="replace")) or None
