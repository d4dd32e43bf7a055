"""Texts from outside, checked in one place before any request: options, arguments, environment variables.

What is wrong is said with the name of the option or variable and the right form. The text itself is
repeated only where it can be no secret.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from cleanup.errors import UsageError

# Read whatever the way to log in is; those of a login are told by cleanup.modelarts.auth.names.
CONFIG_VARIABLE = "IMAGE_CLEANUP_CONFIG"
PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY")
PLAIN_VARIABLES = (*PROXY_VARIABLES, "no_proxy", "NO_PROXY")
_PROXY_FORM = "http://[user:password@]host:port, with what is special in a password percent-encoded"
_NO_HOSTS = ("direct", "none", "off", "false", "no")
_QUOTES = "\"'`“”„‘’"  # noqa: RUF001 - what word processors make of quotes
_PROJECT = re.compile(r"[0-9a-fA-F]{32}")
_REGION = re.compile(r"[a-z]{2,}-[a-z]+-[0-9]+")
_NAMED = {"\r": "a carriage return (Windows line endings?)", "\t": "a tab", "\n": "a line break"}


def require_plain(name: str, text: str, *, advice: str = "") -> None:
    """Raise UsageError for a text that is empty, quoted, or has blanks around or control characters in it."""
    trouble = "is empty: leave it out or give it a value" if not text else _trouble(text, _QUOTES)
    if trouble:
        raise UsageError(f"{name} {trouble}{advice}")


def require_plain_environment(
    environment: Mapping[str, str], names: Iterable[str], secrets: Iterable[str] = ()
) -> None:
    """The same of the variables that are set, and of HTTPS_PROXY that it names a proxy.

    `secrets` may end in line breaks, for they are often read from files, and may hold any quote
    unless one stands around them. Raises UsageError, which never repeats a value.
    """
    for name in names:
        if (text := environment.get(name)) is not None:
            _require_variable(name, text, _trouble(text, _QUOTES))
            if name in PROXY_VARIABLES:
                _require_proxy(name, text)
    for name in secrets:
        if (text := environment.get(name)) is not None:
            text = re.sub(r"(\r?\n)+\Z", "", text)
            around = text[0] if len(text) > 1 and text[0] == text[-1] else ""
            _require_variable(name, text, _trouble(text, around if around in _QUOTES else ""))


def _require_variable(name: str, text: str, trouble: str | None) -> None:
    if not text:
        raise UsageError(f"{name} is set but empty: unset it or give it a value")
    if trouble:
        raise UsageError(f"the environment variable {name} {trouble}")


def _trouble(text: str, quotes: str) -> str | None:
    """What is wrong with a text that is not empty, and the right form."""
    if any(unicodedata.category(char) == "Cs" for char in text):  # what Python makes of other bytes
        return "is not UTF-8: write it, or name the file, in UTF-8"
    odd = next((char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")), None)
    if odd is not None:
        return f"holds {_NAMED.get(odd, f'the invisible character U+{ord(odd):04X}')}: write it without"
    if not text.strip():
        return "holds nothing but blanks: leave it out or give it a value"
    if text.strip() != text:
        return "has blanks at its beginning or end: write it without"
    if quotes and (text[0] in quotes or text[-1] in quotes):
        return "has quotes at its beginning or end, which are no part of it: write it without"
    return None


def _require_proxy(name: str, address: str) -> None:
    """http or https, a host, perhaps a port and a login: nothing else is served."""
    address = address if "://" in address else f"http://{address}"
    if address.partition("://")[0].lower() not in ("http", "https"):
        raise UsageError(
            f"{name} names a kind of proxy that is not served (socks, direct): it is {_PROXY_FORM}"
        )
    if not _is_proxy(address):
        raise UsageError(f"{name} names no proxy: it is {_PROXY_FORM}; unset it to connect directly")


def _is_proxy(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:  # its text would quote the address
        return False
    host = parts.hostname or ""
    more = parts.path not in ("", "/") or parts.query or parts.fragment
    return bool(re.fullmatch(r"[\w.:-]+", host)) and host not in _NO_HOSTS and port != 0 and not more


def is_project(text: str) -> bool:
    """Whether it is 32 hexadecimal digits."""
    return _PROJECT.fullmatch(text) is not None


def require_project(text: str, name: str) -> str:
    """The project id itself. Raises UsageError unless it is one."""
    if not is_project(text):
        raise UsageError(
            f"{name} '{text}' is no project id: it is 32 hexadecimal digits, as the console shows under "
            "My Credentials (not the project's name)"
        )
    return text


def require_region(text: str, name: str) -> str:
    """The region itself. Raises UsageError unless it has the form of one."""
    if not _REGION.fullmatch(text):
        raise UsageError(
            f"{name} '{text}' is no region: it is written like cn-north-4 or ap-southeast-3; for another cloud "
            "give its URL with --endpoint"
        )
    return text
