"""The plan file: what was decided, under which policy, for which target, sealed by a digest.

JSON Lines (deploy/README.md, The plan file): a header, one line a decision, a summary whose sha256
covers every byte before it.
"""

import hashlib
import hmac
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, overload

import msgspec

from cleanup.config.settings import TargetRef
from cleanup.decision.decisions import Decisions, parts_of
from cleanup.decision.force import NO_KEY, keys_of
from cleanup.decision.types import Action, Decision, Reason, Withheld
from cleanup.errors import PolicyError, RecordRejected, UsageError
from cleanup.files import ELSEWHERE, open_regular
from cleanup.image import Image, label_of
from cleanup.image_columns import column, moments, record_of, repeated
from cleanup.kinds import FileKind, require_kind
from cleanup.modelarts.wire.image_records import Record, decode_image, evidence, proven, shown
from cleanup.modelarts.wire.values import usable_id
from cleanup.plan.proof import Proof
from cleanup.plan.sealed import SCHEMA, Over, SealedFile, require_version, write_sealed
from cleanup.policy.language import Policy
from cleanup.policy.load import from_document

PLAN_KEY: Final = "IMAGE_CLEANUP_PLAN_KEY"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class PolicyRef(msgspec.Struct, frozen=True, kw_only=True):
    """The policy that was decided by: the digest of its files, their names, and all that they say."""

    sha256: str
    files: tuple[str, ...]
    document: dict[str, Any]


class InventoryRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan was decided on. `in_use` is the scope of notebooks that was asked for, `users` how many
    there were of each kind that was asked; `doubts` says in words why `complete` is false. `unseen` are
    workspaces that could not be read, for which `force` is withheld; `notes` what else the log said.
    `pins_sha256` is over what pins name, whatever their files; `job_history_s` in seconds."""

    images: int
    notebooks: int
    complete: bool
    own: int = 0
    in_use: str = "all"
    pins: int = 0
    pins_sha256: str = ""
    job_history_s: float | None = None
    doubts: tuple[str, ...] = ()
    users: dict[str, int] = {}
    unseen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="plan"):
    schema: int = SCHEMA
    plan_id: str
    created_at: Moment
    expires_at: Moment
    tool_version: str
    target: TargetRef
    policy: PolicyRef
    inventory: InventoryRef
    warnings: tuple[str, ...] = ()
    as_of: Moment | None = None


class _Decided(msgspec.Struct, frozen=True, kw_only=True):
    action: Action
    reason: Reason
    rule: str | None
    force: bool
    force_withheld: Withheld | None
    detail: str


class DecisionLine(_Decided, frozen=True, kw_only=True, tag_field="kind", tag="decision"):
    image: msgspec.Raw


class _ReadLine(_Decided, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="decision"):
    image: Record


_lines_read = msgspec.json.Decoder(_ReadLine)
_raw_lines = msgspec.json.Decoder(DecisionLine)


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


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A plan; `policy` is what its header carries, read."""

    header: Header
    policy: Policy
    decisions: Sequence[Decision]
    summary: Summary

    @property
    def deletes(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.decisions if decision.action is Action.DELETE)


class _Kept(msgspec.Struct, frozen=True):
    """The part of a record that a keep line carries, each value as the API sent it."""

    id: msgspec.Raw = msgspec.Raw(b"null")
    namespace: msgspec.Raw = msgspec.Raw(b"null")
    name: msgspec.Raw = msgspec.Raw(b"null")
    tag: msgspec.Raw = msgspec.Raw(b"null")
    update_at: msgspec.Raw = msgspec.Raw(b"null")


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
    hashes, sizes = keys_of(images) if keys is None else keys, column(images, "size")
    # Nearly every content has one record; only the keys of the others need to be held together.
    shared = repeated(map(hashes.__getitem__, numbers))
    odd = [images[number] for number in numbers if hashes[number] == NO_KEY]
    shared.update(hash((one.content or "").removeprefix(f"{one.registry}/")) for one in odd)
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


def in_plan_order(decisions: Iterable[Decision]) -> Sequence[Decision]:
    """Deletes first and oldest first, then keeps by name; ties by id, so that one inventory gives one plan."""
    held = decisions if isinstance(decisions, Decisions) else tuple(decisions)
    parts = parts_of(held)
    ids, updated = column(parts.images, "id"), moments(parts.images, "updated_at").values
    namespaces, names, tags = (column(parts.images, name) for name in ("namespace", "name", "tag"))
    rulings = parts.rulings
    # In steps, for a sort keeps the order of what is equal to it: a million keys of several parts take much room.
    by_id = sorted(parts.numbers, key=ids.__getitem__)
    deletes = [number for number in by_id if rulings[number].action is Action.DELETE]
    deletes.sort(key=updated.__getitem__)
    keeps = [number for number in by_id if rulings[number].action is Action.KEEP]
    keeps.sort(key=lambda number: label_of(namespaces[number], names[number], tags[number]))
    if isinstance(held, Decisions):
        return held.in_order(chain(deletes, keeps))
    return tuple(held[number] for number in chain(deletes, keeps))


def write(
    plan: Plan, path: Path, key: str | None = None, *, elsewhere: str = ELSEWHERE, over: Over = Over.NOTHING
) -> Plan:
    """Write the plan, whole or not at all, and return it with its digest; `key` seals it with an HMAC too.

    It may take the place of what `over` says. Raises UsageError when the file cannot be written;
    `elsewhere` is what to do then, for people.
    """
    summary = plan.summary

    def last(digest: str) -> Summary:
        nonlocal summary
        summary = msgspec.structs.replace(summary, sha256=digest)
        if key:
            summary = msgspec.structs.replace(summary, hmac_sha256=_hmac(summary, key))
        return summary

    write_sealed(path, "plan", _lines(plan), last, elsewhere=elsewhere, over=over)
    return msgspec.structs.replace(plan, summary=summary)


def _hmac(summary: Summary, key: str) -> str:
    """Over the summary, and through its digest over all lines before it."""
    unsealed = msgspec.json.encode(msgspec.structs.replace(summary, hmac_sha256=None))
    return hmac.new(key.encode(), unsealed, hashlib.sha256).hexdigest()


def _lines(plan: Plan) -> Iterator[Header | DecisionLine]:
    yield plan.header
    decisions = plan.decisions
    if isinstance(decisions, Decisions):
        yield from (_held_line(decisions, number) for number in decisions.order)
    else:
        yield from map(_line, decisions)


def _line(decision: Decision) -> DecisionLine:
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


def _held_line(decisions: Decisions, number: int) -> DecisionLine:
    """The same of a decision that need not be made for it: of a delete all that is written lies in the spool."""
    ruling, images = decisions.rulings[number], decisions.images
    keep = ruling.action is Action.KEEP
    return DecisionLine(
        action=ruling.action,
        reason=ruling.reason,
        rule=ruling.rule,
        force=decisions.forced(number),
        force_withheld=decisions.withheld(number),
        detail=decisions.detail(number),
        image=_kept(images[number]) if keep else record_of(images, number),
    )


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


class StoredDecisions(Sequence[Decision]):
    """Decisions of a plan that was proven, read from its file once more each time they are gone through.

    Their images say what a report shows, or all that a policy may ask. Raises UsageError,
    RecordRejected when the file was changed meanwhile.
    """

    def __init__(
        self, file: SealedFile, places: range, decide: Callable[[bytes], Decision] | None = None
    ) -> None:
        self._file = file
        self._places = places
        self._decide = decide or _shown

    @property
    def evidence(self) -> "StoredDecisions":
        """The same decisions, the images of deletes with all that a policy may ask: a keep's line has no more."""
        return StoredDecisions(self._file, self._places, _evident)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Decision: ...
    @overload
    def __getitem__(self, place: slice) -> "StoredDecisions": ...
    def __getitem__(self, place: int | slice) -> "Decision | StoredDecisions":
        if isinstance(place, slice):
            return StoredDecisions(self._file, self._places[place], self._decide)
        line = self._places[place]
        return next(iter(StoredDecisions(self._file, range(line, line + 1), self._decide)))

    def __iter__(self) -> Iterator[Decision]:
        return map(self._decide, self.lines())

    def lines(self) -> Iterator[bytes]:
        """Their lines, as they stand in the file."""
        return self._file.again(self._places.start, self._places.stop)

    @staticmethod
    def decode(line: bytes) -> Decision:
        """The decision of a line, as it is shown."""
        return _shown(line)


def shown_from(path: Path, plan: Plan) -> Plan:
    """The plan that was just written to `path`, its decisions left there as `read_to_show` does."""
    lines = range(1, 1 + len(plan.decisions))
    return msgspec.structs.replace(plan, decisions=StoredDecisions(SealedFile(path, "plan"), lines))


def read(path: Path, key: str | None = None) -> Plan:
    """Read and prove a plan; with a `key` only one that was sealed with it.

    Raises UsageError when there is no such file, RecordRejected when it is not a whole, unchanged plan.
    """
    return _read(SealedFile(path, "plan"), key, to_show=False)


class _Lifetime(msgspec.Struct, frozen=True):
    expires_at: Moment


def expiry(path: Path) -> datetime:
    """When the plan expires, as its first line says, unproven.

    Raises UsageError when there is no such file, RecordRejected when it is no plan.
    """
    try:
        with open_regular(path) as file:
            return msgspec.json.decode(file.readline(), type=_Lifetime).expires_at
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise RecordRejected(f"the plan {path} is damaged ({error}): plan again") from error


def read_to_show(path: Path) -> Plan:
    """Read and prove a plan, but leave its decisions in the file: there may be a million. Raises as `read` does."""
    return _read(SealedFile(path, "plan"), None, to_show=True)


def _read(file: SealedFile, key: str | None, *, to_show: bool) -> Plan:
    """One pass over the file; of all that may be wrong its seal is spoken of first."""
    require_kind(file.path, FileKind.PLAN)
    lines = file.lines()
    plan: _Unsealed | Exception
    try:
        plan = _contents(file, lines, to_show)
    except (msgspec.MsgspecError, ValueError, PolicyError, RecordRejected) as error:
        for _ in lines:  # the seal is over them, too
            pass
        plan = error
    summary = _summary(file, key)
    if isinstance(plan, RecordRejected):
        raise plan
    if isinstance(plan, Exception):
        raise RecordRejected(f"the plan {file.path} is damaged ({plan}): plan again") from plan
    plan.proof.conclude(summary.delete, summary.keep)
    return Plan(header=plan.header, policy=plan.policy, decisions=plan.decisions, summary=summary)


class _Unsealed(NamedTuple):
    """What a plan file says before its last line, and whether that can be."""

    header: Header
    policy: Policy
    decisions: Sequence[Decision]
    proof: Proof


def _contents(file: SealedFile, lines: Iterator[bytes], to_show: bool) -> _Unsealed:
    first = next(lines, b"")
    require_version(first, file.path, "plan")
    header = msgspec.json.decode(first, type=Header)
    carried = header.policy
    policy = from_document(carried.document, carried.files, carried.sha256)
    proof = Proof(file.path, header.target)
    if not to_show:
        decisions = tuple(map(proof.asked, map(_whole_decision, lines)))
        return _Unsealed(header, policy, decisions, proof)
    for line in lines:
        _prove(line, proof)
    return _Unsealed(header, policy, StoredDecisions(file, range(1, 1 + proof.decisions)), proof)


def _summary(file: SealedFile, key: str | None) -> Summary:
    """The last line. Raises RecordRejected unless it seals those before it."""
    path = file.path
    try:
        summary = msgspec.json.decode(file.last, type=Summary)
    except msgspec.MsgspecError as error:
        raise RecordRejected(
            f"{path} does not end in the summary of a plan: is it a plan? plan again"
        ) from error
    if summary.sha256 != file.sha256:
        raise RecordRejected(
            f"the plan {path} was changed after it was written (its sha256 differs): plan again"
        )
    if key and not hmac.compare_digest((summary.hmac_sha256 or "").encode(), _hmac(summary, key).encode()):
        raise RecordRejected(
            f"the plan {path} is not sealed with the key in {PLAN_KEY}: plan again with that key"
        )
    return summary


def _prove(line: bytes, proof: Proof) -> None:
    """Ask of a line what a plan is proven by: of a keep, as most are, that is its id."""
    try:
        told = _lines_read.decode(line)
        if told.action is Action.KEEP and not told.force:
            proof.kept(usable_id(told.image.id))
            return
    except (ValueError, RecursionError):
        pass
    proof.asked(_decision(line, proven))


def _shown(line: bytes) -> Decision:
    return _decision(line, shown)


def _evident(line: bytes) -> Decision:
    try:
        told = _lines_read.decode(line)
        return _decided(told, (evidence if told.action is Action.DELETE else shown)(told.image))
    except (ValueError, RecursionError):
        return _whole_decision(line)


def _decision(line: bytes, image: Callable[[Record], Image]) -> Decision:
    try:
        told = _lines_read.decode(line)
        return _decided(told, image(told.image))
    except (ValueError, RecursionError):  # a value in its record is not as documented: field by field
        return _whole_decision(line)


def _whole_decision(line: bytes) -> Decision:
    told = _raw_lines.decode(line)
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


def require_policy(plan: Plan, policy: Policy) -> None:
    """Raise RecordRejected unless the plan was made from exactly this policy."""
    carried = plan.header.policy
    if (carried.sha256, carried.document) != (policy.sha256, policy.document):
        raise RecordRejected(
            f"the plan was made from another policy ({', '.join(carried.files)}, sha256 {carried.sha256[:12]}) "
            f"than {', '.join(policy.files)} (sha256 {policy.sha256[:12]}): plan again"
        )


def check_applicable(plan: Plan, target: TargetRef, now: datetime) -> None:
    """Raise RecordRejected unless this plan may be applied to this target now (exit code 8)."""
    header = plan.header
    if other := header.target.differs_from(target):
        raise RecordRejected(f"the plan is for {other}")
    if header.as_of is not None:
        raise RecordRejected(
            "the plan is a forecast (made with --as-of) and cannot be applied: plan again without it"
        )
    if now >= header.expires_at:
        raise RecordRejected(
            f"the plan expired at {header.expires_at:%Y-%m-%d %H:%M:%S} UTC: plan again (--expires gives it more time)"
        )
    if now < header.created_at and (header.created_at - now).total_seconds() > 300:
        raise RecordRejected("the plan was made in the future: is this machine's clock right?")
