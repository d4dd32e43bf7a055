"""What the options of a command line come to: the targets it is about, and the settings they share."""

import os
from typing import Any, Final

from cleanup.cli.options import Connecting, Deleting, Working
from cleanup.cli.sources import configuration, is_given, overruled, spelled, tell_configuration
from cleanup.config.configuration import Origin
from cleanup.config.pins import read_pins
from cleanup.config.settings import Settings, Target, duration, make_target, positive, seconds, user_kinds
from cleanup.config.strict import PLAIN_VARIABLES, require_plain_environment
from cleanup.config.targets import SHARD_VARIABLES, TargetsFile, make_targets, parse_shard, shard_of
from cleanup.errors import UsageError
from cleanup.in_use import InUse
from cleanup.modelarts.auth.names import variables_read

_IN_USE: Final = ("users", "job_history", "in_use")


def targets_of(connecting: Connecting, working: Working) -> tuple[Target, ...]:
    """This process's share of a file of many targets, or the one target that the options name.

    Options win over the environment and that over a configuration; of what --targets gives, the options
    are as its targets and defaults leave it open. Raises UsageError.
    """
    found, options = configuration(), _open_options(connecting, working)
    if found.file is None or not found.is_fleet:
        if connecting.shard is not None:
            raise UsageError("--shard shares out the targets of --targets FILE: give one")
        return _checked((_single(connecting, found.file, options),))
    winning = {}
    if found.origin is not Origin.TARGETS:
        _require_no_place(found.file)
        winning = {key: options[key] for key in ("rate", "concurrency", *_IN_USE, "auth") if is_given(key)}
        winning |= {"policies": ()} if is_given("policy") else {}
    if connecting.shard is None:
        require_plain_environment(os.environ, SHARD_VARIABLES)
    share = parse_shard(connecting.shard, os.environ)
    return _checked(shard_of(make_targets(found.file, options, winning), *share))


def one_target(connecting: Connecting, working: Working) -> Target:
    """The one target of a command that looks at one. Raises UsageError when the targets file has more."""
    targets = targets_of(connecting, working)
    if len(targets) != 1:
        raise UsageError(
            f"this command looks at one target and {configuration().origin} gives {len(targets)}: "
            "name one with --config none, --endpoint and --project-id instead"
        )
    return targets[0]


def pins_of(working: Working) -> InUse:
    """What is pinned by the options and, for whatever target, by a file. Raises UsageError."""
    file = configuration().file
    return read_pins((*(file.pins if file else ()), *working.pins))


def names_a_place(connecting: Connecting) -> bool:
    """Whether options, variables or a configuration say where any service is."""
    return bool(connecting.endpoint or connecting.region or configuration().file)


def settings_of(connecting: Connecting, working: Working, deleting: Deleting | None = None) -> Settings:
    """The settings all targets share. Raises UsageError naming the option, PolicyError of a configuration."""
    tell_configuration()
    deleting = deleting or Deleting()
    deadline = deleting.deadline
    return Settings(
        timeout=positive(seconds(working.timeout, "--timeout"), "--timeout"),
        max_attempts=int(positive(working.max_attempts, "--max-attempts")),
        ca_bundle=connecting.ca_bundle,
        deadline=positive(seconds(deadline, "--deadline"), "--deadline") if deadline else None,
        max_staleness=seconds(deleting.max_staleness, "--max-staleness"),
        settle_timeout=seconds(deleting.settle_timeout, "--settle-timeout"),
        drain_timeout=seconds(deleting.drain_timeout, "--drain-timeout"),
        breaker=deleting.breaker,
    )


def _open_options(connecting: Connecting, working: Working) -> dict[str, Any]:
    """What options say of a target besides where it is."""
    return {
        "workspaces": tuple(dict.fromkeys(connecting.workspace)) or ("0",),
        "auth": connecting.auth,
        "iam_endpoint": connecting.iam_endpoint,
        "rate": working.rate,
        "concurrency": working.concurrency,
        "users": user_kinds(working.users, "--users"),
        "job_history": duration(working.job_history, "--job-history"),
        "in_use": working.in_use,
        "pins": working.pins,
    }


def _single(connecting: Connecting, file: TargetsFile | None, options: dict[str, Any]) -> Target:
    """The target that the options name, with what of a configuration is no option."""
    said = {key: one.value for key, one in configuration().fields.items() if key in ("name", "credentials")}
    place = {
        "endpoint": connecting.endpoint,
        "region": connecting.region,
        "project_id": connecting.project_id,
    }
    pins = {"pins": read_pins((*(file.pins if file else ()), *options["pins"]))}
    return make_target(**options | said | place | dict.fromkeys(overruled()) | pins)


def _require_no_place(file: TargetsFile) -> None:
    """Raise UsageError where an option or a variable names one place, and the configuration many."""
    if given := [
        name for name in ("endpoint", "region", "project_id", "workspace", "iam_endpoint") if is_given(name)
    ]:
        raise UsageError(
            f"{spelled(given[0])} is for one target and {file.path} has {len(file.targets)}: "
            "leave it out or, to use no configuration, give --config none"
        )


def _checked(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """The targets, once what else they make us read of the environment is as it should be. Raises UsageError."""
    logins = (variables_read(target.auth, target.credentials, os.environ) for target in targets)
    require_plain_environment(os.environ, PLAIN_VARIABLES, sorted(frozenset().union(*logins)))
    return targets
