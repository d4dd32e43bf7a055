"""When a command has ended, however it did: metrics and notifications, which change nothing about how it ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from cleanup.cli import event_loop
from cleanup.cli.options import Measuring
from cleanup.cli.output import bug_line, complain, log
from cleanup.cli.refusals import refusal
from cleanup.cli.sources import place_in_words, place_of
from cleanup.config.settings import Settings, Target, TargetRef
from cleanup.config.strict import require_plain
from cleanup.errors import CleanupError, Interrupted, PolicyError, UsageError
from cleanup.stop import Stop
from cleanup.telemetry import NOBODY, Channels, TargetFacts, Watch, make_channels, tell_all

_META = "cleanup.told"
_READ_ONLY = ("plan", "run")  # without --apply
_PROBLEMS = 5  # of a policy are told


@dataclass
class _Told:
    """What a command has said of itself so far; `targets` is None before it knows them."""

    targets: tuple[Target, ...] | None = None
    settings: Settings | None = None
    watches: dict[str, Watch] = field(default_factory=dict)


def _told() -> _Told:
    told: _Told = click.get_current_context().meta.setdefault(_META, _Told())
    return told


def watch_of(target: str) -> Watch:
    """What notes how the command fares with the target of this name."""
    return _told().watches.setdefault(target, Watch())


def about(targets: Sequence[Target], settings: Settings) -> None:
    """These are the targets that the end of the command is about; none where a shard has no share."""
    _told().targets, _told().settings = tuple(targets), settings


@contextmanager
def telling(measuring: Measuring, words: Mapping[str, Any]) -> Iterator[None]:
    """Tell, when the block has ended, whom the options name; `words` are all options, as far as they are known.

    Raises UsageError for options that cannot be, once all others were told of it. An error is said before anybody is
    told of it, for that may take a while; then SystemExit is raised in its place.
    """
    runtime = event_loop.runtime()
    channels = make_channels(
        measuring.metrics_file, measuring.pushgateway, getattr(measuring, "notify", ()), runtime.environment
    )
    began, end = runtime.now(), (0, "nothing to do")
    with event_loop.terminable():
        try:
            if channels.problem:
                raise UsageError(f"{place_of('notify')}{channels.problem}")
            with _interrupted_honestly():
                yield
        except BaseException as error:
            end = _end_of(error)
            if channels and isinstance(error, CleanupError | click.ClickException):
                complain(refusal(error) if isinstance(error, click.ClickException) else error)
                raise SystemExit(end[0]) from error
            raise
        finally:
            if channels:
                _tell(channels, end, _facts(words, began, end), words)


@contextmanager
def _interrupted_honestly() -> Iterator[None]:
    """A signal that comes when the deleting is over, while a report is written say, is told so: raises Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        if not event_loop.may_have_changed():
            raise
        raise Interrupted("interrupted when the run had ended: what it did stands in its journal") from None


def tell_refused(group: type[Measuring], words: Mapping[str, Any], error: Exception) -> None:
    """Tell that a command line was refused, whom its words name."""
    known = {one.name: words[one.name] for one in fields(group) if _is_plain(words.get(one.name))}
    if "metrics_file" in known:
        known["metrics_file"] = Path(known["metrics_file"])
    with telling(group(**known), words):
        raise error


def _is_plain(words: str | Sequence[str] | None) -> bool:
    try:
        for word in [words] if isinstance(words, str) else words or ("",):
            require_plain("", word)
    except UsageError:
        return False
    return True


def _end_of(error: BaseException) -> tuple[int, str]:
    """The exit code that an error leads to, and a line about it."""
    if isinstance(error, SystemExit):
        return (error.code if isinstance(error.code, int) else 1), "ended"
    if isinstance(error, click.ClickException):
        error = refusal(error)
    if isinstance(error, PolicyError):
        more = len(error.problems) - _PROBLEMS
        lines = [*map(str, error.problems[:_PROBLEMS]), *([f"{more} more"] if more > 0 else [])]
        return error.exit_code, "; ".join(lines)
    if isinstance(error, CleanupError):
        return error.exit_code, "; ".join(str(error).splitlines())
    return (7, "interrupted") if isinstance(error, KeyboardInterrupt | click.Abort) else (1, bug_line(error))


def _facts(words: Mapping[str, Any], began: datetime, end: tuple[int, str]) -> list[TargetFacts]:
    name, told = click.get_current_context().info_name, _told()
    command = {
        "command": name,
        "dry_run": name in _READ_ONLY and not words.get("apply"),
        "started_at": began,
        "ended_at": event_loop.runtime().now(),
    }
    places: list[TargetRef] = [place_in_words(words) or NOBODY]
    if told.targets is not None:
        places = [target.ref for target in told.targets]
    return [watch_of(place.name).facts(place, command, end) for place in places]


def _tell(
    channels: Channels, end: tuple[int, str], all_facts: list[TargetFacts], words: Mapping[str, Any]
) -> None:
    """Whatever goes wrong is a warning: the command has done what it did, and its exit code says so."""
    told = _told()
    login = told.targets[0] if told.targets else None
    ca_bundle = words.get("ca_bundle")
    settings = told.settings or Settings(ca_bundle=Path(ca_bundle) if ca_bundle else None)

    async def tell(_: Stop) -> bool:
        await tell_all(channels, end[0], all_facts, login, settings, event_loop.runtime())
        return True

    try:
        event_loop.read(tell, "some may not have been sent")
    except (Exception, KeyboardInterrupt) as error:
        said = str(error) if isinstance(error, CleanupError) else bug_line(error)
        log().warning(f"metrics or notifications were given up: {said}")
