"""What an answer to a DELETE means: one table, printed in API.md (Answers to a DELETE), tested row by row. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from cleanup.image import Image, Status, same_word
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Result, passes
from cleanup.modelarts.wire.error_bodies import ServiceError, decode_error
from cleanup.modelarts.wire.json_bodies import decode_json
from cleanup.modelarts.wire.values import clean
from cleanup.outcome import Outcome

FOREIGN = "which is not the service's own word that there is no such image"
_DELETING = "DELETING"  # no documented state of an image: it is seen on its way out only
_LASTING = frozenset(Status) - {Status.DELETED}
_NOT_FOUND = frozenset({"modelarts.6797", "modelarts.6404"})
# Words are the last evidence: they must say it of the image, and not of a quota, a limit or a token.
_USED = re.compile(
    r"\b(images?|resource|it)\b.{0,100}?\b(in use|(is|being|currently|still) used|used by|occupied|referenced)\b"
    r"|(?<![不未无没])(?<!不能)(?<!无法)(被|正在|仍在).{0,12}?(使用|占用|引用)(?!的)|(使用|占用|引用)中",
    re.IGNORECASE,
)
_OF_SOMETHING_ELSE = re.compile(
    r"\b(quotas?|limit|exceed(s|ed)?|tokens?|credentials?)\b|配额|限额|上限|超过|超出|令牌|凭证",
    re.IGNORECASE,
)


class Look(StrEnum):
    """Whether the image is looked up before anything is said of it."""

    NEVER = "no"
    AFTER_DOUBT = "after a doubt"  # an earlier attempt of the same DELETE may have had its effect
    ONCE = "once"
    WATCHED = "until it is gone"


class _Consequence(NamedTuple):
    """`gone` and `there` are what is said when a look finds the image so; without a look it is `there`.

    `asks_users`: those who use the image are read again, and where one is seen the outcome is `in-use`.
    """

    look: Look
    gone: Outcome
    there: Outcome
    asks_users: bool = False


class Meaning(StrEnum):
    """What an answer says of the image, and with it what follows."""

    STOPPED = "stopped"
    TURNED_AWAY = "turned away"
    IN_DOUBT = "in doubt"
    DONE = "done"
    NOT_DONE = "not done"
    ACCEPTED = "accepted"
    REDIRECTED = "redirected"
    NOT_FOUND = "not found"
    FOREIGN = "somebody else's 404"
    DENIED = "denied"
    IN_USE = "in use"
    REFUSED = "refused"

    @property
    def then(self) -> _Consequence:
        """What follows."""
        return _THEN[self]


_THEN = {
    Meaning.STOPPED: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.NOT_ATTEMPTED),
    Meaning.TURNED_AWAY: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.FAILED),
    Meaning.IN_DOUBT: _Consequence(Look.ONCE, Outcome.ALREADY_GONE, Outcome.FAILED),
    Meaning.DONE: _Consequence(Look.NEVER, Outcome.DELETED, Outcome.DELETED),
    Meaning.NOT_DONE: _Consequence(Look.ONCE, Outcome.DELETED, Outcome.FAILED),
    Meaning.ACCEPTED: _Consequence(Look.WATCHED, Outcome.DELETED, Outcome.UNKNOWN),
    Meaning.REDIRECTED: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.FAILED),
    Meaning.NOT_FOUND: _Consequence(Look.ONCE, Outcome.ALREADY_GONE, Outcome.FAILED),
    Meaning.FOREIGN: _Consequence(Look.ONCE, Outcome.ALREADY_GONE, Outcome.FAILED),
    Meaning.DENIED: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.DENIED),
    Meaning.IN_USE: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.IN_USE, asks_users=True),
    Meaning.REFUSED: _Consequence(Look.AFTER_DOUBT, Outcome.ALREADY_GONE, Outcome.FAILED, asks_users=True),
}


class _Said(msgspec.Struct, frozen=True):
    """An answer with what its body says, read once; `http` is 0 where no answer came."""

    answer: Result[Any]
    image_id: str
    http: int
    body: object
    code: str
    message: str

    @property
    def turned_away(self) -> bool:
        never_left = self.answer.status is None and not self.answer.doubtful
        return never_left or self.http == 429

    @property
    def shows_it(self) -> bool:
        """The body is this image, as far as it says."""
        if not isinstance(self.body, dict):
            return False
        named = self.body.get("id")
        return named is None or (isinstance(named, str) and same_word(named, self.image_id))

    @property
    def state(self) -> str | None:
        """The state in which a 200 shows this very image."""
        status = self.body.get("status") if isinstance(self.body, dict) and self.shows_it else None
        return status.upper() if isinstance(status, str) and self.http == 200 else None

    @property
    def not_found(self) -> bool:
        return self.http in (400, 404) and self.code.casefold() in _NOT_FOUND

    @property
    def blames_use(self) -> bool:
        return bool(_USED.search(self.message)) and not _OF_SOMETHING_ELSE.search(self.message)


@dataclass(frozen=True)
class Row:
    """One kind of answer, in words and as what holds of it, and what it means."""

    answer: str
    means: Meaning
    holds: Callable[[_Said], bool] = field(repr=False)


TABLE = (  # the first row that holds counts
    Row("none: a stop came before it was sent (again)", Meaning.STOPPED, lambda said: said.answer.stopped),
    Row("none, and it never left; or 429", Meaning.TURNED_AWAY, lambda said: said.turned_away),
    Row("none, though it left", Meaning.IN_DOUBT, lambda said: said.answer.status is None),
    Row("408, 425, 500 and above", Meaning.IN_DOUBT, lambda said: passes(said.http)),
    Row("204", Meaning.DONE, lambda said: said.http == 204),
    Row("200 with this image, `DELETED`", Meaning.DONE, lambda said: said.state == Status.DELETED),
    Row(
        "200 with this image, in another documented state",
        Meaning.NOT_DONE,
        lambda said: said.state in _LASTING,
    ),
    Row(
        "200 with this image, `DELETING` or in a state that is new",
        Meaning.ACCEPTED,
        lambda said: said.state is not None,
    ),
    Row(
        "202, or any other 2xx: no body, no JSON, no state, another image",
        Meaning.ACCEPTED,
        lambda said: 200 <= said.http < 300,
    ),
    Row("3xx", Meaning.REDIRECTED, lambda said: 300 <= said.http < 400),
    Row(
        "400 or 404 with `ModelArts.6797` or `ModelArts.6404`",
        Meaning.NOT_FOUND,
        lambda said: said.not_found,
    ),
    Row("any other 404, and 410", Meaning.FOREIGN, lambda said: said.http in (404, 410)),
    Row("401", Meaning.DENIED, lambda said: said.http == 401),
    Row("409", Meaning.IN_USE, lambda said: said.http == 409),
    Row(
        "any other 4xx whose text says that the image is being used",
        Meaning.IN_USE,
        lambda said: said.blames_use,
    ),
    Row("403", Meaning.DENIED, lambda said: said.http == 403),
    Row("400, and anything else", Meaning.REFUSED, lambda _: True),
)


def read_answer(answer: Result[Any], image_id: str) -> Row:
    """The row for what the DELETE of this image was answered."""
    said = _said(answer, image_id)
    for row in TABLE:
        if row.holds(said):
            break
    return row  # the last one always holds


def says_not_found(answer: Result[Any]) -> bool:
    """The service's own not-found code, documented with 400 and seen with 404 (API.md, Errors). Any other 404
    is a proxy's, a gateway's, a router's: it proves nothing."""
    return _said(answer, "").not_found


def is_going(image: Image) -> bool:
    """Whether the service is at work deleting it."""
    return same_word(image.status, _DELETING)


def explain(answer: Result[Any], meaning: Meaning, image_id: str) -> str | None:
    """Our own word for an answer where the service's is not enough."""
    match meaning:
        case Meaning.STOPPED if answer.attempts:
            return f"stopped before it could be sent again; it {describe(answer)}"
        case Meaning.FOREIGN:
            return f"it {describe(answer)}, {FOREIGN}"
        case Meaning.NOT_DONE | Meaning.ACCEPTED:
            return f"answered {answer.status} {_shown(_said(answer, image_id))}"
        case _:
            return None


@lru_cache(maxsize=1)  # what it means and what the journal says of it rest on the same
def decoded(body: bytes) -> object:
    """The body of an answer as plain values, not to be changed; None when it is no JSON."""
    return decode_json(body)


def _said(answer: Result[Any], image_id: str) -> _Said:
    told = ServiceError(None, None) if answer.ok else decode_error(answer.body)
    return _Said(
        answer=answer,
        image_id=image_id,
        http=answer.status or 0,
        body=decoded(answer.body) if answer.ok else None,
        code=told.code or "",
        message=told.message or "",
    )


def _shown(said: _Said) -> str:
    if not isinstance(said.body, dict):
        return "without a usable body"
    if not said.shows_it:
        return "with another image"
    return f"with status {clean(str(said.body.get('status')))}"
