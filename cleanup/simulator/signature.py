"""Checks SDK-HMAC-SHA256 signatures: written from the scheme's description, not with the vendor's signer.

A request is signed over method, path, query, the signed headers and the body's hash, in a canonical
spelling: percent-encoding as in RFC 3986, the path with a slash at its end, the query sorted.
"""

import hmac
import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote, unquote

from cleanup.simulator.messages import Call

_ALGORITHM = "SDK-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Access=(?P<ak>[^,\s]+), ?SignedHeaders=(?P<headers>[^,\s]+), ?Signature=(?P<signature>[0-9a-f]+)"
)
_SKEW = timedelta(minutes=15)
_UNSIGNED = "UNSIGNED-PAYLOAD"


def signature_error(call: Call, ak: str, sk: str, now: datetime) -> str | None:
    """What is wrong with a call's signature at `now`; None when it is that of `ak` and `sk`."""
    match = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if match is None:
        return "no AK/SK signature found in the Authorization header"
    if match["ak"] != ak:
        return "access key not found"
    sent = _sent_at(call.headers.get("x-sdk-date", ""))
    if sent is None or abs(now - sent) > _SKEW:
        return "X-Sdk-Date is missing or more than 15 minutes away from the server's time"
    names = match["headers"].split(";")
    if missing := sorted({"host", "x-sdk-date"} - set(names)) or [n for n in names if n not in call.headers]:
        return f"header {missing[0]} is not signed or not sent"
    if (payload := _payload_hash(call)) is None:
        return "X-Sdk-Content-Sha256 does not fit the body"
    expected = sign(call, names, payload, sk)
    return None if hmac.compare_digest(expected, match["signature"]) else "verify aksk signature fail"


def _sent_at(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _payload_hash(call: Call) -> str | None:
    actual = sha256(call.body).hexdigest()
    declared = call.headers.get("x-sdk-content-sha256")
    return declared or actual if declared in (None, "", actual, _UNSIGNED) else None


def sign(call: Call, names: list[str], payload: str, sk: str) -> str:
    """The signature in hex; `names` are the signed headers, `payload` is the body's hash or its stand-in."""
    request = "\n".join(
        (
            call.method.upper(),
            _canonical_path(call.path),
            _canonical_query(call.raw_query),
            *(f"{name}:{call.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            payload,
        )
    )
    digest = sha256(request.encode()).hexdigest()
    text = f"{_ALGORITHM}\n{call.headers['x-sdk-date']}\n{digest}"
    return hmac.new(sk.encode(), text.encode(), sha256).hexdigest()


def _canonical_path(path: str) -> str:
    encoded = "/".join(quote(unquote(part), safe="~") for part in path.split("/"))
    return encoded if encoded.endswith("/") else encoded + "/"


def _canonical_query(raw_query: str) -> str:
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    decoded = sorted((unquote(name), unquote(value)) for name, _, value in pairs)
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in decoded)
