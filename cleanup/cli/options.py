"""Options that several commands share, as frozen groups; what they come to is for cleanup.cli.fleet."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from cleanup.cli.parsing import FileOrFolder, Option
from cleanup.config.strict import CONFIG_VARIABLE
from cleanup.modelarts.auth.names import Auth
from cleanup.modelarts.users.kinds import Scope, UserKind

_CONNECTING = "Connecting"
_WORKING = "Working"
_TELLING = "Telling"


@dataclass(frozen=True, kw_only=True)
class Connecting:
    """Which target, and as whom."""

    endpoint: Annotated[
        str | None,
        Option(
            envvar="MODELARTS_ENDPOINT",
            help="The service's URL; from the region when left out.",
            metavar="URL",
            panel=_CONNECTING,
        ),
    ] = None
    region: Annotated[
        str | None,
        Option(
            envvar="HUAWEICLOUD_REGION",
            help="For example cn-north-4.",
            metavar="REGION",
            panel=_CONNECTING,
        ),
    ] = None
    project_id: Annotated[
        str | None,
        Option(
            envvar="HUAWEICLOUD_SDK_PROJECT_ID",
            help="The project's id.",
            metavar="ID",
            panel=_CONNECTING,
        ),
    ] = None
    workspace: Annotated[
        tuple[str, ...],
        Option(help="A workspace's id, repeatable; 0 when left out.", metavar="ID", panel=_CONNECTING),
    ] = ()
    auth: Annotated[
        Auth,
        Option(
            envvar="MODELARTS_AUTH",
            help="How to log in. auto: MODELARTS_TOKEN, then OS_USERNAME and OS_PASSWORD, then the vendor's chain.",
            panel=_CONNECTING,
        ),
    ] = Auth.AUTO
    iam_endpoint: Annotated[
        str | None,
        Option(
            envvar="OS_AUTH_URL",
            help="IAM's URL, for passwords; from the region.",
            metavar="URL",
            panel=_CONNECTING,
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option(
            envvar=CONFIG_VARIABLE,
            help="Values behind options and environment, out of a targets file: image-cleanup.yaml in the "
            "current folder when left out; none for no file.",
            metavar="FILE",
            panel=_CONNECTING,
            configured=False,
        ),
    ] = None
    targets: Annotated[
        Path | None,
        Option(
            help="A YAML file of many targets, instead of the one above.",
            metavar="FILE",
            panel=_CONNECTING,
            configured=False,
        ),
    ] = None
    shard: Annotated[
        str | None,
        Option(
            help="I/N, I from 0: this share of the targets. Env: JOB_COMPLETION_INDEX, IMAGE_CLEANUP_SHARDS.",
            metavar="I/N",
            panel=_CONNECTING,
        ),
    ] = None
    ca_bundle: Annotated[
        Path | None,
        Option(
            help="CA certificates to trust instead of the system's.",
            metavar="FILE",
            panel=_CONNECTING,
        ),
    ] = None

    @staticmethod
    def prepare(words: Mapping[str, Any]) -> dict[str, Any]:
        """What a configuration says, by option; `words` are those of the command line."""
        from cleanup.cli.sources import prepare  # here, for help asks no configuration

        return prepare(words)


@dataclass(frozen=True, kw_only=True)
class Working:
    """How hard to work, and what counts as in use."""

    rate: Annotated[float, Option(help="Requests a second, at most.", metavar="N", panel=_WORKING)] = 10.0
    concurrency: Annotated[int, Option(help="Requests at a time, at most.", metavar="N", panel=_WORKING)] = 16
    timeout: Annotated[str, Option(help="For one request.", metavar="DURATION", panel=_WORKING)] = "30s"
    max_attempts: Annotated[int, Option(help="Tries for one request.", metavar="N", panel=_WORKING)] = 5
    in_use: Annotated[
        Scope,
        Option(
            help="Whose notebooks protect their images: all users', only your own, or (off) nobody's.",
            panel=_WORKING,
        ),
    ] = Scope.ALL
    users: Annotated[
        str,
        Option(
            help="Who is asked whether he uses an image; leave out by name what this region does not have.",
            metavar="LIST",
            panel=_WORKING,
        ),
    ] = ",".join(UserKind)
    job_history: Annotated[
        str,
        Option(
            help="A training job that is over can be started again: for so long its image counts as used.",
            metavar="DURATION",
            panel=_WORKING,
        ),
    ] = "30d"
    pins: Annotated[
        tuple[Path, ...],
        Option(
            help="A file of images in use elsewhere: ids, namespace/name:tag or registry paths, one a line; "
            "repeatable.",
            metavar="FILE",
            panel=_WORKING,
            configured=False,
        ),
    ] = ()


@dataclass(frozen=True, kw_only=True)
class Deleting:
    """How a run may go and when it ends."""

    deadline: Annotated[
        str | None,
        Option(
            help="Stop starting deletes in time to end by then, e.g. 50m.",
            metavar="DURATION",
            panel=_WORKING,
        ),
    ] = None
    max_staleness: Annotated[
        str,
        Option(
            help="No DELETE on an older observation; 0s looks every image up first.",
            metavar="DURATION",
            panel=_WORKING,
        ),
    ] = "5m"
    settle_timeout: Annotated[
        str,
        Option(
            help="How long a deletion that was accepted and is not done yet is looked at.",
            metavar="DURATION",
            panel=_WORKING,
        ),
    ] = "2m"
    drain_timeout: Annotated[
        str,
        Option(
            help="How long requests in flight may take after a signal.",
            metavar="DURATION",
            panel=_WORKING,
        ),
    ] = "25s"
    breaker: Annotated[
        int,
        Option(
            min=0,
            help="Stop after so many bad results in a row; 0 never does.",
            metavar="N",
            panel=_WORKING,
        ),
    ] = 20


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """Where metrics go when the command has ended, however it does."""

    metrics_file: Annotated[
        Path | None,
        Option(
            help="Write metrics there at the end, for the textfile collector of a node exporter.",
            metavar="FILE",
            panel=_TELLING,
        ),
    ] = None
    pushgateway: Annotated[
        str | None,
        Option(help="Push metrics to this Prometheus Pushgateway at the end.", metavar="URL", panel=_TELLING),
    ] = None

    def around(self, words: Mapping[str, Any]) -> AbstractContextManager[None]:
        """In which the command runs; `words` are all of its options."""
        from cleanup.cli.telling import telling  # it needs what requests need

        return telling(self, words)

    @classmethod
    def refuse(cls, words: Mapping[str, Any], error: Exception) -> None:
        """Tell whom the words of a command line name that it was refused."""
        if any(words.get(one.name) for one in fields(cls)):
            from cleanup.cli.telling import tell_refused

            tell_refused(cls, words, error)


@dataclass(frozen=True, kw_only=True)
class Telling(Measuring):
    """Who is told when the command has ended, however it does."""

    notify: Annotated[
        tuple[str, ...],
        Option(
            help="Post a summary at the end: https://..., smn:TOPIC_URN, or env:NAME, a variable that holds "
            "https://... or slack:https://...; repeatable.",
            metavar="WHERE",
            panel=_TELLING,
        ),
    ] = ()


PolicyPaths = Annotated[
    tuple[Path, ...],
    Option("--policy", "-p", help="A policy file or a folder of them; repeatable.", metavar="PATH"),
]
Overwrite = Annotated[
    bool,
    Option(
        "--overwrite",
        help="Replace the old file of that name also where it was changed since it was written; "
        "never another kind of file.",
    ),
]
InventoryPath = Annotated[
    Path | None,
    Option(
        "--inventory",
        help="Decide on this inventory, a file that `inventory` wrote, and ask no service.",
        metavar="FILE",
    ),
]
JournalPath = Annotated[
    Path | None,
    Option(
        type=FileOrFolder(),
        help="Where to write the journal; image-cleanup-RUN_ID.jsonl when left out. A folder with a slash at "
        "its end, and with --targets.",
        metavar="FILE",
    ),
]
Yes = Annotated[
    bool,
    Option(
        "--yes",
        help="Do not ask. Without it what goes is shown on a terminal, and the target's name asked for; "
        "in a pipe nobody is asked.",
    ),
]
Strict = Annotated[
    bool, Option("--strict", help="A warning ends the command with exit 2 before anything is deleted.")
]
