"""A simulated cloud and the CLI as tests call it; the fixtures that make them are in conftest."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cleanup.cli import main
from cleanup.cli.event_loop import real_runtime
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


class Cli:
    """`cli("plan", "-p", path)` runs the command line in this process, in the world of `runtime`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.runtime = real_runtime()
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Called:
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["image-cleanup", *map(str, arguments)])
        code = 0
        try:
            main(self.runtime)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        captured = self._capsys.readouterr()
        return Called(code, captured.out, captured.err)
