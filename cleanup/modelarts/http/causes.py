"""Why there was no answer: what the HTTP library raises, as a sentence that says what happened and where.

This is the one place that knows the library's errors; what an answer's body lacks is said where it is decoded.
"""

import errno
import socket
import ssl

import aiohttp
from aiohttp.http import HttpProcessingError

from cleanup.modelarts.http.messages import Request
from cleanup.modelarts.http.proxies import Route

LONGEST_HEADER = 128 << 10  # bytes: tokens of 64 KB are common, and stand in a header
_TLS = {  # the codes of OpenSSL's X509_verify_cert_error_string
    9: "is not valid yet (is this machine's clock right?)",
    10: "has expired (is this machine's clock right?)",
    18: "is its own authority (self-signed); if that is meant, give it with --ca-bundle",
    19: "comes from an authority that is not trusted here (self-signed); if that is meant, give it with --ca-bundle",
    20: "comes from an authority that is not known here; if that is meant, give it with --ca-bundle",
    21: "comes with no authority that is known here; if that is meant, give it with --ca-bundle",
    62: "is for another name",
    64: "is for another address",
}
_SOCKET = {
    errno.ECONNREFUSED: "refused the connection",
    errno.ECONNRESET: "reset the connection",
    errno.EPIPE: "closed the connection while the request was sent",
    errno.EHOSTUNREACH: "cannot be reached: no route to host",
    errno.ENETUNREACH: "cannot be reached: the network is unreachable",
    errno.ETIMEDOUT: "did not answer the connection in time",
}


def cause(error: Exception, request: Request, route: Route, timeout: float, *, sent: bool) -> str:
    """What happened to a request, for people; `timeout` in seconds is what it was given.

    Before anything of it was `sent` it is the proxy that speaks, where there is one.
    """
    speaker = request.host if sent or not route.proxy else f"the proxy {route.proxy_host}"
    return _what(error, request.host, speaker, route, timeout) + _way(error, route)


def _is_before_sending(error: Exception) -> bool:
    """Whether it happened before anything of the request could reach the service."""
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError)


def _what(error: Exception, host: str, speaker: str, route: Route, timeout: float) -> str:
    match error:
        case TimeoutError() if not isinstance(error, aiohttp.ClientConnectorError):
            return f"{speaker} gave no answer within {timeout:g} s"
        case aiohttp.ClientHttpProxyError():
            return _proxy_refusal(error, route)
        case aiohttp.ClientSSLError():
            return _no_trust(error, _peer(error, host, route))
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, socket.gaierror):
            return f"the name of {_peer(error, host, route)} cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"{_peer(error, host, route)} {_socket_trouble(error.os_error)}"
        case aiohttp.ClientPayloadError():
            return f"the answer of {speaker} was cut off: its body ended too soon"
        case aiohttp.ClientResponseError() | HttpProcessingError():  # of the proxy, of the service
            return _no_http(error, speaker)
        case aiohttp.ServerDisconnectedError():
            begun = not isinstance(error.message, str)
            return (
                f"{speaker} closed the connection {'within the headers of' if begun else 'without'} an answer"
            )
        case OSError():
            return f"{speaker} {_socket_trouble(error)}"
        case _:
            return f"the exchange with {speaker} failed ({type(error).__name__})"


def _peer(error: aiohttp.ClientConnectorError, host: str, route: Route) -> str:
    """Who was being connected to: the proxy or the service."""
    is_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
        route.proxy is not None and (error.host, error.port) == (route.proxy.host, route.proxy.port)
    )
    return f"the proxy {route.proxy_host}" if is_proxy else host


def _socket_trouble(error: OSError) -> str:
    known = _SOCKET.get(error.errno or 0)
    if known or not isinstance(error, ConnectionError):
        return known or f"cannot be connected to: {error.strerror or type(error).__name__}"
    return "broke off the connection"


def _no_trust(error: aiohttp.ClientSSLError, peer: str) -> str:
    found: object = error.os_error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = error.certificate_error
    if isinstance(found, ssl.SSLCertVerificationError):
        why = _TLS.get(found.verify_code)
        told = found.verify_message.rstrip(".")
        return f"no trust in {peer}: its certificate {f'{why} ({told})' if why else f'is refused: {told}'}"
    reason = str(getattr(found, "reason", "") or "") or "the handshake broke off"
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return f"{peer} does not speak TLS ({reason}): is the port right?"
    return f"no TLS with {peer}: {reason.lower().replace('_', ' ')}"


def _proxy_refusal(error: aiohttp.ClientHttpProxyError, route: Route) -> str:
    told = f"the proxy {route.proxy_host} refused with {error.status}"
    if error.status == 407:
        return f"{told}: {'its login is wrong' if route.login else 'it wants a login'}"
    return told


def _no_http(error: aiohttp.ClientResponseError | HttpProcessingError, speaker: str) -> str:
    if "Got more than" in error.message:  # of a LineTooLong, which may come as a plain BadHttpMessage
        return f"a header of the answer of {speaker} is too long: more than {LONGEST_HEADER >> 10} KiB"
    return f"what {speaker} sent is no HTTP"


def _way(error: Exception, route: Route) -> str:
    """The variable that decided on the way, wherever it may be why there is no answer."""
    if route.proxy:
        return f" (by the proxy of {route.variable}; NO_PROXY names who is reached without)"
    if route.variable and _is_before_sending(error):
        return f" (reached without a proxy, for {route.variable} names it)"
    return ""
