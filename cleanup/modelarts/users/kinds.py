"""The kinds of users of images, what is asked of them, and what one reading of a kind comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from cleanup.in_use import Use
from cleanup.modelarts.client import Client
from cleanup.progress import Progress


class UserKind(StrEnum):
    """Who is asked whether he uses an image (API.md, Who uses an image)."""

    NOTEBOOKS = "notebooks"
    JOBS = "jobs"
    ALGORITHMS = "algorithms"
    MODELS = "models"
    SERVICES = "services"
    WORKFLOWS = "workflows"


class Scope(StrEnum):
    """Whose notebooks protect their images."""

    ALL = "all"
    OWN = "own"
    OFF = "off"


# What it takes to list a kind, and to look at one of its records (API.md, Permissions).
PERMISSIONS: Mapping[UserKind, tuple[str, str]] = MappingProxyType(
    {
        UserKind.NOTEBOOKS: ("modelarts:notebook:list", "modelarts:notebook:listAllNotebooks"),
        UserKind.JOBS: ("modelarts:trainJob:list", "modelarts:trainJob:list"),
        UserKind.ALGORITHMS: ("modelarts:aiAlgorithm:list", "modelarts:aiAlgorithm:list"),
        UserKind.MODELS: ("modelarts:model:list", "modelarts:model:get"),
        UserKind.SERVICES: ("modelarts:service:list", "modelarts:service:get"),
        UserKind.WORKFLOWS: ("modelarts:workflow:list", "modelarts:workflow:get"),
    }
)
JOB_HISTORY = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class AskedUsers:
    """Which users are asked: their kinds, whose notebooks, and how long a job that is over counts."""

    kinds: tuple[UserKind, ...] = tuple(UserKind)
    notebooks: Scope = Scope.ALL
    job_history: timedelta = JOB_HISTORY

    @property
    def wanted(self) -> tuple[UserKind, ...]:
        """The kinds that are read; notebooks that are off are none."""
        off = {UserKind.NOTEBOOKS} if self.notebooks is Scope.OFF else set()
        return tuple(kind for kind in UserKind if kind in self.kinds and kind not in off)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a kind of users is read with; `now` is in UTC, `progress` is told which have been read."""

    client: Client
    asked: AskedUsers
    now: datetime
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, kw_only=True)
class UserListing:
    """One kind of users in one workspace. It is complete when there are no `doubts`, which say why it may not be.

    `count` is the number of users that need an image, `notes` are for the log. `algorithms` are those that
    are listed, by id, with their images (None: of a preset engine); `by_algorithm` are jobs that name
    such an id and no image: the id, and the job for people.
    """

    uses: tuple[Use, ...] = ()
    count: int = 0
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    algorithms: Mapping[str, str | None] = field(default_factory=dict)
    by_algorithm: tuple[tuple[str, str], ...] = ()
