"""As whom to speak: signatures as the vendor makes them, every place a secret can be, and none of them told."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import msgspec
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.auth.internal import MetadataAccessor
from huaweicloudsdkcore.sdk_request import SdkRequest

from cleanup.errors import AccessDenied, CleanupError, InventoryError, UsageError
from cleanup.modelarts.auth.choose import AuthContext, choose
from cleanup.modelarts.auth.credentials import Credentials, Secret
from cleanup.modelarts.auth.names import Auth, CredentialNames
from cleanup.modelarts.auth.password import User
from cleanup.modelarts.auth.signing import Keys, sign
from cleanup.modelarts.http.connection import Connection
from cleanup.modelarts.http.messages import Request
from cleanup.modelarts.http.retry import RetryPolicy
from cleanup.modelarts.http.transport import Transport
from tests.support.stage import (
    LOST,
    NOW,
    REFUSED,
    Stage,
    Time,
    answer,
    make_runtime,
    read_request,
    reply,
    served,
)

# From Python 3.12 on the vendor's library warns of its own use of utcnow().
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning:huaweicloudsdkcore")

GET = Request(method="GET", origin="https://modelarts.test", path="/v1/p1/images", query=(("limit", "200"),))
CANARY = "canary-5f1c"


def request(path: str = "/v1/p1/images", **fields: Any) -> Request:
    return Request(**{"method": "GET", "origin": "https://modelarts.test", "path": path} | fields)


def signed_by_vendor(
    request: Request, query: list[tuple[str, object]], headers: Mapping[str, str], token: str | None
) -> SdkRequest:
    """The same request through the vendor's own credentials, as its SDK signs every call."""
    credentials = BasicCredentials("AK", "SK", "p1").with_security_token(token)
    return credentials.sign_request(
        SdkRequest(
            method=request.method,
            schema="https",
            host=request.host,
            resource_path=request.path,
            query_params=query,
            header_params={"X-Sdk-Date": "20261123T120000Z", **headers},
            body=request.body,
        )
    )


SIGNED: list[tuple[Request, list[tuple[str, object]]]] = [
    (request(), []),
    (request("/"), []),
    (request("/v1/p1/images/c9ab2b2f-edda-4556-bdbb-494e868d043c", method="DELETE"), []),
    (request("/gateway/v1/p1/images/a%20b%252F~%C3%BC%2B%3A", query=(("force", "true"),)), [("force", True)]),
    (
        request(query=(("z", "1"), ("a", "2"), ("a", "10"), ("name", "a+b c/d~é&=*'("))),
        [("z", 1), ("a", ["2", "10"]), ("name", "a+b c/d~é&=*'(")],
    ),
    (request(query=(("empty", ""), ("A", "x"), ("a", "y"))), [("empty", ""), ("A", "x"), ("a", "y")]),
    (request(method="POST", body=b'{"swr_path": "swr/n/i:1", "description": "\xc3\xbc"}'), []),
    (request(origin="https://127.0.0.1:8443"), []),
]


@pytest.mark.parametrize(("ours", "query"), SIGNED)
@pytest.mark.parametrize("token", [None, "TOKEN"])
def test_signatures_are_the_vendors_own(
    ours: Request, query: list[tuple[str, object]], token: str | None
) -> None:
    vendors = signed_by_vendor(ours, query, ours.headers, token)
    headers = sign(ours, Keys("AK", "SK", token), ours.headers | {"X-Project-Id": "p1"}, NOW)
    assert headers == vendors.header_params
    assert ours.target == vendors.uri


def test_a_signature_stays_what_it_was() -> None:
    """Frozen from the vendor's library, so that a change on both sides is seen."""
    headers = sign(GET, Keys("AK", "SK", "TOKEN"), {"X-Project-Id": "p1"}, NOW)
    assert headers == {
        "X-Project-Id": "p1",
        "X-Sdk-Date": "20261123T120000Z",
        "X-Security-Token": "TOKEN",
        "Host": "modelarts.test",
        "Authorization": "SDK-HMAC-SHA256 Access=AK, "
        "SignedHeaders=host;x-project-id;x-sdk-date;x-security-token, "
        "Signature=87d3c83b49e1e89d96c8dddbb833d37a071f8c3a2327b6a5d9b10152c122c461",
    }


def context(
    environment: Mapping[str, str],
    connection: object = None,
    *,
    now: Callable[[], datetime] = lambda: NOW,
    iam: str | None = "https://iam.test",
    ca_bundle: Path | None = None,
    time: Time | None = None,
) -> AuthContext:
    runtime = replace(make_runtime(time or Time(), environment), now=now)
    return AuthContext(
        runtime=runtime,
        transport=Transport(cast(Connection, connection), runtime, RetryPolicy(3)),
        project_id="p1",
        iam_endpoint=iam,
        ca_bundle=ca_bundle,
    )


async def headers_of(auth: Auth, environment: Mapping[str, str], **names: str) -> Mapping[str, str]:
    headers, _ = await choose(auth, CredentialNames(**names), context(environment)).headers(GET)
    return headers


class TestTheChoice:
    AKSK: Mapping[str, str] = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
    PASSWORD: Mapping[str, str] = {"OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_USER_DOMAIN_NAME": "d"}
    TOKEN: Mapping[str, str] = {"MODELARTS_TOKEN": "T"}

    async def test_none(self) -> None:
        assert await headers_of(Auth.NONE, self.AKSK) == {}

    async def test_a_ready_token(self) -> None:
        assert await headers_of(Auth.TOKEN, {"MODELARTS_TOKEN": " T\n"}) == {"X-Auth-Token": "T"}
        assert await headers_of(Auth.TOKEN, {"MINE": "T2"}, token_env="MINE") == {"X-Auth-Token": "T2"}

    async def test_access_keys(self) -> None:
        headers = await headers_of(Auth.AKSK, self.AKSK)
        assert headers == sign(GET, Keys("AK", "SK"), {"X-Project-Id": "p1"}, NOW)

    async def test_temporary_access_keys(self) -> None:
        headers = await headers_of(Auth.AKSK, {**self.AKSK, "HUAWEICLOUD_SDK_SECURITY_TOKEN": "T"})
        assert headers == sign(GET, Keys("AK", "SK", "T"), {"X-Project-Id": "p1"}, NOW)

    async def test_named_access_keys_do_not_mix_with_the_usual_ones(self) -> None:
        environment = {
            "VISION_AK": "AK1",
            "VISION_SK": "SK1",
            "HUAWEICLOUD_SDK_SECURITY_TOKEN": "T",
            **self.TOKEN,
        }
        headers = await headers_of(Auth.AUTO, environment, ak_env="VISION_AK", sk_env="VISION_SK")
        assert headers == sign(GET, Keys("AK1", "SK1"), {"X-Project-Id": "p1"}, NOW)
        environment["VISION_TOKEN"] = "T1"
        names = {"ak_env": "VISION_AK", "sk_env": "VISION_SK", "security_token_env": "VISION_TOKEN"}
        headers = await headers_of(Auth.AUTO, environment, **names)
        assert headers == sign(GET, Keys("AK1", "SK1", "T1"), {"X-Project-Id": "p1"}, NOW)

    @pytest.mark.parametrize(
        ("environment", "names", "source"),
        [
            ({**AKSK, **PASSWORD, **TOKEN}, {}, "the token in MODELARTS_TOKEN"),
            ({**AKSK, **PASSWORD}, {}, "the password of OS_USERNAME and OS_PASSWORD"),
            ({**AKSK, "OS_USERNAME": "u"}, {}, "AK/SK from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"),
            (
                {**AKSK, "HUAWEICLOUD_SDK_SECURITY_TOKEN": "T"},
                {},
                "AK/SK from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK with HUAWEICLOUD_SDK_SECURITY_TOKEN",
            ),
            ({**TOKEN, "A": "AK", "S": "SK"}, {"ak_env": "A", "sk_env": "S"}, "AK/SK from A and S"),
            ({**TOKEN, "MINE": "T"}, {"token_env": "MINE"}, "the token in MINE"),
            (
                {**TOKEN, "U": "u", "P": "p", "D": "d"},
                {"username_env": "U", "password_env": "P", "domain_env": "D"},
                "the password of U and P",
            ),
        ],
    )
    async def test_auto(self, environment: dict[str, str], names: dict[str, str], source: str) -> None:
        stage = Stage(otherwise=issued())
        credentials = choose(Auth.AUTO, CredentialNames(**names), context(environment, stage))
        assert await credentials.resolve() == source

    @pytest.mark.parametrize(
        ("auth", "environment", "names", "missing"),
        [
            (Auth.TOKEN, {}, {}, "MODELARTS_TOKEN is not set"),
            (Auth.TOKEN, {"MODELARTS_TOKEN": " \n"}, {}, "MODELARTS_TOKEN is not set"),
            (Auth.TOKEN, TOKEN, {"token_env": "MINE"}, "MINE is not set"),
            (Auth.PASSWORD, {"OS_USERNAME": "u", "OS_PASSWORD": "p"}, {}, "OS_USER_DOMAIN_NAME is not set"),
            (Auth.PASSWORD, {}, {}, "OS_USERNAME is not set"),
            (Auth.AKSK, AKSK, {"ak_env": "MINE"}, "MINE is not set"),
            (Auth.AKSK, AKSK, {"security_token_env": "MINE"}, "MINE is not set"),
            (Auth.TOKEN, {"MODELARTS_TOKEN": f"{CANARY}\nX-Evil: 1"}, {}, "MODELARTS_TOKEN has characters"),
        ],
    )
    async def test_what_is_missing_is_named(
        self, auth: Auth, environment: dict[str, str], names: dict[str, str], missing: str
    ) -> None:
        with pytest.raises(AccessDenied, match=missing) as caught:
            await choose(auth, CredentialNames(**names), context(environment)).headers(GET)
        assert CANARY not in told(caught.value)

    async def test_a_password_needs_an_iam(self) -> None:
        with pytest.raises(UsageError, match="--iam-endpoint"):
            await choose(Auth.PASSWORD, CredentialNames(), context(self.PASSWORD, iam=None)).resolve()


class TestProfiles:
    FILE = (
        f"[basic]\nak = b\nsk = b\n[vision]\nak = AK\nsk = S%K\nsecurity_token = T\n[half]\nak = {CANARY}\n"
    )

    def environment(self, folder: Path, content: str) -> dict[str, str]:
        (folder / "credentials").write_text(content)
        return {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(folder / "credentials")}

    async def test_a_profile(self, tmp_path: Path) -> None:
        headers = await headers_of(Auth.AUTO, self.environment(tmp_path, self.FILE), profile="vision")
        assert headers == sign(GET, Keys("AK", "S%K", "T"), {"X-Project-Id": "p1"}, NOW)

    async def test_the_usual_place_is_in_the_home_folder(self, tmp_path: Path) -> None:
        (tmp_path / ".huaweicloud").mkdir()
        self.environment(tmp_path / ".huaweicloud", self.FILE)
        headers = await headers_of(Auth.AKSK, {"HOME": str(tmp_path)}, profile="basic")
        assert headers == sign(GET, Keys("b", "b"), {"X-Project-Id": "p1"}, NOW)

    @pytest.mark.parametrize("profile", ["none", "half"])
    async def test_a_profile_that_is_not_there(self, tmp_path: Path, profile: str) -> None:
        with pytest.raises(AccessDenied, match=rf"credentials has no section \[{profile}\]") as caught:
            await headers_of(Auth.AKSK, self.environment(tmp_path, self.FILE), profile=profile)
        assert CANARY not in told(caught.value)

    @pytest.mark.parametrize(
        "content", [f"{CANARY} = 1", f"[vision]\n{CANARY}", f"[vision]\nak=1\nak={CANARY}"]
    )
    async def test_a_file_that_is_none(self, tmp_path: Path, content: str) -> None:
        with pytest.raises(AccessDenied, match="cannot be read") as caught:
            await headers_of(Auth.AKSK, self.environment(tmp_path, content), profile="vision")
        assert CANARY not in told(caught.value)

    async def test_a_rotated_profile_is_read_again(self, tmp_path: Path) -> None:
        environment = self.environment(tmp_path, self.FILE)
        credentials = choose(Auth.AKSK, CredentialNames(profile="basic"), context(environment))
        _, generation = await credentials.headers(GET)
        self.environment(tmp_path, "[basic]\nak = new\nsk = new\n")
        assert await credentials.renew(generation)
        headers, _ = await credentials.headers(GET)
        assert headers == sign(GET, Keys("new", "new"), {"X-Project-Id": "p1"}, NOW)


def issued(token: str = "T1", life: timedelta | None = timedelta(hours=24), status: int = 201) -> Any:  # noqa: S107
    described = {"issued_at": f"{NOW:%Y-%m-%dT%H:%M:%S}.000000Z"}
    if life is not None:
        described["expires_at"] = f"{NOW + life:%Y-%m-%dT%H:%M:%S}.000000Z"
    return reply(status, {"token": described}, X_Subject_Token=token)


class TestPasswords:
    ENVIRONMENT: Mapping[str, str] = {
        "OS_USERNAME": "Jörg",
        "OS_PASSWORD": f" {CANARY}é\n",
        "OS_USER_DOMAIN_NAME": "d",
    }

    def credentials(self, *steps: Any, **fields: Any) -> tuple[Credentials[Any], Stage]:
        stage = Stage(*steps)
        return choose(Auth.PASSWORD, CredentialNames(), context(self.ENVIRONMENT, stage, **fields)), stage

    @pytest.mark.parametrize("iam", ["https://iam.test", "https://iam.test/v3", "https://iam.test/v3/"])
    async def test_the_login(self, iam: str) -> None:
        credentials, stage = self.credentials(issued(), iam=iam)
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}
        login = stage.requests[0]
        assert login.method == "POST"
        assert login.origin + login.target == "https://iam.test/v3/auth/tokens"
        assert stage.headers[0] == {"Content-Type": "application/json"}
        user = {"name": "Jörg", "password": f" {CANARY}é", "domain": {"name": "d"}}
        assert msgspec.json.decode(login.body) == {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"id": "p1"}},
            }
        }

    @pytest.mark.parametrize(
        ("life", "kept_for"),
        [
            (timedelta(hours=24), timedelta(hours=24) - timedelta(minutes=5)),
            (timedelta(minutes=20), timedelta(minutes=18)),
            (None, timedelta(hours=24) - timedelta(minutes=5)),
            (timedelta(hours=-1), timedelta(minutes=1)),
        ],
    )
    async def test_the_token_is_kept_until_shortly_before_its_end(
        self, life: timedelta | None, kept_for: timedelta
    ) -> None:
        clock = [NOW]
        credentials, stage = self.credentials(issued(life=life), issued("T2"), now=lambda: clock[0])
        for _ in range(3):
            assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}
        clock[0] += kept_for - timedelta(seconds=1)
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}
        clock[0] += timedelta(seconds=1)
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T2"}
        assert stage.all_played

    async def test_a_wrong_clock_of_ours_does_not_matter(self) -> None:
        clock = [NOW + timedelta(days=400)]
        credentials, stage = self.credentials(issued(), now=lambda: clock[0])
        await credentials.headers(GET)
        clock[0] += timedelta(hours=23)
        await credentials.headers(GET)
        assert len(stage.requests) == 1

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b'{"token": 7}', b'{"token": {"expires_at": "soon"}}']
    )
    async def test_a_token_is_good_whatever_the_body(self, body: bytes) -> None:
        credentials, _ = self.credentials(reply(201, body, X_Subject_Token="T1"))
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}

    @pytest.mark.parametrize(
        "passing",
        [LOST, REFUSED, reply(503), reply(429), reply(408), reply(425), reply(500, CANARY.encode())],
    )
    async def test_iam_is_asked_again_when_it_does_not_answer(self, passing: Any) -> None:
        credentials, _ = self.credentials(passing, passing, issued())
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}
        credentials, _ = self.credentials(passing, passing, passing)
        with pytest.raises(
            InventoryError, match=r"cannot log in at https://iam.test .--iam-endpoint.: "
        ) as caught:
            await credentials.headers(GET)
        assert CANARY not in told(caught.value)

    async def test_retry_after_holds_at_the_login_too(self) -> None:
        time = Time()
        credentials, _ = self.credentials(reply(503, Retry_After="9"), issued(), time=time)
        await credentials.headers(GET)
        assert time.slept == [9]

    @pytest.mark.parametrize(
        ("refusal", "why"),
        [(reply(status), "refused the login of OS_USERNAME and OS_PASSWORD") for status in (401, 403, 404)]
        + [
            (answer, "without a token that a header can carry; is --iam-endpoint right")
            for answer in (reply(302), reply(201, b"{}"), issued("T\x01"), issued("T\udcff"))
        ],
    )
    async def test_a_refusal_is_final(self, refusal: Any, why: str) -> None:
        credentials, stage = self.credentials(refusal)
        with pytest.raises(AccessDenied, match=why) as caught:
            await credentials.headers(GET)
        assert len(stage.requests) == 1
        assert CANARY not in told(caught.value)

    async def test_a_renewal_that_fails_leaves_the_token_in_use_and_is_tried_a_minute_later(self) -> None:
        clock = [NOW]
        credentials, stage = self.credentials(
            issued(life=timedelta(hours=1)), reply(401), issued("T2"), now=lambda: clock[0]
        )
        await credentials.headers(GET)
        clock[0] += timedelta(minutes=56)
        for _ in range(3):
            assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T1"}
        assert len(stage.requests) == 2
        clock[0] += timedelta(minutes=1)
        assert (await credentials.headers(GET))[0] == {"X-Auth-Token": "T2"}


class TestRenewal:
    def credentials(self, *secrets: str | CleanupError) -> tuple[Credentials[str], list[str]]:
        left, fetched = list(secrets), []

        async def fetch() -> Secret[str]:
            await anyio.lowlevel.checkpoint()
            secret = left.pop(0)
            fetched.append(str(secret))
            if isinstance(secret, CleanupError):
                raise secret
            return Secret(secret, "a test")

        return Credentials(fetch, lambda _, secret: {"X-Auth-Token": secret}, lambda: NOW), fetched

    async def at_once(self, count: int, work: Callable[[], Any]) -> list[Any]:
        done: list[Any] = []

        async def one() -> None:
            done.append(await work())

        async with anyio.create_task_group() as group:
            for _ in range(count):
                group.start_soon(one)
        return done

    async def test_the_first_secret_is_fetched_once_for_all(self) -> None:
        credentials, fetched = self.credentials("a")
        assert await self.at_once(16, lambda: credentials.headers(GET)) == [({"X-Auth-Token": "a"}, 1)] * 16
        assert fetched == ["a"]

    async def test_one_renewal_serves_all_who_met_the_401(self) -> None:
        credentials, fetched = self.credentials("a", "b")
        _, generation = await credentials.headers(GET)
        assert await self.at_once(16, lambda: credentials.renew(generation)) == [True] * 16
        assert fetched == ["a", "b"]
        assert await credentials.renew(generation)  # a late one, whose request left with the old secret
        assert fetched == ["a", "b"]

    @pytest.mark.parametrize("second", ["a", AccessDenied("no")])
    async def test_a_renewal_that_brings_nothing_new_is_not_repeated(
        self, second: str | CleanupError
    ) -> None:
        credentials, fetched = self.credentials("a", second)
        _, generation = await credentials.headers(GET)
        assert await self.at_once(16, lambda: credentials.renew(generation)) == [False] * 16
        assert len(fetched) == 2
        assert await credentials.headers(GET) == ({"X-Auth-Token": "a"}, generation)

    async def test_each_generation_can_be_renewed(self) -> None:
        credentials, _ = self.credentials("a", "b", "c")
        for generation, secret in enumerate("abc", 1):
            assert await credentials.headers(GET) == ({"X-Auth-Token": secret}, generation)
            if secret != "c":
                assert await credentials.renew(generation)


class CloudOfKeys:
    """STS, IAM's federation, the metadata service and the pod identity agent, on one loopback server."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, _ = await read_request(reader)
        method, path, _ = line.split(" ")
        self.asked.append(f"{method} {path}")
        number = len(self.asked)
        if path == "/v3.0/OS-AUTH/id-token/tokens":
            writer.write(answer(201, b"{}", X_Subject_Token="federal", Connection="close"))
        elif path == "/meta-data/latest/api/token":
            writer.write(answer(200, b"metadata-token", Connection="close"))
        else:
            expires = datetime.now(UTC) + timedelta(hours=24)
            keys = {"access": f"AK{number}", "secret": "SK", "securitytoken": f"ST{number}"}
            keys["expires_at"] = f"{expires:%Y-%m-%dT%H:%M:%S}.000000Z"
            body = msgspec.json.encode({"credential": keys})
            writer.write(answer(200, body, Connection="close"))


@asynccontextmanager
async def cloud(monkeypatch: pytest.MonkeyPatch, folder: Path) -> AsyncIterator[tuple[CloudOfKeys, str]]:
    """A machine with nothing configured, whose metadata service is the cloud's; yields it and its URL."""
    for name in (
        "HUAWEICLOUD_SDK_AK",
        "HUAWEICLOUD_SDK_SK",
        "HUAWEICLOUD_SDK_CREDENTIALS_FILE",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    keys = CloudOfKeys()
    async with served(keys) as place:
        monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", f"http://{place}")
        yield keys, f"http://{place}"


class TestTheVendorsChain:
    async def found(
        self, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)  # the vendor's library reads the process's environment
        credentials = choose(Auth.AUTO, CredentialNames(), context(environment))
        source = await credentials.resolve()
        return source, (await credentials.headers(GET))[0]

    async def test_the_instance_metadata(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        async with cloud(monkeypatch, tmp_path) as (keys, _):
            source, headers = await self.found(monkeypatch, {})
        assert source == "temporary AK/SK from the instance's metadata"
        assert headers["X-Security-Token"].startswith("ST")
        assert keys.asked[:2] == ["PUT /meta-data/latest/api/token", "GET /openstack/latest/securitykey"]

    async def test_an_oidc_token(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "id-token").write_text("id")
        async with cloud(monkeypatch, tmp_path) as (keys, url):
            environment = {
                "HUAWEICLOUD_OIDC_PROVIDER_URN": "urn:provider",
                "HUAWEICLOUD_OIDC_AGENCY_URN": "urn:agency",
                "HUAWEICLOUD_OIDC_TOKEN_FILE": str(tmp_path / "id-token"),
                "HUAWEICLOUD_SDK_STS_ENDPOINT": url,
            }
            source, headers = await self.found(monkeypatch, environment)
        assert source == "temporary AK/SK for an OIDC token"
        assert headers["X-Security-Token"] == "ST1"
        assert keys.asked == ["POST /v5/agencies/assume-with-oidc"]

    async def test_a_federated_identity(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "id-token").write_text("id")
        async with cloud(monkeypatch, tmp_path) as (_, url):
            environment = {
                "HUAWEICLOUD_SDK_IDP_ID": "idp",
                "HUAWEICLOUD_SDK_ID_TOKEN_FILE": str(tmp_path / "id-token"),
                "HUAWEICLOUD_SDK_IAM_ENDPOINT": url,
            }
            source, headers = await self.found(monkeypatch, environment)
        assert source == "temporary AK/SK for a federated identity"
        assert headers["X-Security-Token"] == "ST2"

    async def test_a_pod_identity(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "pod-token").write_text("pod")
        async with cloud(monkeypatch, tmp_path) as (keys, url):
            monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", "http://127.0.0.1:9")
            environment = {
                "HC_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/pod",
                "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "pod-token"),
            }
            source, _ = await self.found(monkeypatch, environment)
        assert source == "temporary AK/SK from the pod's identity"
        assert keys.asked == ["POST /pod"]

    async def test_the_profile_named_basic(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("[basic]\nak = AK\nsk = SK\n")
        async with cloud(monkeypatch, tmp_path) as (keys, _):
            environment = {"HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(tmp_path / "file")}
            source, headers = await self.found(monkeypatch, environment)
        assert source == "AK/SK from the profile basic in the credentials file"
        assert headers == sign(GET, Keys("AK", "SK"), {"X-Project-Id": "p1"}, NOW)
        assert not keys.asked

    async def test_nothing_anywhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        async with cloud(monkeypatch, tmp_path):
            monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", "http://127.0.0.1:9")
            with pytest.raises(AccessDenied, match="set MODELARTS_TOKEN, or OS_USERNAME"):
                await self.found(monkeypatch, {})

    async def test_temporary_keys_are_resolved_again_before_they_expire(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        clock = [NOW]
        async with cloud(monkeypatch, tmp_path) as (keys, _):
            credentials = choose(Auth.AKSK, CredentialNames(), context({}, now=lambda: clock[0]))
            first, generation = await credentials.headers(GET)
            assert await credentials.headers(GET) == (first, generation)
            asked = len(keys.asked)
            clock[0] += timedelta(minutes=5)
            second, renewed = await credentials.headers(GET)
        assert len(keys.asked) > asked
        assert renewed == generation + 1
        assert second["X-Security-Token"] != first["X-Security-Token"]

    async def test_a_401_resolves_the_chain_again(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        async with cloud(monkeypatch, tmp_path):
            credentials = choose(Auth.AKSK, CredentialNames(), context({}))
            _, generation = await credentials.headers(GET)
            assert await credentials.renew(generation)


def told(error: BaseException) -> str:
    """Everything an error could tell: its traceback with all causes and contexts, and every repr in it."""
    return "".join(traceback.format_exception(error)) + repr(error)


def test_nothing_shows_a_secret() -> None:
    shown = repr(
        (
            Keys(CANARY, CANARY, CANARY),
            Secret(CANARY, "a test"),
            User(name="u", domain="d", source="s", password=CANARY),
            reply(201, CANARY.encode(), X_Subject_Token=CANARY),
            choose(Auth.TOKEN, CredentialNames(), context({"MODELARTS_TOKEN": CANARY})),
        )
    )
    assert CANARY not in shown


async def test_the_vendors_answers_are_not_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(400, f'{{"secret": "{CANARY}"}}'.encode(), Connection="close"))

    async with cloud(monkeypatch, tmp_path), served(chatty) as place:
        monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", f"http://{place}")
        with pytest.raises(AccessDenied) as caught:
            await choose(Auth.AKSK, CredentialNames(), context({})).resolve()
    assert CANARY not in told(caught.value)


async def test_a_login_over_a_socket() -> None:
    async def iam(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, _, body = await read_request(reader)
        right = line == "POST /v3/auth/tokens HTTP/1.1" and b'"password":"p"' in body
        writer.write(answer(201 if right else 401, b"{}", X_Subject_Token="T1"))

    async with served(iam) as place, Connection(limit=1, timeout=5, environment={}) as connection:
        surroundings = context(TestTheChoice.PASSWORD, cast(object, connection), iam=f"http://{place}/v3")
        headers, _ = await choose(Auth.AUTO, CredentialNames(), surroundings).headers(GET)
    assert headers == {"X-Auth-Token": "T1"}
