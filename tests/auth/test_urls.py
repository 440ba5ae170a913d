"""URLs of a login: what may be asked or opened, what names a server, and what is sent in them."""

import base64
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth.urls import (
    appended,
    basic,
    canonical,
    check_url,
    covers,
    form,
    inserted,
    is_loopback,
    origin,
    root_of,
    with_query,
)
from dovetail.errors import LoginUntrusted

GOOD = [
    "https://auth.example.com/authorize",
    "https://auth.example.com:8443/a/b?tenant=1&x=a%20b",
    "http://localhost:3000/callback",
    "http://127.0.0.1:1234/",
    "http://[::1]:8080/x",
    "https://xn--bcher-kva.example/",
    "https://[2606:4700::1111]/x",
]
# What made clients run commands, or browsers run scripts (CVE-2025-6514, CVE-2025-58444), and its relatives.
BAD = [
    "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "ftp://x/", "ws://localhost/",
    "ms-settings:x", "search-ms:query=x", "about:blank", "//auth.example.com/x", "/authorize", "", "https://", "https:///x",
    "http://auth.example.com/authorize", "http://127.1/", "http://0x7f000001/", "http://2130706433/",
    "http://localhost.evil.example/", "http://evil.example#localhost/", "https://user@auth.example.com/",
    "https://user:pw@auth.example.com/", "https://localhost@evil.example/", "https://auth.example.com/$(calc.exe)",
    "https://auth.example.com/`id`", "https://auth.example.com/a;id", "https://auth.example.com/a|id",
    "https://auth.example.com/a b", "https://auth.example.com/a\tb", "https://auth.example.com/a\nb",
    "https://auth.example.com/a\r\nX: y", "https://auth.example.com/\x00", "https://auth.example.com/\x1b[2J",
    "https://auth.example.com/'x'", 'https://auth.example.com/"x"', "https://auth.example.com/<x>",
    "https://auth.example.com/{x}", "https://auth.example.com/a\\b", "https://auth.example.com/a^b",
    "https://auth.example.com/%APPDATA%(x)", "https://auth.example.com/!x", "https://auth.example.com/*",
    "https://auth.example.com/x#fragment", "https://auth.example.com:port/", "https://auth.example.com:99999/",
    "https://a$(whoami).evil.example/", "https://a&calc.exe&/x", "https://ex%61mple.com/", "https://bücher.example/",
    "https://auth.example.com/\u202e", "-https://auth.example.com", "https://-x/",
    "https://auth.example.com/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.req("A-28")
@pytest.mark.parametrize("url", GOOD)
def test_a_plain_endpoint_passes(url: str) -> None:
    assert check_url(url, "endpoint").netloc


@pytest.mark.req("A-28")
@pytest.mark.parametrize("url", BAD)
def test_what_a_shell_or_a_browser_could_act_on_is_refused(url: str) -> None:
    with pytest.raises(LoginUntrusted) as caught:
        check_url(url, "endpoint")
    assert url == "" or url not in str(caught.value)


# What each model treats as more than text when a command line holds a URL without quotes, or within double quotes.
POSIX_SPECIAL = set(" \t\n|;<>()$`\\\"'*?[#~!{}^") - set("?[~#")
WINDOWS_SPECIAL = set(' \t\n|<>^"%!()') - {"%"}


@pytest.mark.req("A-28")
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text(max_size=30), max_size=4))
def test_what_is_added_to_an_endpoint_cannot_leave_the_query(parameters: dict[str, str]) -> None:
    safe = {name: value.encode("utf-8", "replace").decode() for name, value in parameters.items()}
    url = with_query("https://auth.example.com/authorize?tenant=1", safe)
    check_url(url, "authorization URL", longest=100_000)
    assert not POSIX_SPECIAL & set(url)
    assert not WINDOWS_SPECIAL & set(url)
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == {**safe, "tenant": "1"}


@pytest.mark.req("A-20")
@pytest.mark.parametrize(
    ("resource", "server", "same"),
    [
        ("https://a.example/mcp", "https://a.example/mcp", True),
        ("https://A.example/mcp", "https://a.example/mcp", True),
        ("HTTPS://a.example:443/mcp", "https://a.example/mcp", True),
        ("https://a.example", "https://a.example/mcp", True),
        ("https://a.example/", "https://a.example/mcp", True),
        ("https://a.example/api", "https://a.example/api/mcp", True),
        ("https://a.example/mcp/", "https://a.example/mcp", True),
        ("https://evil.example/mcp", "https://a.example/mcp", False),
        ("http://a.example/mcp", "https://a.example/mcp", False),
        ("https://a.example:8443/mcp", "https://a.example/mcp", False),
        ("https://a.example/mc", "https://a.example/mcp", False),
        ("https://a.example/mcp/other", "https://a.example/mcp", False),
        ("https://a.example/api", "https://a.example/apis/mcp", False),
        ("https://a.example/x/..", "https://a.example/mcp", False),
        ("https://a.example/%6dcp", "https://a.example/mcp", False),
        ("https://a.example/mcp?x=1", "https://a.example/mcp", False),
        ("https://a.example/mcp?x=1", "https://a.example/mcp?x=1", True),
        ("https://a.example/mcp#x", "https://a.example/mcp", False),
        ("https://a.example.evil.example/mcp", "https://a.example/mcp", False),
        ("", "https://a.example/mcp", False),
        ("a.example/mcp", "https://a.example/mcp", False),
        ("https://[", "https://a.example/mcp", False),
    ],
)
def test_a_resource_covers_its_server_and_no_other(resource: str, server: str, same: bool) -> None:
    assert covers(resource, server) is same


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.example/mcp", "https://a.example/.well-known/x/mcp"),
        ("https://a.example", "https://a.example/.well-known/x"),
        ("https://a.example/", "https://a.example/.well-known/x"),
        ("https://a.example:8443/a/b", "https://a.example:8443/.well-known/x/a/b"),
    ],
)
def test_a_well_known_path_is_inserted_between_host_and_path(url: str, path: str) -> None:
    assert inserted(url, "x") == path


def test_openid_appends() -> None:
    assert appended("https://a.example/t/", "x") == "https://a.example/t/.well-known/x"


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("HTTPS://A.Example:443/Mcp#f", "https://a.example/Mcp"),
        ("https://a.example/", "https://a.example"),
        ("http://[::1]:80/mcp", "http://[::1]/mcp"),
        ("https://a.example:8443/mcp?x=1", "https://a.example:8443/mcp?x=1"),
    ],
)
def test_a_server_that_published_none_has_a_canonical_uri(server: str, name: str) -> None:
    assert canonical(server) == name


def test_an_origin_spells_its_port_out() -> None:
    assert origin("https://A.example/x") == ("https", "a.example", 443)
    assert root_of("http://localhost:80/x") == "http://localhost"
    for bad in ("ftp://x", "x", "https://[", "https://a:b/"):
        with pytest.raises(LoginUntrusted):
            origin(bad)


def test_this_machine_is_spelled_in_few_ways() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "[::1]")))
    assert not any(map(is_loopback, ("127.1", "localhost.", "a.localhost", "0.0.0.0", "::ffff:127.0.0.1", "", "evil")))


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_secret_is_encoded_before_it_is_joined(client: str, secret: str) -> None:
    client, secret = (t.encode("utf-8", "replace").decode() for t in (client, secret))
    scheme, _, value = basic(client, secret).partition(" ")
    left, _, right = base64.b64decode(value).decode().partition(":")
    assert (scheme, unquote(left), unquote(right)) == ("Basic", client, secret)


def test_a_form_is_encoded() -> None:
    assert form({"a": "x y&z", "b": "ü"}) == b"a=x+y%26z&b=%C3%BC"
