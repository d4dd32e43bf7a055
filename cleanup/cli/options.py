"""Options that several commands share, as frozen groups; `grouped` spells a group out for typer."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from cleanup.cli.output import LogFormat, set_up_logs
from cleanup.config.settings import Target, Terms, make_target, positive, read_pins, seconds
from cleanup.config.targets import parse_shard, read_targets, shard_of
from cleanup.errors import UsageError
from cleanup.in_use import InUse
from cleanup.modelarts.auth.choose import Auth
from cleanup.modelarts.inventory import Scope

_CONNECTING = "Connecting"
_WORKING = "Working"


@dataclass(frozen=True, kw_only=True)
class Connecting:
    """Which target, and as whom."""

    endpoint: Annotated[
        str | None,
        typer.Option(
            envvar="MODELARTS_ENDPOINT",
            help="The service's URL; from the region when left out.",
            metavar="URL",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    region: Annotated[
        str | None,
        typer.Option(
            envvar="HUAWEICLOUD_REGION",
            help="For example cn-north-4.",
            metavar="REGION",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    project_id: Annotated[
        str | None,
        typer.Option(
            envvar="HUAWEICLOUD_SDK_PROJECT_ID",
            help="The project's id.",
            metavar="ID",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    workspace: Annotated[
        list[str] | None,
        typer.Option(
            help="A workspace's id, repeatable; 0 when left out.", metavar="ID", rich_help_panel=_CONNECTING
        ),
    ] = None
    auth: Annotated[
        Auth,
        typer.Option(
            envvar="MODELARTS_AUTH",
            help="How to log in. auto: MODELARTS_TOKEN, then OS_USERNAME and OS_PASSWORD, then the vendor's chain.",
            rich_help_panel=_CONNECTING,
        ),
    ] = Auth.AUTO
    iam_endpoint: Annotated[
        str | None,
        typer.Option(
            envvar="OS_AUTH_URL",
            help="IAM's URL, for passwords; from the region.",
            metavar="URL",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    targets: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file of many targets, instead of the one above.",
            metavar="FILE",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            help="I/N, I from 0: this share of the targets. Env: JOB_COMPLETION_INDEX, IMAGE_CLEANUP_SHARDS.",
            metavar="I/N",
            rich_help_panel=_CONNECTING,
        ),
    ] = None
    log_format: Annotated[
        LogFormat,
        typer.Option(
            help="How logs on stderr look; auto: plain on a terminal, else JSON.",
            callback=set_up_logs,
            rich_help_panel=_CONNECTING,
        ),
    ] = LogFormat.AUTO
    ca_bundle: Annotated[
        Path | None,
        typer.Option(
            help="CA certificates to trust instead of the system's.",
            metavar="FILE",
            rich_help_panel=_CONNECTING,
        ),
    ] = None

    def target(self, working: "Working") -> Target:
        """The one target that the options and the environment name. Raises UsageError."""
        return make_target(
            endpoint=self.endpoint,
            region=self.region,
            project_id=self.project_id,
            workspaces=tuple(dict.fromkeys(self.workspace or ())),
            auth=self.auth,
            iam_endpoint=self.iam_endpoint,
            rate=working.rate,
            concurrency=working.concurrency,
        )

    def fleet(self, working: "Working") -> tuple[Target, ...] | None:
        """This process's share of the targets file, None where there is none. Raises UsageError.

        What a target and the file's defaults leave open is as the other options say.
        """
        if self.targets is None:
            if self.shard is not None:
                raise UsageError("--shard shares out the targets of --targets FILE: give one")
            return None
        defaults: dict[str, Any] = {
            "workspaces": tuple(self.workspace or ()),
            "auth": self.auth,
            "iam_endpoint": self.iam_endpoint,
            "rate": working.rate,
            "concurrency": working.concurrency,
        }
        return shard_of(read_targets(self.targets, defaults), *parse_shard(self.shard, os.environ))

    def one(self, working: "Working") -> Target:
        """The one target of a command that looks at one. Raises UsageError when the targets file has more."""
        targets = self.fleet(working)
        if targets is None:
            return self.target(working)
        if len(targets) != 1:
            raise UsageError(
                f"this command looks at one target and --targets gives {len(targets)}: "
                "name one with --endpoint and --project-id instead"
            )
        return targets[0]


@dataclass(frozen=True, kw_only=True)
class Working:
    """How hard to work, and what counts as in use."""

    rate: Annotated[
        float, typer.Option(help="Requests a second, at most.", metavar="N", rich_help_panel=_WORKING)
    ] = 10.0
    concurrency: Annotated[
        int, typer.Option(help="Requests at a time, at most.", metavar="N", rich_help_panel=_WORKING)
    ] = 16
    timeout: Annotated[
        str, typer.Option(help="For one request.", metavar="DURATION", rich_help_panel=_WORKING)
    ] = "30s"
    max_attempts: Annotated[
        int, typer.Option(help="Tries for one request.", metavar="N", rich_help_panel=_WORKING)
    ] = 5
    in_use: Annotated[
        Scope,
        typer.Option(
            help="Whose notebooks protect their images: all users', only your own, or (off) nobody's.",
            rich_help_panel=_WORKING,
        ),
    ] = Scope.ALL
    pins: Annotated[
        Path | None,
        typer.Option(
            help="A file of images in use elsewhere: ids, namespace/name:tag or registry paths, one a line.",
            metavar="FILE",
            rich_help_panel=_WORKING,
        ),
    ] = None

    def terms(self, connecting: Connecting, deleting: "Deleting | None" = None) -> Terms:
        """The settings all targets share. Raises UsageError naming the option."""
        own = (deleting or Deleting()).terms()
        return Terms(
            timeout=positive(seconds(self.timeout, "--timeout"), "--timeout"),
            max_attempts=int(positive(self.max_attempts, "--max-attempts")),
            ca_bundle=connecting.ca_bundle,
            scope=self.in_use,
            pins=read_pins(self.pins) if self.pins else InUse(),
            **own,
        )


@dataclass(frozen=True, kw_only=True)
class Deleting:
    """How a run may go and when it ends."""

    deadline: Annotated[
        str | None,
        typer.Option(
            help="Stop starting deletes in time to end by then, e.g. 50m.",
            metavar="DURATION",
            rich_help_panel=_WORKING,
        ),
    ] = None
    max_staleness: Annotated[
        str,
        typer.Option(
            help="No DELETE on an older observation; 0s looks every image up first.",
            metavar="DURATION",
            rich_help_panel=_WORKING,
        ),
    ] = "5m"
    drain_timeout: Annotated[
        str,
        typer.Option(
            help="How long requests in hand may take after a signal.",
            metavar="DURATION",
            rich_help_panel=_WORKING,
        ),
    ] = "25s"
    breaker: Annotated[
        int,
        typer.Option(
            min=0,
            help="Stop after so many bad results in a row; 0 never does.",
            metavar="N",
            rich_help_panel=_WORKING,
        ),
    ] = 20

    def terms(self) -> dict[str, Any]:
        return {
            "deadline": positive(seconds(self.deadline, "--deadline"), "--deadline")
            if self.deadline
            else None,
            "max_staleness": seconds(self.max_staleness, "--max-staleness"),
            "drain_timeout": seconds(self.drain_timeout, "--drain-timeout"),
            "breaker": self.breaker,
        }


PolicyPaths = Annotated[
    list[Path],
    typer.Option(
        "--policy",
        "-p",
        help="A policy file or a folder of them; repeatable.",
        show_default=False,
        default_factory=list,
    ),
]
JournalPath = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        help="Where to write the journal; image-cleanup-RUN_ID.jsonl when left out. With --targets a folder.",
        metavar="FILE",
    ),
]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter whose type is an option group by the group's fields, for typer's eyes."""
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if hint in (Connecting, Working, Deleting)}

    def spelled_out(**options: Any) -> None:
        taken = {
            name: group(**{field.name: options.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**options, **taken)

    parameters = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(command).parameters.items()
        if name not in groups
    ]
    for group in groups.values():
        types = get_type_hints(group, include_extras=True)
        parameters += [
            inspect.Parameter(
                f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=types[f.name]
            )
            for f in fields(group)
        ]
    spelled_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    spelled_out.__name__, spelled_out.__doc__ = command.__name__, command.__doc__
    return spelled_out
