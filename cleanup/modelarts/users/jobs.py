"""Training jobs: one that is not over needs its image, and for a while one that is (API.md, Training jobs)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import msgspec

from cleanup.image import EPOCH_OF_SENSE
from cleanup.in_use import Use
from cleanup.modelarts.client import ListCall
from cleanup.modelarts.users.listing import Reading, UserListing
from cleanup.modelarts.wire.json_bodies import Page, decode_object
from cleanup.modelarts.wire.values import (
    Unreadable,
    as_count,
    as_moment,
    as_object,
    as_objects,
    as_text,
    clean,
)

_FINAL = frozenset({"completed", "failed", "terminated"})  # any other phase, also a new one, is not over
# The service's own jobs, which run its own images.
_OWN_KINDS = frozenset({"visualization_job", "autosearch_job", "diag_job", "mrs_job"})


@dataclass(frozen=True)
class TrainingJob:
    """A job as far as it matters; one that needs its image no more has neither images nor algorithms.

    `images` are references; `algorithms` are the saved ones that say the image where the job does not.
    """

    key: str
    user: str
    images: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()


async def read(reading: Reading, workspace: str) -> UserListing:
    """The jobs that need their images. Raises ListingFailed or InventoryError."""
    call = ListCall(
        path="training-job-searches",
        what="training job",
        version="v2",
        posted=True,
        # Newest first: where one goes and one comes between two pages, no older one slips through.
        # No filters: two of them silently look at 31 days only (API.md, trap 23).
        query={
            "sort_by": "create_time",
            "order": "desc",
            "workspace_id": workspace,
            "unified_jobs": True,  # else fine-tuning jobs are left out (API.md, trap 24)
        },
        limit=50,
        numbered=True,
        items="items",
        total=matching,
        decode=partial(_decode, since=reading.now - reading.asked.job_history),
        key=lambda job: job.key,
    )
    found = await reading.client.list_records(call)
    return UserListing(
        uses=tuple(Use(user=job.user, swr_path=image) for job in found.items for image in job.images),
        count=sum(bool(job.images or job.algorithms) for job in found.items),
        doubts=tuple(f"the jobs of workspace {workspace} are not clear: {doubt}" for doubt in found.doubts),
        by_algorithm=tuple((algorithm, job.user) for job in found.items for algorithm in job.algorithms),
    )


def matching(page: Page) -> int | None:
    """How many records there are: `count`, for `total` may count those of other workspaces too.

    None where `count` may be the page's own number, which only an equal `total` rules out: then just an
    empty page is the end.
    """
    if page.count is None:
        return page.total
    own_number = page.count == len(page.records) and page.total != page.count
    return None if own_number else page.count


def _decode(raw: msgspec.Raw, since: datetime) -> TrainingJob:
    """Raises Unreadable for a job that was not over before `since` and does not say which image it uses."""
    record = decode_object(raw)
    metadata, status = as_object(record.get("metadata")), as_object(record.get("status"))
    job_id, phase = as_text(metadata.get("id")), as_text(status.get("phase"))
    owner = as_text(metadata.get("user_name"))
    name = as_text(metadata.get("name")) or job_id or "?"
    user = clean(f"training job {name} ({phase or 'phase unknown'})" + (f", owner {owner}" if owner else ""))
    key = job_id or bytes(raw).decode(errors="replace")
    is_over = (phase or "").strip().casefold() in _FINAL
    over_since = _over_since(metadata, status) if is_over else None
    if over_since and over_since < since:
        return TrainingJob(key, user)
    return TrainingJob(key, user, *_images(record, user))


def _over_since(metadata: Mapping[str, object], status: Mapping[str, object]) -> datetime | None:
    """The latest time that is known of a job that is over: its end, else its start, else its creation.

    None where nobody knows any.
    """
    began, created = as_moment(status.get("start_time")), as_moment(metadata.get("create_time"))
    lasted = as_count(status.get("duration"))
    try:
        ended = began + timedelta(milliseconds=lasted) if began and lasted is not None else began
    except OverflowError:
        return None
    return max((moment for moment in (ended, created) if moment and moment >= EPOCH_OF_SENSE), default=None)


def _images(record: Mapping[str, object], user: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The references in a job, of all its tasks, and the algorithms that have the image where it names none.

    An engine with an id or a name of its own is one of the service's presets. A saved algorithm beside
    neither image nor preset is where the image stands; that of the job counts only where a task says
    nothing, or none names an image. What says none of that may use any image: Unreadable.
    """
    whole = as_object(record.get("algorithm"))
    tasks = [as_object(task.get("algorithm")) for task in as_objects(record.get("tasks"))]
    parts = (whole, *tasks)
    images = tuple(image for part in parts if (image := as_text(_engine(part).get("image_url"))))
    if any(_engine(part).get("image_repo_id") and not _engine(part).get("image_url") for part in parts):
        raise Unreadable(f"{user} names a repository by its id and no image")
    silent = not all(map(_says_something, tasks or [whole]))
    is_own = (as_text(record.get("kind")) or "").casefold() in _OWN_KINDS
    if silent and not _says_something(whole) and not is_own:
        raise Unreadable(f"{user} does not say which image it uses")
    vague = [part for part in tasks if not _says_image(part)]
    if not _says_image(whole) and (silent or not any(map(_says_image, tasks))):
        vague.append(whole)
    return images, tuple(found for part in vague if (found := as_text(part.get("id"))))


def _engine(algorithm: Mapping[str, object]) -> Mapping[str, object]:
    return as_object(algorithm.get("engine"))


def _says_something(algorithm: Mapping[str, object]) -> bool:
    return _says_image(algorithm) or as_text(algorithm.get("id")) is not None


def _says_image(algorithm: Mapping[str, object]) -> bool:
    engine = _engine(algorithm)
    return any(as_text(engine.get(name)) for name in ("image_url", "engine_id", "engine_name"))
