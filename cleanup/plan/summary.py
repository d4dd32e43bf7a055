"""What a plan comes to: counts over its decisions, and the bytes of what is deleted, each content once."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from cleanup.decision.decisions import parts_of
from cleanup.decision.types import Decision, Reason
from cleanup.image import Image
from cleanup.image_columns.coded import repeated
from cleanup.image_columns.fields import column, key_numbers
from cleanup.reference import NO_KEY, key_number


class Summary(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="summary"):
    """Counts over a plan. `bytes` is the size of what is deleted, each content once;
    `bytes_freed` the part whose content goes with `force`; `by_rule` counts deletes."""

    delete: int
    keep: int
    bytes: int
    bytes_freed: int
    sizes_unknown: int
    by_rule: dict[str, int]
    by_reason: dict[str, int]
    over_limits: tuple[str, ...] = ()
    sha256: str = ""
    hmac_sha256: str | None = None


def summarize(decisions: Sequence[Decision], over_limits: Sequence[str] = ()) -> Summary:
    """The counts of a plan; its digest is set when it is written."""
    parts = parts_of(decisions)
    deletes = parts.deletes
    rulings, sizes = parts.rulings, column(parts.images, "size")
    reasons = Counter(rulings[number].reason for number in parts.numbers)
    return Summary(
        delete=len(deletes),
        keep=len(parts.numbers) - len(deletes),
        bytes=_content_bytes(parts.images, deletes, parts.keys),
        # At most one record of a content has `force`.
        bytes_freed=sum(sizes[number] or 0 for number in deletes if parts.forced(number)),
        sizes_unknown=sum(sizes[number] is None for number in deletes),
        by_rule=dict(sorted(Counter(rulings[number].rule or "" for number in deletes).items())),
        by_reason={reason.value: reasons[reason] for reason in Reason if reasons[reason]},
        over_limits=tuple(over_limits),
    )


def content_bytes(images: Iterable[Image]) -> int:
    """Bytes behind the images, each registry content counted once; unknown sizes count nothing."""
    records = tuple(images)
    return _content_bytes(records, range(len(records)), None)


def _content_bytes(images: Sequence[Image], numbers: Sequence[int], keys: "array[int] | None") -> int:
    hashes, sizes = key_numbers(images) if keys is None else keys, column(images, "size")
    # Nearly every content has one record; only the keys of the others need to be held together.
    shared = repeated(map(hashes.__getitem__, numbers))
    odd = [images[number] for number in numbers if hashes[number] == NO_KEY]
    shared.update(key_number((one.content or "").removeprefix(f"{one.registry}/")) for one in odd)
    shared.add(NO_KEY)
    alone, known = 0, dict[str, int]()
    for number in numbers:
        if hashes[number] in shared:
            image = images[number]
            key = image.content or f"id {image.id}"
            known[key] = max(known.get(key, 0), image.size or 0)
        else:
            alone += sizes[number] or 0
    return alone + sum(known.values())
