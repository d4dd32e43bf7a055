"""When a command has ended, however it did: metrics and notifications, which change nothing about how it ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import click

from cleanup.cli import event_loop
from cleanup.cli.options import Measuring, Notifying
from cleanup.cli.output import bug_line, log
from cleanup.cli.sources import place_of
from cleanup.config.settings import Settings, Target
from cleanup.errors import CleanupError, UsageError
from cleanup.stop import Stop
from cleanup.telemetry import Channels, TargetFacts, Watch, make_channels, tell_all

_META = "cleanup.watches"


def watch_of(target: str) -> Watch:
    """What notes how the command fares with the target of this name."""
    watches: dict[str, Watch] = click.get_current_context().meta.setdefault(_META, {})
    return watches.setdefault(target, Watch())


@contextmanager
def telling(
    measuring: Measuring,
    notifying: Notifying | None,
    targets: Sequence[Target],
    settings: Settings,
    *,
    dry_run: bool = False,
) -> Iterator[None]:
    """Tell, when the block has ended, whom the options name. Raises UsageError for options that cannot be."""
    runtime = event_loop.runtime()
    channels = _channels(measuring, notifying.notify if notifying else (), runtime.environment)
    began = runtime.now()
    end = (0, "nothing to do")
    try:
        yield
    except BaseException as error:
        end = _end_of(error)
        raise
    finally:
        if channels and targets:
            _tell(channels, end, _facts(targets, began, end, dry_run), targets[0], settings)


def _channels(measuring: Measuring, notify: Sequence[str], environment: Mapping[str, str]) -> Channels:
    """Where to tell. Raises UsageError, with its place where a configuration names a variable that is not set."""
    try:
        return make_channels(measuring.metrics_file, measuring.pushgateway, notify, environment)
    except UsageError as error:
        raise UsageError(f"{place_of('notify')}{error}") from None


def _end_of(error: BaseException) -> tuple[int, str]:
    """The exit code that an error leads to, and a line about it."""
    if isinstance(error, SystemExit):
        return (error.code if isinstance(error.code, int) else 1), "ended"
    if isinstance(error, CleanupError):
        return error.exit_code, "; ".join(str(error).splitlines())
    return (7, "interrupted") if isinstance(error, KeyboardInterrupt | click.Abort) else (1, bug_line(error))


def _facts(
    targets: Sequence[Target], began: datetime, end: tuple[int, str], dry_run: bool
) -> list[TargetFacts]:
    command = {
        "command": click.get_current_context().info_name,
        "dry_run": dry_run,
        "started_at": began,
        "ended_at": event_loop.runtime().now(),
    }
    return [watch_of(target.name).facts(target, command, end) for target in targets]


def _tell(
    channels: Channels, end: tuple[int, str], all_facts: list[TargetFacts], login: Target, settings: Settings
) -> None:
    """Whatever goes wrong is a warning: the command has done what it did, and its exit code says so."""

    async def tell(_: Stop) -> bool:
        await tell_all(channels, end[0], all_facts, login, settings, event_loop.runtime())
        return True

    try:
        event_loop.read(tell)
    except Exception as error:
        said = str(error) if isinstance(error, CleanupError) else bug_line(error)
        log().warning(f"metrics or notifications were given up: {said}")
