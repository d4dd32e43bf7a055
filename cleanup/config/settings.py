"""Where to connect and how hard to work: options and environment in, frozen settings out, or a clear refusal."""

import ipaddress
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Final, TypedDict, Unpack
from urllib.parse import urlsplit

import msgspec

from cleanup.config.strict import require_project, require_region
from cleanup.durations import parse_duration
from cleanup.errors import UsageError
from cleanup.in_use import InUse
from cleanup.modelarts.auth.names import Auth, CredentialNames
from cleanup.modelarts.users.kinds import JOB_HISTORY, Scope, UserKind

MOST_AT_ONCE: Final = 1000  # requests of one target
TOPIC: Final = re.compile(
    r"urn:smn:(?P<region>[a-z0-9-]+):(?P<project>[0-9a-fA-F]{32}):[\w-]{1,255}", re.ASCII
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

DEFAULT_NAME: Final = "default"


class TargetRef(msgspec.Struct, frozen=True, kw_only=True):
    """Which project at which endpoint a plan or a journal is about."""

    name: str
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...]

    def same_place(self, other: "TargetRef") -> bool:
        """The same images are meant, whatever the target is called."""
        return self.same_project(other) and set(self.workspaces) == set(other.workspaces)

    def same_project(self, other: "TargetRef") -> bool:
        """An image's id means the same image."""
        mine, its = (one.endpoint.rstrip("/").casefold() for one in (self, other))
        return (mine, self.project_id) == (its, other.project_id)

    def differs_from(self, here: "TargetRef") -> str | None:
        """What of this place is not as `here`, where the command is connected to, and the option that mends it."""
        if self.same_place(here):
            return None
        if self.project_id != here.project_id:
            return (
                f"project {self.project_id}, not for project {here.project_id}: give --project-id "
                f"{self.project_id}, or plan again for this project"
            )
        if not self.same_project(here):
            return (
                f"the endpoint {self.endpoint}, not for {here.endpoint}: give --endpoint {self.endpoint}, "
                "or plan again for this endpoint"
            )
        options = " ".join(f"--workspace {shlex.quote(one)}" for one in self.workspaces)
        return (
            f"workspaces {', '.join(self.workspaces)}, not for {', '.join(here.workspaces)}: give {options} "
            "again (in a targets file: workspaces)"
        )


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One project to clean up. `rate` in requests a second; `policies` are files and folders;
    `users` are asked whether they use an image, notebooks as far as `in_use` says, jobs that are over for
    `job_history`; `pins` are in use elsewhere. `from_file`: its name stands in the names of its plan and journal."""

    name: str = "default"
    endpoint: str
    project_id: str
    workspaces: tuple[str, ...] = ("0",)
    auth: Auth = Auth.AUTO
    iam_endpoint: str | None = None
    credentials: CredentialNames = CredentialNames()
    rate: float = 10.0
    concurrency: int = 16
    policies: tuple[Path, ...] = ()
    users: tuple[UserKind, ...] = tuple(UserKind)
    job_history: timedelta = JOB_HISTORY
    in_use: Scope = Scope.ALL
    pins: InUse = InUse()
    from_file: bool = False

    @property
    def ref(self) -> TargetRef:
        return TargetRef(
            name=self.name, endpoint=self.endpoint, project_id=self.project_id, workspaces=self.workspaces
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How requests and runs may go, for all targets; durations in seconds."""

    timeout: float = 30.0
    max_attempts: int = 5
    deadline: float | None = None
    max_staleness: float = 300.0
    settle_timeout: float = 120.0
    drain_timeout: float = 25.0
    breaker: int = 20
    ca_bundle: Path | None = None


class TargetFields(TypedDict, total=False):
    """What may be said of a target besides where it is; what is not said is as a Target has it by itself."""

    name: str
    workspaces: tuple[str, ...]
    auth: Auth
    credentials: CredentialNames
    rate: float
    concurrency: int
    policies: tuple[Path, ...]
    users: tuple[UserKind, ...]
    job_history: timedelta
    in_use: Scope
    pins: InUse
    from_file: bool


def make_target(
    *,
    endpoint: str | None = None,
    region: str | None = None,
    project_id: str | None = None,
    iam_endpoint: str | None = None,
    **said: Unpack[TargetFields],
) -> Target:
    """Fill in what follows from the region and refuse what cannot be right.

    Raises UsageError naming the option and the environment variable.
    """
    from_file = said.get("from_file", False)
    if region is not None:
        require_region(region, "region" if from_file else "--region (HUAWEICLOUD_REGION)")
    endpoint = _endpoint(endpoint, region, "endpoint" if from_file else "--endpoint (MODELARTS_ENDPOINT)")
    if said.get("auth") is Auth.NONE and not is_loopback(endpoint):
        raise UsageError(f"--auth none is for loopback addresses only, not for {endpoint}")
    iam = iam_endpoint or (f"https://iam.{region}.myhuaweicloud.com" if region else None)
    target = Target(
        endpoint=endpoint,
        project_id=_project(
            project_id, "project_id" if from_file else "--project-id (HUAWEICLOUD_SDK_PROJECT_ID)"
        ),
        iam_endpoint=_iam(iam, "iam_endpoint" if from_file else "--iam-endpoint (OS_AUTH_URL)"),
        **said,
    )
    positive(target.rate, "--rate")
    if positive(target.concurrency, "--concurrency") > MOST_AT_ONCE:
        raise UsageError(f"--concurrency must be at most {MOST_AT_ONCE}, not {target.concurrency}")
    return target


def _iam(url: str | None, name: str) -> str | None:
    """IAM's URL; OS_AUTH_URL often names the version, which belongs to the path of the call."""
    return checked_url(url, name).removesuffix("/v3") if url else None


def _endpoint(endpoint: str | None, region: str | None, name: str) -> str:
    if not endpoint and not region:
        raise UsageError(
            "no endpoint: give --endpoint (or set MODELARTS_ENDPOINT), or --region (or set HUAWEICLOUD_REGION)"
        )
    return checked_url(endpoint or f"https://modelarts.{region}.myhuaweicloud.com", name)


def _project(project_id: str | None, name: str) -> str:
    if not project_id:
        raise UsageError("no project: give --project-id or set HUAWEICLOUD_SDK_PROJECT_ID")
    return require_project(project_id, name)


def checked_url(url: str, option: str, *, plain_http: bool = False) -> str:
    """The URL without a slash at its end; https unless the host is a loopback address, or `plain_http` may be.

    Raises UsageError for anything else.
    """
    if "@" in url:  # before any message that repeats the URL
        raise UsageError(f"{option} may not carry a user or a password")
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError as error:
        raise UsageError(f"{option} '{url}' is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise UsageError(f"{option} '{url}' is no URL of the form https://host[:port]")
    if parts.query or parts.fragment:
        raise UsageError(f"{option} may not carry a query or a fragment")
    if parts.scheme == "http" and not plain_http and not is_loopback(url):
        raise UsageError(f"{option} '{url}': plain http is for loopback addresses only; use https")
    return url.rstrip("/")


def require_receiver(text: str, option: str) -> None:
    """Raise UsageError for what is not of the form of one to notify; whether a variable is set is not asked."""
    kind, _, rest = text.partition(":")
    match kind:
        case "env":
            if not _VARIABLE.fullmatch(rest):
                raise UsageError(
                    f"{option} env: takes the name of an environment variable, such as env:CLEANUP_HOOK"
                )
        case "smn":
            if not TOPIC.fullmatch(rest):
                raise UsageError(
                    f"{option} {text} is no topic: it is written smn:urn:smn:REGION:PROJECT_ID:TOPIC, "
                    "as the console shows"
                )
        case "slack":
            raise UsageError(
                f"{option} slack: the address of such a hook is a secret: put slack:https://... into a variable "
                f"and give {option} env:NAME"
            )
        case _:
            checked_url(text, option)


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine, by name or by address; no look-up is made."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def positive(number: float, option: str) -> float:
    """The number itself. Raises UsageError unless it is above zero and finite."""
    if not 0 < number < float("inf"):
        raise UsageError(f"{option} must be above zero, not {number:g}")
    return number


def seconds(text: str, option: str) -> float:
    """A duration option such as `30s` or `1h30m`, in seconds; `0s` is zero. Raises UsageError."""
    if text.isdecimal():
        raise UsageError(f"{option} '{text}' has no unit: write {text}s for seconds or {text}m for minutes")
    return duration(text, option).total_seconds()


def duration(text: str, option: str) -> timedelta:
    """A duration option such as `24h`. Raises UsageError."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option} '{text}': {error}") from error


def user_kinds(text: str, option: str) -> tuple[UserKind, ...]:
    """A list such as `notebooks,jobs`, in the order in which they are read. Raises UsageError."""
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in set(UserKind)]:
        raise UsageError(
            f"{option} '{text}': '{unknown[0]}' is no kind of users of images: write some of {','.join(UserKind)}"
        )
    return tuple(kind for kind in UserKind if kind in words)
