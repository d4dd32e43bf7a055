"""A simulated cloud and the CLI as tests call it; the fixtures that make them are in conftest."""

from collections.abc import Callable
from dataclasses import dataclass

from cleanup.simulator import PROJECT_ID, Service


@dataclass
class Cloud:
    """A simulated project that serves in a thread of its own; `service` is its state."""

    service: Service
    url: str = ""

    @property
    def options(self) -> list[str]:
        return ["--endpoint", self.url, "--project-id", PROJECT_ID, "--auth", "none", "--rate", "2000"]

    @property
    def image_ids(self) -> set[str]:
        return {image["id"] for image in self.service.images}

    @property
    def deleted(self) -> dict[str, bool]:
        """The ids that DELETEs removed, with the force they asked for."""
        return {deletion.image_id: deletion.force for deletion in self.service.deletions}


Serve = Callable[..., Cloud]


@dataclass(frozen=True)
class Called:
    """What one call of the CLI came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


Cli = Callable[..., Called]
