"""The lines of a plan file that say a decision (deploy/README.md, The plan file): made of one, and read back.

A delete carries the whole record, a keep a part of it; a record that is not as documented is read field by field.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from cleanup.decision.decisions import Decisions
from cleanup.decision.rulings import Ruling
from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.image import Image
from cleanup.image_columns.fields import records_of
from cleanup.modelarts.wire.image_records import Record, decode_image, decode_record, shown
from cleanup.plan.sealed import TOGETHER
from cleanup.policy.patterns import MOST_REMEMBERED

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    action: Action
    reason: Reason
    rule: str | None
    force: bool
    force_withheld: Withheld | None
    detail: str


class DecisionLine(_Decided, frozen=True, kw_only=True, tag_field="kind", tag="decision"):
    image: msgspec.Raw


class ReadLine(_Decided, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="decision"):
    """A line as it is read, the record in it not looked at any further."""

    image: Record


_NO_IMAGE: Final = msgspec.Raw(b"null")
Decided: TypeAlias = Decision | ReadLine
_decode_line = msgspec.json.Decoder(ReadLine).decode
_decode_raw_line = msgspec.json.Decoder(DecisionLine).decode


class _Kept(msgspec.Struct, frozen=True):
    """The part of a record that a keep line carries, each value as the API sent it."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    namespace: msgspec.Raw = msgspec.Raw(b"null")
    name: msgspec.Raw = msgspec.Raw(b"null")
    tag: msgspec.Raw = msgspec.Raw(b"null")
    update_at: msgspec.Raw = msgspec.Raw(b"null")


def line_of(decision: Decision) -> DecisionLine:
    image = decision.image
    return DecisionLine(
        action=decision.action,
        reason=decision.reason,
        rule=decision.rule,
        force=decision.force,
        force_withheld=decision.force_withheld,
        detail=decision.detail,
        image=_kept(image) if decision.action is Action.KEEP else image.raw,
    )


def held_lines(decisions: Decisions) -> Iterator[bytes]:
    """The lines of decisions that need not be made for it, many together.

    Of a delete all that is written lies in the spool; and what stands before it is the same in many lines.
    """
    begun: dict[tuple[Ruling, int, str], bytes] = {}
    for start in range(0, len(decisions.order), TOGETHER):
        numbers = decisions.order[start : start + TOGETHER]
        contents = _contents(decisions, numbers)
        parts: list[bytes] = []
        for number, detail in zip(numbers, decisions.details(numbers), strict=True):
            key = decisions.rulings[number], decisions.forces[number], detail
            if (beginning := begun.get(key)) is None:
                beginning = _beginning(decisions, number, detail)
                if len(begun) < MOST_REMEMBERED:
                    begun[key] = beginning
            parts += beginning, contents[number], b"}\n"
        yield b"".join(parts)


def _contents(decisions: Decisions, numbers: Sequence[int]) -> dict[int, bytes]:
    """What the lines say of the images of these numbers."""
    images, rulings, delete = decisions.images, decisions.rulings, Action.DELETE
    gone = [number for number in numbers if rulings[number].action is delete]
    found: dict[int, bytes] = dict(zip(gone, records_of(images, gone), strict=True))
    for number in numbers if len(gone) < len(numbers) else ():
        if number not in found:
            found[number] = _kept(images[number])
    return found


def _beginning(decisions: Decisions, number: int, detail: str) -> bytes:
    """A decision's line up to the image."""
    ruling = decisions.rulings[number]
    line = DecisionLine(
        action=ruling.action,
        reason=ruling.reason,
        rule=ruling.rule,
        force=decisions.forced(number),
        force_withheld=decisions.withheld(number),
        detail=detail,
        image=_NO_IMAGE,
    )
    return msgspec.json.encode(line).removesuffix(b"%b}" % _NO_IMAGE)


def _kept(image: Image) -> msgspec.Raw:
    """What a keep line carries. Where the API sent what it documents that is known, and the record need not be read."""
    if image.namespace and image.name and image.tag and image.updated_at:
        known = {
            "id": image.id,
            "namespace": image.namespace,
            "name": image.name,
            "tag": image.tag,
            "update_at": (image.updated_at - _EPOCH) // _MILLISECOND,
        }
        return msgspec.Raw(msgspec.json.encode(known))
    return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(image.raw, type=_Kept)))


def read_lines(lines: Iterable[bytes]) -> list[ReadLine]:
    """Very many lines. Raises ValueError, RecursionError for what is no decision."""
    read = list(lines)
    try:
        return list(map(_decode_line, read))
    except (ValueError, RecursionError):  # a value in a record is not as documented: field by field
        return list(map(_read_line, read))


def _read_line(line: bytes) -> ReadLine:
    try:
        return _decode_line(line)
    except (ValueError, RecursionError):
        told = _decode_raw_line(line)
        record, _, _ = decode_record(told.image)
        return ReadLine(image=record, **{name: getattr(told, name) for name in _Decided.__struct_fields__})


def shown_decision(told: ReadLine) -> Decision:
    """The decision, its image with what a report shows."""
    return _decided(told, shown(told.image))


def whole_decision(line: bytes) -> Decision:
    """The decision with the record of its image."""
    told = _decode_raw_line(line)
    return _decided(told, decode_image(told.image))


def _decided(told: _Decided, image: Image) -> Decision:
    return Decision(
        image=image,
        action=told.action,
        reason=told.reason,
        rule=told.rule,
        force=told.force,
        force_withheld=told.force_withheld,
        detail=told.detail,
    )
