"""Logins: none, a ready token, a token issued for a password, or signed requests."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_urlsafe
from typing import Any

import msgspec

from cleanup.simulator.messages import ApiResponse, Call, error_response, json_response
from cleanup.simulator.signature import signature_error


class AuthMode(StrEnum):
    """How callers must log in; `temporary` is AK/SK with a security token."""

    OPEN = "open"
    TOKEN = "token"  # noqa: S105 - the name of a way to log in
    PASSWORD = "password"  # noqa: S105 - the same
    AKSK = "aksk"
    TEMPORARY = "temporary"


@dataclass(frozen=True, kw_only=True)
class SimulatedLogin:
    """The credentials that are accepted. They guard nothing but made-up images, so they are no secret."""

    token: str = "simulator-token"  # noqa: S105 - see above
    user: str = "simulator-user"
    password: str = "simulator-password"  # noqa: S105
    domain: str = "simulator-domain"
    project: str = "simulator-project"
    ak: str = "SIMULATORACCESSKEY00"
    sk: str = "simulator-secret-key-of-forty-characters"
    security_token: str = "simulator-security-token"  # noqa: S105


class Access:
    """Decides whether a call is let in; issues tokens that live for `lifetime`."""

    def __init__(
        self,
        auth: AuthMode = AuthMode.OPEN,
        login: SimulatedLogin | None = None,
        *,
        lifetime: timedelta = timedelta(hours=24),
    ) -> None:
        self.auth = auth
        self.login = login or SimulatedLogin()
        self.lifetime = lifetime
        self._expires: dict[str, datetime] = {}

    def refuse(self, call: Call, now: datetime) -> ApiResponse | None:
        """The 401 for a call that is not let in; None for one that is."""
        match self.auth:
            case AuthMode.OPEN:
                return None
            case AuthMode.TOKEN:
                right = hmac.compare_digest(
                    call.headers.get("x-auth-token", "").encode(), self.login.token.encode()
                )
                return None if right else _wrong("decrypt token fail")
            case AuthMode.PASSWORD:
                return self._refuse_token(call.headers.get("x-auth-token", ""), now)
            case AuthMode.AKSK:
                return self._refuse_signature(call, now)
            case AuthMode.TEMPORARY:
                if call.headers.get("x-security-token") != self.login.security_token:
                    return _wrong("the X-Security-Token of these temporary credentials is missing or wrong")
                return self._refuse_signature(call, now)

    def _refuse_token(self, token: str, now: datetime) -> ApiResponse | None:
        expires = self._expires.get(token.rstrip("="))  # padding, of long tokens, does not count
        if expires is None:
            return _wrong("decrypt token fail")
        return error_response(401, "ModelArts.0202", "The token has expired.") if now >= expires else None

    def _refuse_signature(self, call: Call, now: datetime) -> ApiResponse | None:
        wrong = signature_error(call, self.login.ak, self.login.sk, now)
        return _wrong(wrong) if wrong else None

    def expire_tokens(self, now: datetime) -> None:
        """End every token issued so far."""
        self._expires = dict.fromkeys(self._expires, now)

    def issue(self, call: Call, project_id: str, now: datetime) -> ApiResponse:
        """Answer `POST /v3/auth/tokens`: 201 with `X-Subject-Token`, or 401 for a wrong login."""
        if self.auth is not AuthMode.OPEN and not self._is_login(call, project_id):
            return json_response(
                401, {"error": {"code": 401, "message": _WRONG_PASSWORD, "title": "Unauthorized"}}
            )
        token, expires = token_urlsafe(24), now + self.lifetime
        self._expires[token] = expires
        login = self.login
        described = {
            "expires_at": _moment(expires),
            "issued_at": _moment(now),
            "methods": ["password"],
            "project": {"id": project_id, "name": login.project, "domain": {"name": login.domain}},
            "user": {"name": login.user, "domain": {"name": login.domain}},
        }
        return json_response(201, {"token": described}, effect="token", X_Subject_Token=token)

    def _is_login(self, call: Call, project_id: str) -> bool:
        try:
            asked: Any = call.json()
            user = asked["auth"]["identity"]["password"]["user"]
            project = asked["auth"]["scope"]["project"]
            given = (user["name"], user["password"], user["domain"]["name"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return False
        right = (self.login.user, self.login.password, self.login.domain)
        return given == right and (
            project.get("id") == project_id or project.get("name") == self.login.project
        )


_WRONG_PASSWORD = "The username or password is wrong."  # noqa: S105 - a message


def _wrong(why: str) -> ApiResponse:
    return error_response(401, "APIG.0301", f"Incorrect IAM authentication information: {why}")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
