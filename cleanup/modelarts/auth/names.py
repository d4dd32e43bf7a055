"""The ways to log in, and the names of the variables that each looks at: words of options and files, no login."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

TOKEN: Final = "MODELARTS_TOKEN"  # noqa: S105 - the name of a variable
USERNAME: Final = "OS_USERNAME"
PASSWORD: Final = "OS_PASSWORD"  # noqa: S105 - the same
DOMAIN: Final = "OS_USER_DOMAIN_NAME"
AK: Final = "HUAWEICLOUD_SDK_AK"
SK: Final = "HUAWEICLOUD_SDK_SK"
SECURITY_TOKEN: Final = "HUAWEICLOUD_SDK_SECURITY_TOKEN"  # noqa: S105 - the same
PROFILES: Final = "HUAWEICLOUD_SDK_CREDENTIALS_FILE"
OTHER_PROVIDERS: Final = ("HUAWEICLOUD_OIDC_PROVIDER_URN", "HUAWEICLOUD_SDK_IDP_ID")
_PROJECT_ID: Final = "HUAWEICLOUD_SDK_PROJECT_ID"


class Auth(StrEnum):
    """The ways to log in (deploy/README.md, Connecting)."""

    AUTO = "auto"
    AKSK = "aksk"
    TOKEN = "token"  # noqa: S105 - the name of a way to log in
    PASSWORD = "password"  # noqa: S105 - the same
    NONE = "none"


class CredentialNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a target's secrets are: names of environment variables or of a profile, never values."""

    ak_env: str | None = None
    sk_env: str | None = None
    security_token_env: str | None = None
    token_env: str | None = None
    username_env: str | None = None
    password_env: str | None = None
    domain_env: str | None = None
    profile: str | None = None


def meant(names: CredentialNames, environment: Mapping[str, str]) -> Auth:
    """What `auto` means: what the target names counts, then the environment, then the vendor's chain."""
    if names.token_env:
        return Auth.TOKEN
    if names.username_env or names.password_env:
        return Auth.PASSWORD
    if names.ak_env or names.sk_env or names.profile:
        return Auth.AKSK
    if environment.get(TOKEN):
        return Auth.TOKEN
    if environment.get(USERNAME) and environment.get(PASSWORD):
        return Auth.PASSWORD
    return Auth.AKSK


def variables_read(auth: Auth, names: CredentialNames, environment: Mapping[str, str]) -> frozenset[str]:
    """The environment variables that logging in may look at."""
    if auth is Auth.AUTO and names != CredentialNames():
        auth = meant(names, environment)
    token = {names.token_env or TOKEN}
    password = {names.username_env or USERNAME, names.password_env or PASSWORD, names.domain_env or DOMAIN}
    match auth:
        case Auth.NONE:
            return frozenset()
        case Auth.TOKEN:
            return frozenset(token)
        case Auth.PASSWORD:
            return frozenset(password)
        case Auth.AKSK:
            return _variables_of_keys(names, environment)
        case Auth.AUTO:
            return _variables_of_keys(names, environment) | token | password


def _variables_of_keys(names: CredentialNames, environment: Mapping[str, str]) -> frozenset[str]:
    if names.ak_env or names.sk_env:
        named = (names.ak_env or AK, names.sk_env or SK, names.security_token_env)
        return frozenset(name for name in named if name)
    if names.profile:
        return frozenset({PROFILES})
    # The vendor's chain reads what begins so; the project's id is an option of ours.
    return frozenset(
        name
        for name in environment
        if name in OTHER_PROVIDERS or (name.startswith("HUAWEICLOUD_SDK_") and name != _PROJECT_ID)
    )
