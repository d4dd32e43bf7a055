"""Logins: tokens and their lifetime, and the signature checked step by step."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import aiohttp
import msgspec
import pytest

from cleanup.simulator import PROJECT_ID, Access, AuthMode, Service, SimulatedLogin, World, serve
from cleanup.simulator.messages import ApiResponse, Call, Record
from cleanup.simulator.signature import sign, signature_error

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LOGIN = SimulatedLogin()
LIST = f"/v1/{PROJECT_ID}/images"


def password(**changes: str) -> Record:
    given = {"user": LOGIN.user, "password": LOGIN.password, "domain": LOGIN.domain, "project": LOGIN.project}
    given |= changes
    user = {"name": given["user"], "password": given["password"], "domain": {"name": given["domain"]}}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": given["project"]}},
        }
    }


def issue(access: Access, body: object, now: datetime = NOW) -> ApiResponse:
    return access.issue(Call(method="POST", body=msgspec.json.encode(body)), PROJECT_ID, now)


def with_token(token: str | None) -> Call:
    return Call(path=LIST, headers={"x-auth-token": token} if token else {})


def error(answer: ApiResponse | None) -> tuple[int, str] | None:
    return (answer.status, msgspec.json.decode(answer.body)["error_code"]) if answer else None


def test_open_lets_everybody_in() -> None:
    assert Access().refuse(with_token(None), NOW) is None


def test_a_ready_token_is_the_right_one_or_refused() -> None:
    access = Access(AuthMode.TOKEN)
    assert access.refuse(with_token(LOGIN.token), NOW) is None
    assert error(access.refuse(with_token("other"), NOW)) == (401, "APIG.0301")
    assert error(access.refuse(with_token(None), NOW)) == (401, "APIG.0301")


def test_a_password_buys_a_token_that_expires() -> None:
    access = Access(AuthMode.PASSWORD, lifetime=timedelta(minutes=10))
    answer = issue(access, password())
    assert answer.status == 201
    assert msgspec.json.decode(answer.body)["token"]["expires_at"] == "2026-11-23T12:10:00.000000Z"
    token = answer.headers["X-Subject-Token"]
    assert access.refuse(with_token(token), NOW + timedelta(minutes=9, seconds=59)) is None
    assert error(access.refuse(with_token(token), NOW + timedelta(minutes=10))) == (401, "ModelArts.0202")
    assert error(access.refuse(with_token(LOGIN.token), NOW)) == (401, "APIG.0301")


def test_tokens_can_be_ended_early() -> None:
    access = Access(AuthMode.PASSWORD)
    token = issue(access, password()).headers["X-Subject-Token"]
    access.expire_tokens(NOW)
    assert error(access.refuse(with_token(token), NOW)) == (401, "ModelArts.0202")
    renewed = issue(access, password()).headers["X-Subject-Token"]
    assert access.refuse(with_token(renewed), NOW) is None


@pytest.mark.parametrize("field", ["user", "password", "domain", "project"])
def test_a_wrong_login_is_refused(field: str) -> None:
    answer = issue(Access(AuthMode.PASSWORD), password(**{field: "wrong"}))
    assert answer.status == 401
    assert "X-Subject-Token" not in answer.headers


@pytest.mark.parametrize(
    "body", [None, [], {"auth": {}}, {"auth": {"identity": {"password": {"user": "me"}}}}]
)
def test_a_login_of_another_form_is_refused(body: object) -> None:
    assert issue(Access(AuthMode.PASSWORD), body).status == 401


def test_a_project_may_be_named_by_its_id() -> None:
    body = password()
    body["auth"]["scope"]["project"] = {"id": PROJECT_ID}
    assert issue(Access(AuthMode.PASSWORD), body).status == 201


async def test_a_token_over_the_wire() -> None:
    service = Service(World(), lambda: NOW)
    async with serve(service, access=Access(AuthMode.PASSWORD)) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}{LIST}") as refused:
            assert refused.status == 401
        async with session.post(f"{url}/v3/auth/tokens", json=password()) as issued:
            assert issued.status == 201
            token = issued.headers["X-Subject-Token"]
        async with session.get(f"{url}{LIST}", headers={"X-Auth-Token": token}) as let_in:
            assert let_in.status == 200
    assert [request.status for request in service.requests] == [401, 201, 200]


def signed(
    method: str = "DELETE", path: str = f"{LIST}/i", query: str = "force=true", body: bytes = b""
) -> Call:
    headers = {"host": "127.0.0.1:1", "x-sdk-date": "20261123T120000Z"}
    call = Call(method=method, path=path, raw_query=query, headers=headers, body=body)
    names = ["host", "x-sdk-date"]
    signature = sign(call, names, sha256(body).hexdigest(), LOGIN.sk)
    headers["authorization"] = (
        f"SDK-HMAC-SHA256 Access={LOGIN.ak}, SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return call


def complaint_of(call: Call, now: datetime = NOW) -> str | None:
    return signature_error(call, LOGIN.ak, LOGIN.sk, now)


def changed(call: Call, *, without: str = "", **headers: str) -> Call:
    kept = {name: value for name, value in call.headers.items() if name != without}
    renamed = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(call, headers=kept | renamed)


def test_a_right_signature_has_no_complaint() -> None:
    assert complaint_of(signed()) is None
    assert complaint_of(signed("POST", LIST, "", b'{"swr_path": "x"}')) is None


def test_the_order_and_spelling_of_the_query_do_not_matter() -> None:
    call = signed(query="a=1&b=%7E&c=")
    assert complaint_of(replace(call, raw_query="c&b=~&a=1")) is None


@pytest.mark.parametrize(
    "other",
    [{"method": "GET"}, {"path": f"{LIST}/j"}, {"raw_query": "force=false"}, {"body": b"{}"}],
    ids=["method", "path", "query", "body"],
)
def test_a_signature_is_good_for_its_request_only(other: dict[str, Any]) -> None:
    assert complaint_of(replace(signed(), **other)) == "verify aksk signature fail"


def test_what_is_wrong_is_said() -> None:
    call = signed()
    assert "Authorization" in str(complaint_of(changed(call, without="authorization")))
    assert "access key" in str(signature_error(call, "OTHER", LOGIN.sk, NOW))
    assert "verify" in str(signature_error(call, LOGIN.ak, "other", NOW))
    assert "host is not" in str(complaint_of(changed(call, without="host")))
    assert "body" in str(complaint_of(changed(call, x_sdk_content_sha256="00")))
    unsigned_date = call.headers["authorization"].replace("host;x-sdk-date", "host")
    assert "x-sdk-date is not" in str(complaint_of(changed(call, authorization=unsigned_date)))


@pytest.mark.parametrize(
    ("offset", "right"), [(15 * 60, True), (15 * 60 + 1, False), (-15 * 60, True), (-15 * 60 - 1, False)]
)
def test_a_signature_is_good_for_a_quarter_of_an_hour_either_way(offset: int, right: bool) -> None:
    assert (complaint_of(signed(), NOW + timedelta(seconds=offset)) is None) is right


def test_a_date_that_is_none() -> None:
    assert "X-Sdk-Date" in str(complaint_of(changed(signed(), x_sdk_date="yesterday")))
