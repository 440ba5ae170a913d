"""Who reaches the server: Host and Origin, each by itself, and what a refusal tells the one who has to allow it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.guard import LOOPBACK, Guard
from dovetail.core.http import Rejected, fields_of
from dovetail.errors import DefinitionError

GUARD = Guard(
    allowed_hosts=("mcp.example.com", "Fixed.example:8443", "secure.example:443", "bücher.example", "2001:db8::1"),
    allowed_origins=(
        "https://app.example",
        "http://dev.example:3000",
        "https://bücher.example/",
        "vscode-webview://ab12",
    ),
    bind="192.168.1.5",
)

ALLOWED_HOSTS = [
    b"localhost", b"localhost:8000", b"LOCALHOST", b"LocalHost:1", b"localhost:65535", b"127.0.0.1",
    b"127.0.0.1:3000", b"[::1]", b"[::1]:8000", b"[0:0:0:0:0:0:0:1]", b"[0000::0001]:80", b"192.168.1.5",
    b"192.168.1.5:8000", b"mcp.example.com", b"MCP.Example.COM:444", b"fixed.example:8443", b"secure.example",
    b"secure.example:443", b"xn--bcher-kva.example", b"[2001:DB8::1]:9",
]  # fmt: skip

FOREIGN_HOSTS = [
    b"evil.example", b"evil.example:80", b"localhost.evil.example", b"localhost.localdomain", b"evil-localhost",
    b"127.0.0.1.evil.example", b"127.0.0.1.nip.io", b"xlocalhost", b"localhostx", b"127.0.0.2", b"127.1",
    b"0x7f000001", b"2130706433", b"0177.0.0.1", b"0.0.0.0", b"0.0.0.0:8000", b"[::]", b"[::]:8000", b"0",
    b"[::ffff:127.0.0.1]", b"[::ffff:7f00:1]", b"[64:ff9b::7f00:1]", b"[2002:7f00:1::]", b"[fe80::1]",
    b"192.168.1.50", b"192.168.1.6:8000", b"sub.mcp.example.com", b"mcp.example.com.evil.example", b"example.com",
    b"fixed.example", b"fixed.example:8444", b"secure.example:8080", b"xn--bcher-kva.example.evil",
    b"169.254.169.254", b"local-host", b"local_host",
]  # fmt: skip

MALFORMED_HOSTS = [
    b"", b" ", b":", b":80", b" localhost", b"localhost ", b"local host", b"localhost\t", b"localhost:",
    b"127.0.0.1:", b"[::1]:", b"localhost:0", b"localhost:080", b"localhost:65536", b"localhost:99999",
    b"localhost:123456", b"localhost:8000a", b"127.0.0.1:80evil", b"localhost:-1", b"localhost:+80",
    b"localhost:1@evil.example", b"evil@localhost", b"user:pass@localhost:80", b"localhost@evil.example",
    b"localhost.", b"localhost.:80", b"127.0.0.1.", b"[::1%lo]", b"[::1%25lo]", b"[fe80::1%eth0]:80", b"[::1", b"::1",
    b"::1]", b"[]", b"[:]", b"[::1]evil", b"[::1].evil", b"[1:2:3:4:5:6:7:8:9]", b"[127.0.0.1]", b"[localhost]",
    b"http://localhost/", b"http://localhost", b"//localhost", b"localhost/", b"localhost/path", b"localhost?x",
    b"localhost#x", b"localhost\\evil", b"localhost,evil", b"localhost, localhost", b"localhost;evil",
    b"%6c%6f%63alhost", b"localhost%00", b"localhost\x00", b"localhost\r\nX: y", b"localhost\n", b"loc\xc3\xa4lhost",
    b"\xef\xbd\x8cocalhost", b"localhost\xe3\x80\x82evil", b"*", b"*.example.com", b"'localhost'", b'"localhost"',
    b"<script>", b"-localhost", b"..localhost", b"localhost-", b".", b"a" * 300, b"\xff" * 5000,
]  # fmt: skip

ALLOWED_ORIGINS = [
    b"http://localhost", b"http://localhost:3000", b"https://localhost:3000", b"HTTP://LOCALHOST:3000",
    b"http://127.0.0.1:6274", b"http://[::1]:80", b"http://192.168.1.5:8000", b"https://mcp.example.com",
    b"http://mcp.example.com:99", b"https://fixed.example:8443", b"https://secure.example", b"https://app.example",
    b"https://app.example:443", b"http://dev.example:3000", b"https://xn--bcher-kva.example",
    b"vscode-webview://ab12",
]  # fmt: skip

FOREIGN_ORIGINS = [
    b"null", b"", b" ", b"https://evil.example", b"http://localhost.evil.example", b"http://localhost:1@evil.example",
    b"http://evil@localhost", b"http://0.0.0.0", b"http://0.0.0.0:8000", b"https://app.example.evil",
    b"http://app.example", b"https://app.example:444", b"http://dev.example", b"https://dev.example:3000",
    b"http://dev.example:30000", b"https://sub.app.example", b"http://localhost/", b"http://localhost/x",
    b"http://localhost?x", b"http://localhost#x", b"localhost", b"localhost:3000", b"//localhost", b"file://",
    b"file://localhost", b"ftp://localhost", b"ws://localhost", b"javascript://localhost", b"data:text/html,x",
    b"http:/localhost", b"http:localhost", b"http://", b"http://:80", b"http://localhost:", b"http://localhost.",
    b"http://localhost http://localhost", b"http://localhost, http://evil.example", b" http://localhost",
    b"http://localhost ", b"http://fixed.example", b"http://loc\xc3\xa4lhost", b"http://localhost\x00",
    b"http://localhost\n", b"http://secure.example", b"vscode-webview://ab13", b"chrome-extension://abc",
    b"x" * 10_000,
]  # fmt: skip


@pytest.mark.req("S-02")
@pytest.mark.parametrize("host", ALLOWED_HOSTS)
def test_a_host_by_which_the_server_is_reached_passes(host: bytes) -> None:
    assert GUARD.check(host, None) is None
    assert GUARD.check(host, None) is None  # from memory


@pytest.mark.req("S-02")
@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_host_that_is_not_ours_is_misdirected(host: bytes) -> None:
    for origin in (None, b"http://localhost"):
        rejected = GUARD.check(host, origin)
        assert rejected is not None
        assert rejected.status == 421


@pytest.mark.req("S-02")
@pytest.mark.parametrize("host", [None, *MALFORMED_HOSTS])
def test_a_host_that_is_missing_or_malformed_is_a_bad_request(host: bytes | None) -> None:
    for origin in (None, b"http://localhost"):
        rejected = GUARD.check(host, origin)
        assert rejected is not None
        assert rejected.status == 400


@pytest.mark.req("S-02", "S-07")
@pytest.mark.parametrize("second", [b"localhost", b"evil.example"])
def test_of_two_hosts_or_two_origins_none_is_taken(second: bytes) -> None:
    for name in (b"host", b"origin"):
        rejected = fields_of([(b"host", b"localhost"), (b"origin", b"http://localhost"), (name, second)])
        assert isinstance(rejected, Rejected)
        assert rejected.status == (400 if name == b"host" else 403)


@pytest.mark.req("S-01")
@pytest.mark.parametrize("origin", ALLOWED_ORIGINS)
def test_an_origin_on_an_allowed_host_or_configured_passes(origin: bytes) -> None:
    assert GUARD.check(b"localhost", origin) is None


@pytest.mark.req("S-01")
@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_any_other_origin_is_forbidden_whatever_the_host(origin: bytes) -> None:
    for host in (b"localhost", b"evil.example", b"", None):
        rejected = GUARD.check(host, origin)
        assert rejected is not None
        assert rejected.status == 403


@pytest.mark.req("S-01", "S-02")
def test_a_remembered_host_passes_no_other_origin_and_the_reverse() -> None:
    guard = Guard()
    assert guard.check(b"localhost", None) is None
    assert guard.check(b"localhost", b"http://localhost") is None
    assert guard.check(b"localhost", b"https://evil.example") is not None
    assert guard.check(b"evil.example", b"http://localhost") is not None
    assert guard.check(b"evil.example", None) is not None


@pytest.mark.req("S-02")
def test_by_default_only_the_loopback_names_are_hosts() -> None:
    for guard in (Guard(), Guard(bind="0.0.0.0"), Guard(bind="::"), Guard(bind=""), Guard(bind="fe80::1%eth0")):
        for name in LOOPBACK:
            assert guard.check(name.encode(), None) is None
        for host in (b"0.0.0.0", b"[::]", b"192.168.1.5", b"example.com", b"[fe80::1]"):
            assert guard.check(host, None) is not None


@pytest.mark.req("S-02")
@pytest.mark.parametrize(
    ("bind", "host"), [("10.1.2.3", b"10.1.2.3:80"), ("::1", b"[::1]:1"), ("fd00::5", b"[fd00::5]"), ("Box", b"box")]
)
def test_the_address_that_is_bound_is_a_host(bind: str, host: bytes) -> None:
    assert Guard(bind=bind).check(host, None) is None


@pytest.mark.parametrize("entry", ["example.org:*", "example.org"])
def test_a_configured_host_without_a_port_takes_any(entry: str) -> None:
    guard = Guard(allowed_hosts=[entry])
    assert guard.check(b"example.org", None) is None
    assert guard.check(b"example.org:81", b"https://example.org:82") is None


@pytest.mark.req("S-02")
@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "",
        "0.0.0.0",
        "::",
        "[::]",
        "0.0.0.0:80",
        "https://example.com",
        "a/b",
        "a b",
        "x.",
        "*.example.com",
        "ü" * 80,
    ],
)
def test_what_is_no_host_cannot_be_allowed(entry: str) -> None:
    with pytest.raises(DefinitionError, match="allowed_hosts"):
        Guard(allowed_hosts=[entry])


@pytest.mark.req("S-01")
@pytest.mark.parametrize(
    "entry", ["*", "", "null", "example.com", "https://", "https://*", "http://0.0.0.0", "https://a/b", "http://u@h"]
)
def test_what_is_no_origin_cannot_be_allowed(entry: str) -> None:
    with pytest.raises(DefinitionError, match="allowed_origins"):
        Guard(allowed_origins=[entry])


def message(rejected: Rejected | None) -> str:
    assert rejected is not None
    return rejected.error.message


@pytest.mark.req("S-01", "S-02", "W-12")
def test_a_refusal_names_the_value_and_the_setting_that_would_allow_it() -> None:
    said = message(GUARD.check(b"mcp.internal:8000", None))
    assert "'mcp.internal:8000'" in said
    assert "allowed_hosts=" in said
    assert "--allow-host" in said
    said = message(GUARD.check(b"localhost", b"https://page.example"))
    assert "'https://page.example'" in said
    assert "allowed_origins=" in said
    assert "--allow-origin" in said
    assert "unspecified" in message(GUARD.check(b"0.0.0.0:8000", None))


@pytest.mark.req("W-12")
@pytest.mark.parametrize(
    "value", [b"a\r\nSet-Cookie: x", b"\x1b[31mred", b"\xff" * 9000, b"x" * 9000, b"\xe2\x80\xae", b"'" * 300]
)
def test_a_refusal_shows_a_hostile_value_short_and_harmless(value: bytes) -> None:
    for rejected in (GUARD.check(value, None), GUARD.check(b"localhost", value)):
        said = message(rejected)
        assert said.isascii()
        assert said.isprintable()
        assert len(said) < 256 + 120


def test_the_memory_of_a_guard_is_bounded() -> None:
    guard = Guard()
    for port in range(1, 2000):
        assert guard.check(b"localhost:%d" % port, None) is None
    assert len(guard._passed) <= 256


def test_a_guard_shows_what_it_allows() -> None:
    shown = repr(Guard(allowed_hosts=["a.example:1"], allowed_origins=["https://b.example"]))
    assert "a.example:1" in shown
    assert "https://b.example" in shown


hostish: Any = st.binary(max_size=40) | st.text(alphabet="localhst127.0:[]@%/\\ \r\n*é", max_size=24).map(str.encode)


@pytest.mark.req("S-01", "S-02")
@given(st.none() | hostish, st.none() | hostish | hostish.map(b"http://".__add__))
def test_whatever_passes_is_a_loopback_name_with_or_without_a_port(host: bytes | None, origin: bytes | None) -> None:
    if Guard().check(host, origin) is not None:
        return
    assert host is not None
    for value in (host, *([] if origin is None else [origin.split(b"://")[1]])):
        name, _, port = value.decode("ascii").lower().rpartition(":")
        if not port.isdigit():
            name = value.decode("ascii").lower()
        assert name in {"localhost", "127.0.0.1"} or (name.startswith("[") and set(name) <= set("[]:01."))
