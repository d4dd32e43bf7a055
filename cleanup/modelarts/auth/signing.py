"""AK/SK signatures, by the vendor's own signer. No network and no clock here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cleanup.modelarts.http.messages import Request


@dataclass(frozen=True)
class Keys:
    """An access key, its secret, and the security token of temporary ones; never shown."""

    ak: str = field(repr=False)
    sk: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


def sign(request: Request, keys: Keys, headers: Mapping[str, str], moment: datetime) -> dict[str, str]:
    """All headers to send: those given, and the signature over them and the request at `moment`.

    The work is the vendor's own signer's (SDK-HMAC-SHA256); its clock is not asked.
    """
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    signed = dict(headers) | {"X-Sdk-Date": moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")}
    if keys.security_token:
        signed["X-Security-Token"] = keys.security_token
    sdk_request = SdkRequest(
        method=request.method,
        host=request.host,
        resource_path=request.path,
        query_params=list(request.query),
        header_params=signed,
        body=request.body,
    )
    Signer(keys).sign(sdk_request)
    return signed
