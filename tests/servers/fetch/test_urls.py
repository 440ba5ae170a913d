"""Which URLs are fetched: read by everybody alike, or not at all."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import refusal
from dovetail.errors import DefinitionError, ToolError
from dovetail.servers.fetch.urls import Policy, networks_of, ports_of

STRICT = Policy()
HTTP = Policy(http=True)


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        ("  HTTPS://Example.COM:443/A?b=c#d ", "https://example.com/A?b=c"),
        ("https://example.com./x", "https://example.com/x"),
        ("https://bücher.example/ä?ö=ü", "https://xn--bcher-kva.example/%C3%A4?%C3%B6=%C3%BC"),
        ("https://example.com/a%20b?q=%26", "https://example.com/a%20b?q=%26"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ("https://[2606:4700:0:0:0:0:0:1111]:443/", "https://[2606:4700::1111]/"),
        ("https://under_score.example.com/", "https://under_score.example.com/"),
    ],
)
def test_a_url_is_brought_into_one_form(given_url: str, normal: str) -> None:
    assert STRICT.check(given_url).url == normal


@pytest.mark.req("A-29")
@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "//example.com/",
        "example.com", "https://", "https:///path", "https:example.com", "gopher://example.com/", "data:text/html,x",
        "",
        "https://user@example.com/", "https://user:secret@example.com/", "https://@example.com/", "https://a@b@c.com/",
        "https://example.com:22/", "https://example.com:0/", "https://example.com:65536/", "https://example.com:x/",
        "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
        "https://0x7f000001/", "https://0x7f.1/", "https://2130706433/", "https://017700000001/", "https://127.1/",
        "https://0177.0.0.1/", "https://127.0.0.1./", "https://2130706433./", "https://1.2.3.4.5/", "https://a.0x7f/",
        "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://[::]/",
        "https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://0/", "https://0.0.0.0/",
        "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://localhost../",
        "https://①②⑦.⓪.⓪.①/", "https://１２７.0.0.1/", "https://127。0。0。1/", "https://0x7f。1/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "https://straße.de/", "https://exa\u200cmple.com/", "https://%31%32%37.0.0.1/",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/", "https:\\\\example.com/", "https://example.com/\r\nX: y", "https://a\tb.com/",
        "https://example.com/\x00", "https://-a.com/", "https://a..com/", "https://.com/",
        "https://" + "a" * 64 + ".com/",
        "https://[::1", "https://]/", "https://example.com/" + "a" * 9000, "https://example.com/" + "ä" * 3000,
        "https://[v1.x]/", "https://[example.com]/", "https://[8.8.8.8]/", "https://[a]b/",
        "https://127.0.0.1:443@example.com/", "https://example.com;@a/",
    ],
)  # fmt: skip
def test_a_url_that_leads_astray_or_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(ToolError) as caught:
        STRICT.check(url)
    assert "secret" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.req("A-29")
def test_loopback_and_networks_are_allowed_only_where_it_is_said() -> None:
    assert Policy(loopback=True).check("https://localhost/").url == "https://localhost/"
    assert Policy(loopback=True).check("https://127.0.0.1/")
    inside = Policy(networks=networks_of(("10.1.0.0/16",)))
    assert inside.check("https://10.1.2.3/")
    for url in ("https://10.2.0.1/", "https://127.0.0.1/", "https://localhost/"):
        with pytest.raises(ToolError):
            inside.check(url)
    with pytest.raises(ToolError):
        Policy(loopback=True).check("https://10.0.0.1/")


def test_ports_are_those_of_the_web_and_those_that_are_allowed() -> None:
    policy = Policy(http=True, ports=ports_of(("8443", "9000-9002")))
    assert [policy.check(f"https://e.com:{port}/").origin for port in (80, 443, 8443, 9000, 9002)]
    assert policy.check("http://e.com:443/").url == "http://e.com:443/"
    for port in (8444, 8999, 9003, 22, 25):
        with pytest.raises(ToolError, match="--allow-port"):
            policy.check(f"https://e.com:{port}/")


@pytest.mark.parametrize("port", ["", "0", "65536", "a", "1-", "9-8", "-1", "1 2", "99999"])
def test_a_port_that_is_none_is_named_as_a_setting(port: str) -> None:
    with pytest.raises(DefinitionError, match="allow_port"):
        ports_of((port,))


@pytest.mark.parametrize("network", ["", "10.0.0.1/8", "x", "10.0.0.0/33"])
def test_a_network_that_is_none_is_named_as_a_setting(network: str) -> None:
    with pytest.raises(DefinitionError, match="allow_network"):
        networks_of((network,))


@pytest.mark.req("A-29")
@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/", "//127.0.0.1/", "https://user@example.com/", "file:///etc/passwd", "https://[::1",
        "https://0x7f000001/", "http://example.com/", "https://example.com:22/", "javascript:x",
    ],
)  # fmt: skip
def test_a_redirect_is_checked_like_any_other_url(location: str) -> None:
    with pytest.raises(ToolError, match=r"^example\.com redirects to a URL that is not followed"):
        STRICT.follow(STRICT.check("https://example.com/a"), location)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b c", "https://example.com/b%20c"),
        ("b", "https://example.com/a/b"),
        ("?x", "https://example.com/a/?x"),
        ("//other.example/", "https://other.example/"),
        ("/ä".encode().decode("latin-1"), "https://example.com/%C3%A4"),
        ("/ä", "https://example.com/%E4"),
        ("", "https://example.com/a/"),
    ],
)
def test_where_a_redirect_leads(location: str, url: str) -> None:
    assert STRICT.follow(STRICT.check("https://example.com/a/"), location).url == url


URLS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "http", "HTTPS", "ftp"]),
        st.one_of(
            st.text(st.sampled_from("0123456789abcdefx.:[]%@_-①。l\\ "), max_size=30),
            st.ip_addresses().map(lambda a: f"[{a}]" if a.version == 6 else str(a)),
            st.integers(0, 2**32).map(str),
            st.integers(0, 2**32).map(hex),
            st.sampled_from(["localhost", "example.com", "metadata.google.internal"]),
        ),
        st.sampled_from(["", ":443", ":80", ":22", ":", ":99999"]),
        st.text(max_size=20).map(lambda text: "/" + text),
    ),
)


@pytest.mark.req("A-29")
@given(URLS)
def test_what_passes_has_one_meaning_and_no_refused_address(url: str) -> None:
    try:
        target = HTTP.check(url)
    except ToolError:
        return
    parts = urlsplit(target.url)
    host = parts.hostname or ""
    assert target.url.isascii() and target.url.isprintable() and " " not in target.url
    assert parts.scheme in ("http", "https") and parts.username is None and parts.port in (None, 80, 443)
    assert HTTP.check(target.url) == target
    try:
        ip_address(host)
    except ValueError:
        assert not host.rpartition(".")[2].isdigit() and not host.rpartition(".")[2].startswith("0x")
    else:
        assert refusal(host) is None


@given(st.text(max_size=60))
def test_a_redirect_leads_to_a_checked_url_or_nowhere(location: str) -> None:
    try:
        target = STRICT.follow(STRICT.check("https://example.com/a"), location)
    except ToolError:
        return
    assert STRICT.check(target.url) == target


def test_an_allowed_network_is_one_of_its_family() -> None:
    assert networks_of(("fd00::/8", "10.0.0.0/8")) == (ip_network("fd00::/8"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/../private/x", "/private/x"),
        ("/./private/x", "/private/x"),
        ("/a/%2e%2E/private/x", "/private/x"),
        ("/../../x", "/x"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("/a//b", "/a//b"),
        ("/a/...", "/a/..."),
        ("", "/"),
    ],
)
def test_a_path_has_one_name(path: str, found: str) -> None:
    assert Policy().check(f"https://example.com{path}").url == f"https://example.com{found}"


@pytest.mark.parametrize(("http", "kinds"), [(False, "https"), (True, "http and https")])
def test_a_scheme_that_is_not_fetched_is_told_those_that_are(http: bool, kinds: str) -> None:
    with pytest.raises(ToolError, match=f"Only {kinds} URLs are fetched"):
        Policy(http=http).check("ftp://example.com/")
