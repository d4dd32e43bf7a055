"""Whom to tell: options and variables in, checked places out, or a clear refusal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

from cleanup.config.settings import TOPIC, checked_url, require_receiver
from cleanup.config.strict import require_plain_environment
from cleanup.errors import UsageError

T = TypeVar("T")
SMN_ENDPOINT = "SMN_ENDPOINT"


class Shape(StrEnum):
    """How a summary is put for whom it is for."""

    JSON = "json"
    SLACK = "slack"
    SMN = "smn"


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where to post: `origin` is scheme://host[:port] and all that is ever told; the rest may be a secret."""

    origin: str
    path: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Where a topic of the cloud is."""

    region: str
    project_id: str


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One to notify. `topic` is there for SMN, whose requests are signed."""

    shape: Shape
    address: Address
    topic: Topic | None = None


@dataclass(frozen=True, kw_only=True)
class Channels:
    """All that are told when a command has ended; `problem` is what is wrong with one more that was named."""

    metrics_file: Path | None = None
    pushgateway: Address | None = None
    receivers: tuple[Receiver, ...] = ()
    problem: UsageError | None = None

    def __bool__(self) -> bool:
        return bool(self.metrics_file or self.pushgateway or self.receivers)


def make_channels(
    metrics_file: Path | None, pushgateway: str | None, notify: Sequence[str], environment: Mapping[str, str]
) -> Channels:
    """The places that options name; no problem of one repeats what a variable holds."""
    problems: list[UsageError] = []
    receivers = [_unless(problems, _receiver, text, environment) for text in notify]
    return Channels(
        metrics_file=metrics_file,
        pushgateway=_unless(problems, _gateway, pushgateway) if pushgateway else None,
        receivers=tuple(filter(None, receivers)),
        problem=problems[0] if problems else None,
    )


def _unless(problems: list[UsageError], make: Callable[..., T], *given: object) -> T | None:
    """What is made, or None and one problem more: the others shall hear of it."""
    try:
        return make(*given)
    except UsageError as error:
        problems.append(error)
        return None


def _gateway(url: str) -> Address:
    """A Pushgateway has no login of its own and stands on a private name in a cluster, so plain http is fine."""
    return _address(checked_url(url, "--pushgateway", plain_http=True))


def _address(url: str) -> Address:
    parts = urlsplit(url)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return Address(origin=f"{parts.scheme}://{parts.netloc}", path=parts.path, query=query)


def _receiver(text: str, environment: Mapping[str, str]) -> Receiver:
    require_receiver(text, "--notify")
    kind, _, rest = text.partition(":")
    if kind == Shape.SMN:
        return _topic(rest, environment)
    if kind == "env":
        return _from_environment(rest, environment)
    return Receiver(shape=Shape.JSON, address=_address(checked_url(text, "--notify")))


def _from_environment(name: str, environment: Mapping[str, str]) -> Receiver:
    require_plain_environment(environment, (), [name])
    text = environment.get(name, "").rstrip("\r\n")
    if not text:
        raise UsageError(f"--notify env:{name}: the environment variable {name} is not set")
    kind, _, rest = text.partition(":")
    shape = Shape.SLACK if kind == Shape.SLACK else Shape.JSON
    return Receiver(shape=shape, address=_secret_address(rest if shape is Shape.SLACK else text, name))


def _secret_address(url: str, name: str) -> Address:
    """As any address, but with a query, too; nothing of it is repeated where it is wrong."""
    base, _, query = url.partition("?")
    try:
        checked_url(base, name)
    except UsageError:
        raise UsageError(
            f"the environment variable {name} holds no [slack:]https://host/path, without a user (plain http is "
            "for loopback addresses only)"
        ) from None
    return _address(f"{base}?{query}" if query else base)


def _topic(urn: str, environment: Mapping[str, str]) -> Receiver:
    found = TOPIC.fullmatch(urn)
    assert found  # noqa: S101 - require_receiver saw to it
    require_plain_environment(environment, [SMN_ENDPOINT])
    url = environment.get(SMN_ENDPOINT) or f"https://smn.{found['region']}.myhuaweicloud.com"
    base = _address(checked_url(url, SMN_ENDPOINT))
    path = f"{base.path}/v2/{found['project']}/notifications/topics/{urn}/publish"
    address = Address(origin=base.origin, path=path)
    topic = Topic(region=found["region"], project_id=found["project"])
    return Receiver(shape=Shape.SMN, address=address, topic=topic)
