"""The plan file: written whole or not at all, sealed by a digest, and proven when it is read.

JSON Lines (deploy/README.md, The plan file): a header, one line a decision, a summary whose sha256
covers every byte before it.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from cleanup.decision.decisions import Decisions
from cleanup.decision.types import Decision
from cleanup.errors import PolicyError, RecordRejected, UsageError
from cleanup.files import ELSEWHERE, open_regular
from cleanup.kinds import UNDECODABLE, FileKind, require_kind
from cleanup.plan.lines import held_lines, line_of, read_lines, whole_decision
from cleanup.plan.plan import Header, Moment, Plan
from cleanup.plan.proof import Proof
from cleanup.plan.sealed import TOGETHER, Over, SealedFile, encoded, require_version, write_sealed
from cleanup.plan.stored_decisions import StoredDecisions
from cleanup.plan.summary import Summary
from cleanup.policy.language import Policy
from cleanup.policy.load import from_document

PLAN_KEY: Final = "IMAGE_CLEANUP_PLAN_KEY"


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

    write_sealed(path, "plan", _texts(plan), last, elsewhere=elsewhere, over=over)
    return msgspec.structs.replace(plan, summary=summary)


def _hmac(summary: Summary, key: str) -> str:
    """Over the summary, and through its digest over all lines before it."""
    unsealed = msgspec.json.encode(msgspec.structs.replace(summary, hmac_sha256=None))
    return hmac.new(key.encode(), unsealed, hashlib.sha256).hexdigest()


def _texts(plan: Plan) -> Iterator[bytes]:
    yield from encoded([plan.header])
    decisions = plan.decisions
    yield from held_lines(decisions) if isinstance(decisions, Decisions) else encoded(map(line_of, decisions))


def shown_from(path: Path, plan: Plan) -> Plan:
    """The plan that was just written to `path`, its decisions left there as `read_to_show` does."""
    lines = range(1, 1 + len(plan.decisions))
    return msgspec.structs.replace(plan, decisions=StoredDecisions(SealedFile(path, "plan"), lines))


def read(path: Path, key: str | None = None) -> Plan:
    """Read and prove a plan; with a `key` only one that was sealed with it.

    Raises UsageError when there is no such file, RecordRejected when it is not a whole, unchanged plan.
    """
    return _read(SealedFile(path, "plan"), key, to_show=False)


def read_to_show(path: Path) -> Plan:
    """Read and prove a plan, but leave its decisions in the file: there may be a million. Raises as `read` does."""
    return _read(SealedFile(path, "plan"), None, to_show=True)


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
    except UNDECODABLE as error:
        raise RecordRejected(f"the plan {path} is damaged ({error}): plan again") from error


def _read(file: SealedFile, key: str | None, *, to_show: bool) -> Plan:
    """One pass over the file; of all that may be wrong its seal is spoken of first."""
    require_kind(file.path, FileKind.PLAN)
    lines = file.lines()
    plan: _Unsealed | Exception
    try:
        plan = _contents(file, lines, to_show)
    except (*UNDECODABLE, ValueError, PolicyError, RecordRejected) as error:
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
    proof, whole = Proof(file.path, header.target), list[Decision]()
    while batch := list(islice(lines, TOGETHER)):
        if to_show:
            proof.look(read_lines(batch))
        else:
            decided = list(map(whole_decision, batch))
            proof.look(decided)
            whole += decided
    decisions = StoredDecisions(file, range(1, 1 + proof.decisions)) if to_show else tuple(whole)
    return _Unsealed(header, policy, decisions, proof)


def _summary(file: SealedFile, key: str | None) -> Summary:
    """The last line. Raises RecordRejected unless it seals those before it."""
    path = file.path
    try:
        summary = msgspec.json.decode(file.last, type=Summary)
    except UNDECODABLE as error:
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
