"""As whom to speak: the choice between the ways to log in, and where each finds its secrets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from cleanup.errors import AccessDenied, UsageError
from cleanup.modelarts.auth import provider_chain as chain
from cleanup.modelarts.auth.credentials import Credentials, Secret
from cleanup.modelarts.auth.names import (
    AK,
    DOMAIN,
    OTHER_PROVIDERS,
    PASSWORD,
    SECURITY_TOKEN,
    SK,
    TOKEN,
    USERNAME,
    Auth,
    CredentialNames,
    meant,
)
from cleanup.modelarts.auth.password import User, log_in
from cleanup.modelarts.auth.signing import Keys, sign
from cleanup.modelarts.http.messages import Request
from cleanup.runtime import Runtime

if TYPE_CHECKING:
    from cleanup.modelarts.http.transport import Transport

# Temporary keys live for 15 minutes at least, so that what is resolved this often never expires in use.
_RESOLVE_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class AuthContext:
    """What logging in needs: `iam_endpoint` is IAM's URL, `transport` reaches it, without any login."""

    runtime: Runtime
    transport: "Transport"
    project_id: str
    iam_endpoint: str | None
    ca_bundle: Path | None


def choose(auth: Auth, names: CredentialNames, context: AuthContext) -> Credentials[Any]:
    """The credentials for a way to log in. Secrets are looked for when they are first needed."""
    environment, now = context.runtime.environment, context.runtime.now
    match meant(names, environment) if auth is Auth.AUTO else auth:
        case Auth.NONE:
            return Credentials(_nothing, lambda request, _: request.headers, now)
        case Auth.TOKEN:
            name = names.token_env or TOKEN
            return Credentials(lambda: _ready_token(name, environment), _with_token, now)
        case Auth.PASSWORD:
            return Credentials(lambda: _log_in(names, context), _with_token, now)
        case Auth.AKSK | Auth.AUTO:
            return Credentials(lambda: _find_keys(names, context), _signing(context), now)


async def _nothing() -> Secret[None]:
    return Secret(None, "no login")


async def _ready_token(name: str, environment: Mapping[str, str]) -> Secret[str]:
    return Secret(_secret(name, environment), f"the token in {name}")


def _with_token(request: Request, token: str) -> dict[str, str]:
    return request.headers | {"X-Auth-Token": token}


async def _log_in(names: CredentialNames, context: AuthContext) -> Secret[str]:
    username, password = names.username_env or USERNAME, names.password_env or PASSWORD
    domain = names.domain_env or DOMAIN
    if context.iam_endpoint is None:
        raise UsageError("no IAM to log in to: give --iam-endpoint, set OS_AUTH_URL, or give --region")
    user = User(
        name=_value(username, context.runtime.environment),
        domain=_value(domain, context.runtime.environment),
        source=f"{username} and {password}",
        password=_value(password, context.runtime.environment),
    )
    return await log_in(
        context.transport, context.iam_endpoint, context.project_id, user, context.runtime.now
    )


async def _find_keys(names: CredentialNames, context: AuthContext) -> Secret[Keys]:
    environment = context.runtime.environment
    if names.ak_env or names.sk_env:
        return _named_keys(names.ak_env or AK, names.sk_env or SK, names.security_token_env, environment)
    if names.profile:
        profile = names.profile
        keys, source = await _in_thread(lambda: chain.read_profile(profile, environment))
        return Secret(keys, source)
    if _plain_keys_only(environment):
        token = names.security_token_env or (SECURITY_TOKEN if environment.get(SECURITY_TOKEN) else None)
        return _named_keys(AK, SK, token, environment)
    keys, source, temporary = await _in_thread(lambda: chain.resolve_chain(environment, context.ca_bundle))
    return Secret(keys, source, context.runtime.now() + _RESOLVE_AGAIN if temporary else None)


def _plain_keys_only(environment: Mapping[str, str]) -> bool:
    """Where this holds the vendor's chain would find the same; it asks these other providers first."""
    plain = environment.get(AK) and environment.get(SK)
    return bool(plain) and not any(environment.get(name) for name in OTHER_PROVIDERS)


async def _in_thread(look_up: Callable[[], Any]) -> Any:
    return await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True)


def _named_keys(ak: str, sk: str, token: str | None, environment: Mapping[str, str]) -> Secret[Keys]:
    keys = Keys(
        _secret(ak, environment), _secret(sk, environment), _secret(token, environment) if token else None
    )
    return Secret(keys, f"AK/SK from {ak} and {sk}{f' with {token}' if token else ''}")


def _signing(context: AuthContext) -> Callable[[Request, Keys], dict[str, str]]:
    def authenticate(request: Request, keys: Keys) -> dict[str, str]:
        return sign(
            request, keys, request.headers | {"X-Project-Id": context.project_id}, context.runtime.now()
        )

    return authenticate


def _secret(name: str, environment: Mapping[str, str]) -> str:
    """The value of a variable, fit to be sent in a header. Raises AccessDenied naming the variable."""
    value = _value(name, environment).strip()
    if not (value.isprintable() and value.isascii()):
        raise AccessDenied(f"the value of {name} has characters that no header can carry")
    return value


def _value(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "").strip("\r\n")  # secrets read from files often end in a newline
    if not value.strip():
        raise AccessDenied(f"no credentials: the environment variable {name} is not set")
    return value
