"""One piece of work on one target: all that a use case is given, made by the command line."""

from dataclasses import dataclass
from pathlib import Path

from cleanup.config.settings import Settings, Target
from cleanup.files import ELSEWHERE
from cleanup.modelarts.users.kinds import AskedUsers
from cleanup.progress import Progress
from cleanup.runtime import Runtime
from cleanup.stop import Stop


@dataclass(frozen=True, kw_only=True)
class Job:
    """`run_id` names the run or the plan and sorts by time.

    `plan` is the plan file that is applied or written, `plan_key` what it is sealed with, `journal`
    the one that is written or resumed, and `elsewhere` what to do, for people, where a file of the job
    cannot be written: it names an option only where the command has it.
    """

    target: Target
    settings: Settings
    runtime: Runtime
    stop: Stop
    progress: Progress
    run_id: str
    plan: Path = Path()
    plan_key: str | None = None
    journal: Path = Path()
    elsewhere: str = ELSEWHERE

    @property
    def asked_users(self) -> AskedUsers:
        """Which users of images are asked for this target."""
        return AskedUsers(
            kinds=self.target.users, notebooks=self.target.in_use, job_history=self.target.job_history
        )
