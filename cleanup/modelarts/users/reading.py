"""All kinds of users of images, read together: who uses what, and every doubt whether that is all."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cleanup.errors import InventoryError
from cleanup.in_use import InUse, Use
from cleanup.modelarts.failures import ListingFailed, explained
from cleanup.modelarts.gather import gather
from cleanup.modelarts.users import algorithms, jobs, models, notebooks, services, workflows
from cleanup.modelarts.users.kinds import PERMISSIONS, UserKind
from cleanup.modelarts.users.listing import Reading, UserListing

_READERS: Mapping[UserKind, Callable[[Reading, str], Awaitable[UserListing]]] = {
    UserKind.NOTEBOOKS: notebooks.read,
    UserKind.JOBS: jobs.read,
    UserKind.ALGORITHMS: algorithms.read,
    UserKind.MODELS: models.read,
    UserKind.SERVICES: services.read,
    UserKind.WORKFLOWS: workflows.read,
}
_OF_THE_PROJECT = frozenset({UserKind.WORKFLOWS})  # their list knows no workspaces
_NOBODY = "notebooks --in-use off"


@dataclass(frozen=True, kw_only=True)
class Users:
    """All users of images that were asked: who uses what, how many of each kind, and what is not certain.

    `unseen` are workspaces that are not cleaned and whose users could not be seen; `notes` are for the log.
    """

    in_use: InUse
    counts: Mapping[UserKind, int]
    doubts: tuple[str, ...]
    unseen: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """What became of reading one kind in one workspace."""

    kind: UserKind
    workspace: str
    result: UserListing | ListingFailed | InventoryError


async def read_users(reading: Reading, cleaned: Sequence[str], others: Sequence[str] = ()) -> Users:
    """Every kind that is asked, in all workspaces at once.

    What cannot be read is a doubt; but where a workspace that is not cleaned refuses (403) what the
    cleaned ones show, it is one that may not be entered: it is `unseen`. Raises AccessDenied or
    CredentialsLost when the credentials are refused.
    """
    places = [
        (kind, workspace)
        for kind in reading.asked.wanted
        for workspace in (*cleaned, *others)
        if kind not in _OF_THE_PROJECT or workspace == cleaned[0]
    ]
    reading.progress.asking([kind for kind, _ in places])
    found = await gather(partial(_read_and_tell, reading, *place) for place in places)
    closed = [one for one in found if one.workspace in others and _refused(one.result)]
    failed = [one for one in found if not isinstance(one.result, UserListing) and one not in closed]
    read = {(one.kind, one.workspace): one.result for one in found if isinstance(one.result, UserListing)}
    by_algorithm, unresolved = _by_algorithm(read.values(), reading.asked.wanted)
    doubts = [doubt for listing in read.values() for doubt in listing.doubts]
    doubts += _failures(failed, reading.asked.wanted)
    if UserKind.ALGORITHMS not in {one.kind for one in failed}:
        doubts += unresolved
    return Users(
        in_use=InUse([use for listing in read.values() for use in listing.uses] + by_algorithm),
        counts={
            kind: sum(listing.count for (of, _), listing in read.items() if of is kind)
            for kind in reading.asked.wanted
        },
        doubts=tuple(dict.fromkeys(doubts)),
        unseen=tuple(dict.fromkeys(one.workspace for one in closed)),
        notes=(
            *(note for listing in read.values() for note in listing.notes),
            *(f"workspace {one.workspace}: its {one.kind} cannot be seen ({one.result})" for one in closed),
        ),
    )


async def _read_and_tell(reading: Reading, kind: UserKind, workspace: str) -> _Found:
    found = await _read(reading, kind, workspace)
    reading.progress.answered(kind)
    return found


async def _read(reading: Reading, kind: UserKind, workspace: str) -> _Found:
    """One kind in one workspace; once more when a record went between its list and its detail."""
    for is_last in (False, True):
        try:
            return _Found(kind, workspace, await _READERS[kind](reading, workspace))
        except ListingFailed as error:
            if error.status == 401:
                raise explained(error, PERMISSIONS[kind][0], has_read=reading.client.has_read) from None
            if is_last or not (error.detail and error.status == 404):
                return _Found(kind, workspace, error)
        except InventoryError as error:
            return _Found(kind, workspace, error)
    raise AssertionError


def _refused(result: object) -> bool:
    return isinstance(result, ListingFailed) and result.status == 403 and not result.detail


def _by_algorithm(
    listings: Collection[UserListing], wanted: Collection[UserKind]
) -> tuple[list[Use], list[str]]:
    """The jobs that name an algorithm and no image: with its image, or the doubt which image that is.

    An algorithm that is not listed any more is no proof that its jobs need no image: they run, or can be
    started again. An algorithm that is listed without an image has a preset engine.
    """
    known = {id_: image for listing in listings for id_, image in listing.algorithms.items()}
    uses, doubts = [], []
    for algorithm, user in (one for listing in listings for one in listing.by_algorithm):
        if image := known.get(algorithm):
            uses.append(Use(user=user, swr_path=image))
        elif algorithm not in known:
            asked = UserKind.ALGORITHMS in wanted
            why = "which is not listed" if asked else "and algorithms are not asked (--users)"
            doubts.append(
                f"{user} names no image but the algorithm {algorithm}, {why}: "
                f"it may use any image; wait until it is over and older than --job-history, "
                f"or leave jobs out with {_without(wanted, {UserKind.JOBS})}"
            )
    return uses, doubts


def _failures(failed: Sequence[_Found], wanted: Collection[UserKind]) -> Iterator[str]:
    """One sentence for each failure: what the service said, what to get, and how to go without."""
    absent = {one.kind for one in failed if _is_absent(one.result)}
    for one in failed:
        leave_out = f"leave them out with {_without(wanted, absent | {one.kind})}"
        if one.kind in absent:
            yield f"this region does not offer {one.kind} ({one.result}): {leave_out}"
            continue
        place = "" if one.kind in _OF_THE_PROJECT else f" of workspace {one.workspace}"
        advice = f"get the permission {_permission(one)}" if _is_forbidden(one.result) else "try again"
        yield f"the {one.kind}{place} could not be read completely: {one.result}; {advice}, or {leave_out}"


def _is_forbidden(result: object) -> bool:
    return isinstance(result, ListingFailed) and result.status == 403 and not result.by_clock


def _is_absent(result: object) -> bool:
    return isinstance(result, ListingFailed) and result.is_absent


def _permission(one: _Found) -> str:
    of_list, of_detail = PERMISSIONS[one.kind]
    return of_detail if isinstance(one.result, ListingFailed) and one.result.detail else of_list


def _without(wanted: Collection[UserKind], kinds: Collection[UserKind]) -> str:
    """The option that asks all but these kinds."""
    rest = ",".join(kind for kind in wanted if kind not in kinds)
    return f"--users {rest or _NOBODY} (`users:` in a targets file)"
