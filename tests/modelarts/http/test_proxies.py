"""Which requests go through the proxy of HTTPS_PROXY, as httpx and curl would have it."""

import pytest

from cleanup.errors import UsageError
from cleanup.modelarts.http.messages import Request
from cleanup.modelarts.http.proxies import Route, passwords, route

ADDRESS = "http://proxy.corp:3128"
PROXY = {"HTTPS_PROXY": ADDRESS}
NAME, PORTED = "https://modelarts.test", "https://modelarts.test:8443"
V4, V6 = "https://10.1.2.3", "https://[fd00::1]:8443"


def way(origin: str, environment: dict[str, str]) -> Route:
    return route(Request(method="GET", origin=origin, path="/"), environment)


@pytest.mark.parametrize(
    ("origin", "no_proxy", "is_exempt"),
    [
        (NAME, "", False),
        (NAME, " , ,", False),
        (NAME, "*", True),
        (NAME, "other,.test", True),
        (NAME, "other modelarts.test", True),
        (NAME, " Modelarts.Test , other", True),
        (NAME, "modelarts.test.", True),
        ("https://modelarts.test.", "modelarts.test", True),
        (NAME, "test", True),
        (NAME, "*.test", True),
        (NAME, ".modelarts.test", True),
        (NAME, "*.modelarts.test", False),
        ("https://a.modelarts.test", "*.modelarts.test", True),
        (NAME, "arts.test", False),
        (NAME, "modelarts.test.other", False),
        (NAME, "https://modelarts.test", True),
        (NAME, "modelarts.test:443", True),
        (NAME, "modelarts.test:8443", False),
        (PORTED, "modelarts.test", True),
        (PORTED, "modelarts.test:8443", True),
        (PORTED, ".test:8443", True),
        (PORTED, "modelarts.test:443", False),
        (V4, "10.1.2.3", True),
        (V4, "10.1.2.3:443", True),
        (V4, "10.1.2.3:80", False),
        (V4, "10.0.0.0/8", True),
        (V4, "10.9.9.9/8", True),
        (V4, "10.1.3.0/24", False),
        (V4, "10.0.0.0/99", False),
        (V4, "2.3", False),
        (V4, ".2.3", False),
        (V6, "fd00::1", True),
        (V6, "[fd00::1]", True),
        (V6, "[FD00:0::1]:8443", True),
        (V6, "[fd00::1]:443", False),
        (V6, "fd00::/8", True),
        (V6, "10.0.0.0/8", False),
        ("https://[::1]", "::1", True),
        ("https://[::1]", "[::1]", True),
        ("https://[::1]", "::2", False),
        ("https://localhost", "localhost", True),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy(variable: str, origin: str, no_proxy: str, is_exempt: bool) -> None:
    found = way(origin, PROXY | {variable: no_proxy})
    assert (found.proxy is None, found.variable) == (is_exempt, variable if is_exempt else "HTTPS_PROXY")


@pytest.mark.parametrize(
    ("environment", "proxy", "variable"),
    [
        ({}, "", ""),
        ({"HTTP_PROXY": ADDRESS}, "", ""),
        (PROXY, "proxy.corp:3128", "HTTPS_PROXY"),
        (PROXY | {"https_proxy": "https://other.corp"}, "other.corp:443", "https_proxy"),
        ({"https_proxy": "proxy.corp:3128"}, "proxy.corp:3128", "https_proxy"),
        (PROXY | {"NO_PROXY": "*", "no_proxy": "elsewhere"}, "proxy.corp:3128", "HTTPS_PROXY"),
    ],
)
def test_the_small_spelling_counts_first(environment: dict[str, str], proxy: str, variable: str) -> None:
    found = way(NAME, environment)
    assert (found.proxy_host, found.variable) == (proxy, variable)


def test_plain_http_goes_straight() -> None:
    assert way("http://127.0.0.1:80", PROXY | {"HTTP_PROXY": ADDRESS}) == Route()


@pytest.mark.parametrize(
    ("login", "sent"),
    [
        ("me:s%40cret", "bWU6c0BjcmV0"),  # me:s@cret
        ("me", "bWU6"),
        ("me%3Ayou:x", "bWU6eW91Ong="),
        ("me:%C3%BC%E5%AF%86", "bWU6w7zlr4Y="),
    ],
)
def test_the_login_of_a_proxy_is_a_header(login: str, sent: str) -> None:
    found = way(NAME, {"HTTPS_PROXY": f"http://{login}@proxy.corp:3128"})
    assert str(found.proxy).rstrip("/") == ADDRESS
    assert found.login == {"Proxy-Authorization": f"Basic {sent}"}
    assert sent not in repr(found)


def test_the_password_of_a_proxy_is_known_as_a_secret() -> None:
    assert list(passwords({"https_proxy": "http://me:s%40cret@proxy.corp"})) == ["s@cret"]
    assert not list(passwords(PROXY))


@pytest.mark.parametrize(
    "address", ["http://me:secret@proxy.corp:port", "http://me:secret@:80", "http://me:secret@"]
)
def test_an_address_that_is_none_is_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="https_proxy is no URL of the form") as caught:
        way(NAME, {"https_proxy": address})
    assert "secret" not in str(caught.value)
