"""Which way a request goes: straight, or through the proxy of HTTPS_PROXY unless NO_PROXY names its host.

The forms are those that httpx and curl take. No network here.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from yarl import URL

from cleanup.errors import UsageError
from cleanup.modelarts.http.messages import Request

_PORTS = {"http": 80, "https": 443}
_PORTED = re.compile(r"(?P<host>\[[^]]*\]|[^:]*)(:(?P<port>[0-9]+))?")


@dataclass(frozen=True)
class Route:
    """The way of one request. `proxy` is None where it goes straight; `login` is for the proxy alone.

    `variable` is the one that decided: HTTPS_PROXY, NO_PROXY or their small spellings, "" where none did.
    """

    proxy: URL | None = None
    login: Mapping[str, str] | None = field(default=None, repr=False)
    variable: str = ""

    @property
    def proxy_host(self) -> str:
        """The host and port of the proxy, as a person would name it."""
        return f"{self.proxy.host}:{self.proxy.port}" if self.proxy else ""


def route(request: Request, environment: Mapping[str, str]) -> Route:
    """The way of a request; plain http is for loopback and goes straight.

    Raises UsageError for an address that is none, without telling it: it may hold a password.
    """
    variable, address = _first_set(environment, ("https_proxy", "HTTPS_PROXY"))
    if not address or not request.origin.startswith("https:"):
        return Route()
    no_variable, no_proxy = _first_set(environment, ("no_proxy", "NO_PROXY"))
    if _is_exempt(request.origin, no_proxy):
        return Route(variable=no_variable)
    url = _proxy_url(variable, address)
    return Route(url.with_user(None), _login(url), variable)


def passwords(environment: Mapping[str, str]) -> Iterable[str]:
    """The password of the proxy, if there is one, which nobody may read in a log."""
    variable, address = _first_set(environment, ("https_proxy", "HTTPS_PROXY"))
    password = _proxy_url(variable, address).password if address else None
    return (password,) if password else ()


def _first_set(environment: Mapping[str, str], names: tuple[str, str]) -> tuple[str, str]:
    """The first variable that says something, and what; the small spelling counts before the other."""
    return next(((name, text) for name in names if (text := environment.get(name))), ("", ""))


def _proxy_url(variable: str, address: str) -> URL:
    try:
        url = URL(address if "://" in address else f"http://{address}")
        port = url.port
    except ValueError:  # its text would quote the address
        url, port = URL(), None
    if url.host is None or port is None:
        raise UsageError(f"{variable} is no URL of the form http://[user:password@]host:port")
    return url


def _login(url: URL) -> Mapping[str, str] | None:
    if url.user is None and url.password is None:
        return None
    plain = f"{url.user or ''}:{url.password or ''}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(plain.encode()).decode()}"}


def _is_exempt(origin: str, no_proxy: str) -> bool:
    """Whether NO_PROXY names the host: by name, address, network or domain, or everything with `*`."""
    parts = urlsplit(origin)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or _PORTS[parts.scheme]
    return any(_names(entry, host, port) for entry in re.split(r"[,\s]+", no_proxy.casefold()) if entry)


def _names(entry: str, host: str, port: int) -> bool:
    entry = entry.partition("://")[2] or entry
    if entry == "*" or _holds_address(entry, host):
        return True
    ported = _PORTED.fullmatch(entry)
    if not ported or int(ported["port"] or port) != port:
        return False
    name = ported["host"].rstrip(".")
    if _is_address(host):
        return _holds_address(name, host)
    domain = name.removeprefix("*").removeprefix(".")
    return bool(domain) and (host.endswith(f".{domain}") or (host == domain and not name.startswith("*")))


def _is_address(host: str) -> bool:
    return ":" in host or bool(re.fullmatch(r"[0-9.]+", host))


def _holds_address(text: str, host: str) -> bool:
    """Whether the text is the address or a network (CIDR) around it; IPv6 with or without brackets."""
    try:
        return ip_address(host) in ip_network(re.sub(r"[\[\]]", "", text), strict=False)
    except ValueError:
        return False
