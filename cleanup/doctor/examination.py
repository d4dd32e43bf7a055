"""What `doctor` looks at: the way to a target step by step, each step with what to do about it.

Only what reads is sent: GET, the POST that searches training jobs, and a login to IAM where a password is used.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec

from cleanup.config.connect import open_transport
from cleanup.config.settings import Settings, Target
from cleanup.doctor import users
from cleanup.doctor.checks import (
    DENIED,
    GRANT,
    UNREADABLE,
    Check,
    CheckLevel,
    Diagnosis,
    failure,
    ok,
    refused,
    unasked,
    warning,
)
from cleanup.doctor.grants import ALL_NOTEBOOKS, GET_IMAGE, LIST_IMAGES, OWN_NOTEBOOKS
from cleanup.errors import AccessDenied, InventoryError
from cleanup.modelarts.auth.credentials import Credentials
from cleanup.modelarts.auth.names import Auth
from cleanup.modelarts.failures import describe
from cleanup.modelarts.http.messages import Request, Result, segment
from cleanup.modelarts.http.proxies import route
from cleanup.modelarts.http.transport import HARMFUL_SKEW, Transport, as_bytes
from cleanup.modelarts.users.kinds import AskedUsers, UserKind
from cleanup.modelarts.wire.image_records import decode_image
from cleanup.modelarts.wire.json_bodies import decode_page
from cleanup.modelarts.wire.values import Unreadable
from cleanup.runtime import Runtime

_ATTEMPTS = 3  # enough for a hiccup; whoever asks what is wrong does not want to wait for all of them
_SKEW_NOTICED = timedelta(minutes=1)
_NOTES = (
    Check(
        name="delete image",
        level=CheckLevel.NOTE,
        detail="modelarts:image:delete cannot be checked without deleting an image",
        next_step="to try it, register an image of your own, let a policy name its id alone, without force, and "
        "`run --apply` that; then `restore --apply` the journal, which tries modelarts:image:register too",
    ),
    Check(
        name="register image",
        level=CheckLevel.NOTE,
        detail="modelarts:image:register (for restore) cannot be checked without registering an image",
        next_step="it is tried along with delete image, see there",
    ),
)


async def diagnose(target: Target, settings: Settings, runtime: Runtime) -> Diagnosis:
    """All checks of one target, in the order in which one rests on another; read-only.

    Raises UsageError for settings that cannot be used, such as a --ca-bundle that is none.
    """
    settings = msgspec.structs.replace(settings, max_attempts=min(settings.max_attempts, _ATTEMPTS))
    stranger = msgspec.structs.replace(target, auth=Auth.NONE)
    async with AsyncExitStack() as stack:
        anonymous, *_ = await stack.enter_async_context(open_transport(stranger, settings, runtime))
        transport, _, credentials = await stack.enter_async_context(open_transport(target, settings, runtime))
        examination = _Examination(
            target=target,
            wanted=AskedUsers(kinds=target.users, notebooks=target.in_use).wanted,
            proxied=_by_proxy(target.endpoint, runtime.environment),
            anonymous=anonymous,
            transport=transport,
            credentials=credentials,
            now=runtime.now,
        )
        checks = await examination.run()
    return Diagnosis(
        name=target.name,
        endpoint=target.endpoint,
        project_id=target.project_id,
        exit_code=max(check.exit_code for check in checks),
        checks=checks,
    )


def _by_proxy(endpoint: str, environment: Mapping[str, str]) -> bool:
    return route(Request(method="GET", origin=endpoint, path=""), environment).proxy is not None


@dataclass(kw_only=True)
class _Examination:
    """The steps, and what later ones need to know of earlier ones."""

    target: Target
    wanted: tuple[UserKind, ...]
    proxied: bool
    anonymous: Transport
    transport: Transport
    credentials: Credentials[Any]
    now: Callable[[], datetime]
    greeting: Result[bytes] = field(init=False)
    first_page: Result[bytes] = field(init=False)
    others_visible: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.endpoint = urlsplit(self.target.endpoint)

    async def run(self) -> tuple[Check, ...]:
        """Take the steps in order; what a step needs and failed leaves it unchecked."""
        steps: tuple[tuple[str, str | None, Callable[[], Awaitable[Check]]], ...] = (
            ("name", None, self._name),
            ("connection", "name", self._connection),
            ("clock", "connection", self._clock),
            ("credentials", "connection", self._found_credentials),
            ("login", "credentials", self._login),
            ("list images", "login", self._list_images),
            ("get image", "list images", self._get_image),
            ("all notebooks", "login", self._all_notebooks),
            ("own notebooks", "login", self._own_notebooks),
            *((name, "login", step) for name, step in self._of_users()),
        )
        checks: dict[str, Check] = {}
        for name, needed, step in steps:
            if needed and checks[needed].level in (CheckLevel.FAILURE, CheckLevel.NOT_CHECKED):
                checks[name] = Check(name=name, level=CheckLevel.NOT_CHECKED, detail=f"it needs: {needed}")
                continue
            checks[name] = msgspec.structs.replace(await step(), name=name)
        return (*checks.values(), *_NOTES)

    async def _name(self) -> Check:
        host = self.endpoint.hostname or ""
        try:
            found = await anyio.getaddrinfo(host, self.endpoint.port or 443, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            detail = f"{host} cannot be resolved"
            if self.proxied:
                return warning(detail, "none if the proxy of HTTPS_PROXY resolves it; the next line tells")
            return failure(UNREADABLE, detail, "check --endpoint or --region, and this machine's DNS")
        return ok(f"{host} is {', '.join(sorted({str(address[0]) for *_, address in found}))}")

    async def _connection(self) -> Check:
        """Any answer will do: it comes without credentials, so a refusal is what is expected."""
        self.greeting = await self._ask(self.anonymous, "images", type="DEDICATED", limit="1")
        if self.greeting.status is None:
            step = "check --endpoint, firewalls and HTTPS_PROXY; --ca-bundle for a certificate authority of your own"
            return failure(UNREADABLE, self.greeting.trouble or "no answer", step)
        secured = "TLS, its certificate is trusted" if self.endpoint.scheme == "https" else "plain http"
        return ok(f"{self.endpoint.netloc} answers ({secured})")

    async def _clock(self) -> Check:
        if self.greeting.date is None:
            return warning("the service does not tell the time", "compare this machine's clock with NTP")
        ahead = self.now() - self.greeting.date
        seconds = round(abs(ahead).total_seconds())
        detail = f"this machine is {seconds} s {'ahead' if ahead > timedelta() else 'behind'}"
        step = "set this machine's clock (NTP): ages are reckoned by it, and signatures fail at 15 minutes"
        if abs(ahead) < _SKEW_NOTICED:
            return ok(detail)
        if abs(ahead) < HARMFUL_SKEW:
            return warning(detail, step)
        return failure(DENIED, detail, step)

    async def _found_credentials(self) -> Check:
        try:
            return ok(await self.credentials.resolve())
        except AccessDenied as error:
            step = "set what is missing or wrong, or choose another way to log in with --auth"
            return failure(DENIED, str(error), step)
        except InventoryError as error:
            return failure(UNREADABLE, str(error), "check --iam-endpoint (OS_AUTH_URL), and the network")

    async def _login(self) -> Check:
        self.first_page = await self._list(self.target.workspaces[0])
        if self.first_page.ok:
            return ok("the credentials are accepted")
        told = describe(self.first_page)
        if self.first_page.status == 401:
            step = "check that they are current, for this cloud, and that this machine's clock is right"
            return failure(DENIED, f"the credentials are refused: it {told}", step)
        if self.first_page.status == 403:
            return warning(f"it {told}", "see below: a permission, the project id or the keys are wrong")
        step = f"check that {self.target.endpoint} is the endpoint of ModelArts; else try again later"
        return failure(UNREADABLE, f"it {told}", step)

    async def _list_images(self) -> Check:
        """One image of each workspace; the first was asked for at the login."""
        first, *others = self.target.workspaces
        answers = {first: self.first_page} | {one: await self._list(one) for one in others}
        totals = []
        for workspace, answer in answers.items():
            if not answer.ok:
                return refused(answer, LIST_IMAGES, f"workspace {workspace}: ")
            try:
                total = decode_page(answer.body).total
            except Unreadable as error:
                step = f"check that {self.target.endpoint} is the endpoint of ModelArts"
                return failure(UNREADABLE, f"workspace {workspace}: no page of images came: {error}", step)
            totals.append(f"{'?' if total is None else total} in workspace {workspace}")
        return ok(f"images: {', '.join(totals)}")

    async def _get_image(self) -> Check:
        try:
            records = decode_page(self.first_page.body).records
            image = decode_image(records[0])
        except (Unreadable, IndexError):
            detail = f"there is no image in workspace {self.target.workspaces[0]} to look up"
            return Check(level=CheckLevel.NOT_CHECKED, detail=detail)
        answer = await self._ask(self.transport, f"images/{segment(image.id)}")
        if answer.ok:
            return ok(f"{image.id} can be looked up")
        return refused(answer, GET_IMAGE, f"image {image.id}: ")

    async def _all_notebooks(self) -> Check:
        answer = await self._notebooks("notebooks/all")
        self.others_visible = answer.ok
        if answer.ok:
            return self._shown(
                answer, "other users' notebooks are visible: --in-use all protects what they use"
            )
        if UserKind.NOTEBOOKS not in self.wanted:
            hidden = refused(answer, ALL_NOTEBOOKS, "other users' notebooks cannot be seen: ")
            return unasked(hidden, UserKind.NOTEBOOKS)
        if answer.status in (403, 404):
            step = f"grant {ALL_NOTEBOOKS}, or accept the risk with --in-use own"
            return warning(
                f"other users' notebooks are hidden, so --in-use all deletes nothing: it {describe(answer)}",
                step,
            )
        return refused(answer, ALL_NOTEBOOKS, "")

    async def _own_notebooks(self) -> Check:
        answer = await self._notebooks("notebooks")
        if answer.ok:
            return self._shown(answer, "your own notebooks are visible: --in-use own protects what they use")
        if UserKind.NOTEBOOKS not in self.wanted:
            hidden = refused(answer, OWN_NOTEBOOKS, "your own notebooks cannot be seen: ")
            return unasked(hidden, UserKind.NOTEBOOKS)
        if answer.status == 403 and self.others_visible:
            return warning(
                f"--in-use own cannot be used: it {describe(answer)}",
                GRANT.format(OWN_NOTEBOOKS),
            )
        return refused(answer, OWN_NOTEBOOKS, "no plan can be made unless --in-use is off: ")

    def _shown(self, answer: Result[bytes], visible: str) -> Check:
        """What a page of notebooks that came says."""
        try:
            users.shown_page(answer.body)
        except Unreadable as error:
            found = failure(UNREADABLE, f"no page of notebooks came: {error}", "try again")
            return found if UserKind.NOTEBOOKS in self.wanted else unasked(found, UserKind.NOTEBOOKS)
        return ok(visible)

    async def _list(self, workspace: str) -> Result[bytes]:
        return await self._ask(
            self.transport, "images", type="DEDICATED", limit="1", offset="0", workspace_id=workspace
        )

    async def _notebooks(self, path: str) -> Result[bytes]:
        workspace = self.target.workspaces[0]
        spelled = {"workspaceId": workspace, "workspace_id": workspace}  # by the pages, and by the SDK
        return await self._ask(self.transport, path, feature="NOTEBOOK", limit="10", offset="0", **spelled)

    def _of_users(self) -> tuple[tuple[str, Callable[[], Awaitable[Check]]], ...]:
        return users.steps(self._read, self.target.workspaces, self.wanted)

    async def _ask(self, transport: Transport, path: str, **query: str) -> Result[bytes]:
        return await self._send(transport, f"v1/{{}}/{path}", query)

    async def _read(self, path: str, query: Mapping[str, object], *, posted: bool = False) -> Result[bytes]:
        if posted:
            return await self._send(self.transport, path, {}, "POST", msgspec.json.encode(query))
        return await self._send(self.transport, path, {key: str(value) for key, value in query.items()})

    async def _send(
        self,
        transport: Transport,
        path: str,
        query: Mapping[str, str],
        method: str = "GET",
        body: bytes = b"",
    ) -> Result[bytes]:
        request = Request(
            method=method,
            origin=f"{self.endpoint.scheme}://{self.endpoint.netloc}",
            path=f"{self.endpoint.path}/{path.format(segment(self.target.project_id))}",
            query=tuple(query.items()),
            body=body,
        )
        return await transport.request(request, as_bytes)
