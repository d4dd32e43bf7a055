"""Access keys where users keep them: named variables, a profile, or the vendor's provider chain.

All of this blocks (files, the instance's metadata service), so it is called in a thread.
"""

import configparser
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cleanup.errors import AccessDenied
from cleanup.modelarts.auth.names import AK, PROFILES, SK
from cleanup.modelarts.auth.signing import Keys

_FOUND_BY = {
    "OidcStsAccessor": "temporary AK/SK for an OIDC token",
    "FederalAccessor": "temporary AK/SK for a federated identity",
    "MetadataAccessor": "temporary AK/SK from the instance's metadata",
    "PodIdentityAccessor": "temporary AK/SK from the pod's identity",
}


def read_profile(profile: str, environment: Mapping[str, str]) -> tuple[Keys, str]:
    """The keys `ak`, `sk` and perhaps `security_token` of one section of the credentials file.

    Raises AccessDenied naming the file and the section; what the file says is never repeated.
    """
    default = Path(
        environment.get("HOME") or environment.get("USERPROFILE") or ".", ".huaweicloud", "credentials"
    )
    path = Path(environment.get(PROFILES) or default)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        raise AccessDenied(f"the credentials file {path} (see {PROFILES}) cannot be read") from None
    section = parser[profile] if parser.has_section(profile) else {}
    ak, sk, token = (section.get(key, "") for key in ("ak", "sk", "security_token"))
    if not ak or not sk or not f"{ak}{sk}{token}".isprintable():
        raise AccessDenied(
            f"the credentials file {path} has no section [{profile}] with ak and sk, one line each"
        )
    return Keys(ak, sk, token or None), f"AK/SK from the profile {profile} in {path}"


def resolve_chain(environment: Mapping[str, str], ca_bundle: Path | None) -> tuple[Keys, str, bool]:
    """What the vendor's chain finds (OIDC, environment, profile, instance metadata, pod identity), where
    from, and whether it is temporary. Every call resolves anew, so that rotated tokens are read again.

    Raises AccessDenied naming what could be set. The vendor's own messages are not repeated: they
    quote whatever a service answered.
    """
    try:
        found = _ask_vendor(ca_bundle)
        keys = Keys(found.ak, found.sk, found.security_token)
        accessor = found.sts_accessor
    except Exception:  # the vendor's providers let through whatever their HTTP and JSON raise
        raise AccessDenied(
            "no credentials found: set MODELARTS_TOKEN, or OS_USERNAME and "
            f"OS_PASSWORD, or {AK} and {SK}, or have a profile, an OIDC token or an agency at hand"
        ) from None
    if not keys.ak or not keys.sk:
        raise AccessDenied(f"no credentials found: set {AK} and {SK}")
    where = f"{AK} and {SK}" if environment.get(AK) else "the profile basic in the credentials file"
    return keys, _FOUND_BY.get(type(accessor).__name__, f"AK/SK from {where}"), accessor is not None


def _ask_vendor(ca_bundle: Path | None) -> Any:
    from huaweicloudsdkcore.auth.provider import CredentialProviderChain, PodIdentityCredentialProvider
    from huaweicloudsdkcore.exceptions.exception_handler import DefaultExceptionHandler
    from huaweicloudsdkcore.http.http_client import HttpClient
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from requests import RequestException

    silent = logging.Logger("silent")  # unattached: the vendor logs what it is answered
    silent.disabled = True
    config = HttpConfig(ssl_ca_cert=str(ca_bundle) if ca_bundle else None, timeout=(5, 30))
    http_client = HttpClient(config, None, DefaultExceptionHandler(), silent)
    try:
        try:
            credentials = CredentialProviderChain.get_basic_credential_provider_chain().get_credentials()
        except RequestException:  # without a metadata service the chain breaks off before its last link
            credentials = PodIdentityCredentialProvider.get_basic().get_credentials()
        credentials.process_sts(http_client)
    finally:
        http_client.close()
    return credentials
