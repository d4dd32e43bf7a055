"""The kinds of users of images, and which of them are asked: words of options and files, without a client."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


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
