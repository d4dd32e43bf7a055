"""What one kind of users of images is read with, and what that comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cleanup.in_use import Use
from cleanup.modelarts.client import Client
from cleanup.modelarts.users.kinds import AskedUsers
from cleanup.progress import Progress


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
