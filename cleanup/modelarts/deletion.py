"""One image: its DELETE, and what may be claimed of it. What is in doubt is looked up before anything is said.

What each answer means is the table of `answers.py`.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from cleanup.durations import format_elapsed
from cleanup.errors import CleanupError, InventoryError
from cleanup.image import Image, Status
from cleanup.in_use import Use
from cleanup.modelarts.answers import (
    FOREIGN,
    Look,
    Meaning,
    decoded,
    explain,
    is_going,
    read_answer,
    says_not_found,
)
from cleanup.modelarts.client import Client
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Result
from cleanup.modelarts.wire.error_bodies import decode_error, explanation
from cleanup.modelarts.wire.values import clean
from cleanup.outcome import Outcome, Verdict

_LOOKS = 3  # at an image that a 404 hides which is not the service's: it may have been a moment's hiccup
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0  # seconds between looks at an image that is being deleted
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
        if result.status != 404 or says_not_found(result):
            break
    if says_not_found(result):
        return Gone(result)
    if result.unreadable:
        return Unclear(result, f"the look-up shows no image: {result.trouble}")
    if result.value is None:
        foreign = f", {FOREIGN}" if result.status == 404 else ""
        return Unclear(result, f"the look-up {describe(result)}{foreign}")
    return Gone(result) if result.value.known_status is Status.DELETED else Present(result.value)


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


@dataclass(frozen=True)
class Pending:
    """The service deletes the image and was not done at the last look, which `found` it so: `settle` looks on.

    `began` is the monotonic second at which the deletion did.
    """

    image_id: str
    answer: Result[Any]
    meaning: Meaning
    found: LookUp
    began: float

    @property
    def attempts(self) -> int:
        return self.answer.attempts

    @property
    def verdict(self) -> Verdict:
        """What can be said until more is known."""
        return self.when(self.found, Outcome.UNKNOWN)

    def when(self, found: LookUp, outcome: Outcome, *more: str) -> Verdict:
        """The verdict on what a look found, with `more` to say about it."""
        why = explain(self.answer, self.meaning, self.image_id) or _error_message(self.answer)
        match found:
            case Gone():
                seen, status = "a look-up shows that the image is gone", None
            case Present(image):
                seen, status = f"the image is still there ({image.status or 'status unknown'})", image.status
            case Unclear(_, seen):
                status = None
        verdict = _verdict(self.answer, outcome, _joined(why, seen, *more))
        return msgspec.structs.replace(verdict, image_status=status or verdict.image_status)


async def delete(
    client: Client,
    image_id: str,
    *,
    force: bool,
    who_uses: Callable[[], Awaitable[Use | None]],
    send_before: float = math.inf,
    on_send: Callable[[int], None] = lambda _: None,
) -> Verdict | Pending | Stale:
    """Send the DELETE and find out what came of it, whatever happens.

    From the monotonic second `send_before` on it does not leave any more; `on_send` is told the
    number of each attempt as it leaves. `who_uses` reads the users of the image again, for a refusal
    may be due to one of them. A cancellation in the middle leaves the outcome to whoever looks the
    image up next.
    """
    began = client.clock()
    answer = await client.delete_image(image_id, force=force, send_before=send_before, on_send=on_send)
    if answer.stale and not answer.doubtful:
        return Stale(answer.attempts)
    meaning = read_answer(answer, image_id).means
    if meaning.then.look is Look.NEVER or (meaning.then.look is Look.AFTER_DOUBT and not answer.doubtful):
        verdict = _verdict(answer, meaning.then.there, explain(answer, meaning, image_id))
    else:
        found = await look_up(client, image_id, ignore_stop=True)
        pending = Pending(image_id, answer, meaning, found, began)
        if _may_be_going(found, meaning):
            return pending
        if answer.stale and isinstance(found, Present):
            return Stale(answer.attempts)
        verdict = pending.when(found, _outcome(found, meaning))
    return _timed(await _blamed_on_users(verdict, meaning, who_uses), began, client.clock())


async def settle(
    client: Client, pending: Pending, *, until: float, sleep: Callable[[float], Awaitable[object]]
) -> Verdict:
    """Look at the image until it is gone, or until the monotonic second `until`: then it is `unknown`.

    Goes on during a stop; `sleep` waits seconds. A cancellation leaves it at `pending.verdict`.
    """
    found = await _watch(client, pending.image_id, pending.found, until=until, sleep=sleep, lasts=_is_there)
    now = client.clock()
    if isinstance(found, Gone):
        verdict = pending.when(found, pending.meaning.then.gone)
    else:
        told = (
            f"{format_elapsed(now - pending.began)} after its DELETE (--settle-timeout); `resume` settles it"
        )
        verdict = pending.when(found, Outcome.UNKNOWN, told)
    return _timed(verdict, pending.began, now)


async def settle_doubt(
    client: Client, image_id: str, *, until: float, sleep: Callable[[float], Awaitable[object]]
) -> Image | Verdict:
    """What became of a DELETE that an earlier run sent and nobody wrote down the answer of.

    The image where it is there and nobody is deleting it, else the verdict: gone, or `unknown`. One that
    is being deleted is looked at until the monotonic second `until`; `sleep` waits seconds.
    """
    found = await look_up(client, image_id)
    if _is_going(found):
        found = await _watch(client, image_id, found, until=until, sleep=sleep, lasts=_is_going)
    match found:
        case Gone(answer):
            return _verdict(answer, Outcome.ALREADY_GONE, attempts=0)
        case Unclear(answer, why):
            return _verdict(answer, Outcome.UNKNOWN, f"could not be looked up: {why}", attempts=0)
        case Present(image) if is_going(image):
            why = "it is still being deleted; `resume` looks again"
            return Verdict(outcome=Outcome.UNKNOWN, image_status=image.status, error_msg=why)
        case Present(image):
            return image


async def _watch(
    client: Client,
    image_id: str,
    found: LookUp,
    *,
    until: float,
    sleep: Callable[[float], Awaitable[object]],
    lasts: Callable[[LookUp], bool],
) -> LookUp:
    """Look again, with growing pauses, while what is found `lasts` and there is time; what the last look found."""
    pause = _FIRST_PAUSE
    while lasts(found) and (left := until - client.clock()) > 0:
        await sleep(min(pause, left))
        found = await look_up(client, image_id, ignore_stop=True)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return found


def _may_be_going(found: LookUp, meaning: Meaning) -> bool:
    """Whether to look again: what was accepted need not even have begun."""
    return _is_going(found) or (meaning.then.look is Look.WATCHED and _is_there(found))


def _is_going(found: LookUp) -> bool:
    return isinstance(found, Present) and is_going(found.image)


def _is_there(found: LookUp) -> bool:
    """As far as anybody can tell."""
    return not isinstance(found, Gone)


def _outcome(found: LookUp, meaning: Meaning) -> Outcome:
    match found:
        case Gone():
            return meaning.then.gone
        case Present():
            return meaning.then.there
        case Unclear():
            return Outcome.UNKNOWN


async def _blamed_on_users(
    verdict: Verdict, meaning: Meaning, who_uses: Callable[[], Awaitable[Use | None]]
) -> Verdict:
    """The verdict on a refusal, which may be due to a user of the image: who uses it now is the evidence."""
    if not meaning.then.asks_users or verdict.outcome is not meaning.then.there:
        return verdict
    try:
        use = await who_uses()
        seen = f"used by {use.user}" if use else "no user of it was seen"
    except CleanupError as error:
        use, seen = None, f"its users could not be read again ({error})"
    if use is None and meaning is not Meaning.IN_USE:
        return verdict
    return msgspec.structs.replace(
        verdict, outcome=Outcome.IN_USE, error_msg=_joined(verdict.error_msg, seen)
    )


def _timed(verdict: Verdict, began: float, now: float) -> Verdict:
    return msgspec.structs.replace(verdict, duration_ms=round((now - began) * 1000))


def _joined(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


def _verdict(
    answer: Result[Any], outcome: Outcome, why: str | None = None, attempts: int | None = None
) -> Verdict:
    """The verdict with its evidence; `why` is our own word where the service's is not enough."""
    said = decoded(answer.body)
    status = said.get("status") if isinstance(said, dict) else None
    told = None if answer.ok else decode_error(answer.body)
    return Verdict(
        outcome=outcome,
        http_status=answer.status,
        image_status=clean(status) if isinstance(status, str) else None,
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
    return explanation(answer)


def _shown(body: bytes, said: object) -> object:
    """The body for the journal: as JSON where it is of a sane size and depth, else as bounded text."""
    sane = len(body) <= _MOST_RESPONSE and body.count(b"[") + body.count(b"{") <= _MOST_NESTING
    return said if sane and said is not None else clean(body.decode(errors="replace")) or None
