"""Fuzz target: whatever a model, a redirect, a robots.txt, a head or a body says, fetching decides on it in bounds."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from dovetail.auth import refusal
from dovetail.errors import ToolError
from dovetail.servers.fetch import freshness
from dovetail.servers.fetch.documents import cleaned, media_of, text_of
from dovetail.servers.fetch.entries import Entry
from dovetail.servers.fetch.robots import rules_of
from dovetail.servers.fetch.urls import Policy, Target

POLICY = Policy(http=True)
SEEDS = [
    b"https://example.com/a?b=c|//127.0.0.1/|text/html; charset=gbk|<meta charset=utf-7>",
    b'http://0x7f000001/|https://[::ffff:127.0.0.1]/|max-age=60, private="x"|User-agent: *\nDisallow: /*a$',
    b"https://a@b/|\\\\10.0.0.1|no-cache, s-maxage=1|\xff\xfea\x00",
    "https://①②⑦.⓪.⓪.①/|http://bücher.example|Thu, 01 Jan 1970 00:00:00 GMT|<?xml encoding='x'?>".encode(),
]


def fuzz(data: bytes) -> None:
    first, second, third, body = (data.split(b"|", 3) + [b""] * 3)[:4]
    url, location, field = first.decode("utf-8", "replace"), second.decode("latin-1"), third.decode("latin-1")
    target = checked(url)
    try:
        leads = POLICY.follow(target or POLICY.check("https://example.com/a"), location)
    except ToolError:
        pass
    else:
        assert checked(leads.url) == leads
    assert media_of(field, body).kind in ("html", "text", "blob")
    assert "\x00" not in cleaned(text_of(field, body))
    headers = {"cache-control": field, "expires": field, "last-modified": field, "vary": field, "age": field}
    entry = Entry("u", 200, headers, b"", 5.0, 5.0, freshness.varying(headers, {}))
    assert 0 <= freshness.lifetime(entry) <= 365 * 86_400 and freshness.age(entry, 6.0) >= 1
    assert isinstance(freshness.storable(entry), bool)
    assert rules_of(200, body, "Dovetail-Fetch").allow("https://e.com/a") in (True, False)


def checked(url: str) -> Target | None:
    try:
        target = POLICY.check(url)
    except ToolError as error:
        assert len(str(error)) < 400
        return None
    host = urlsplit(target.url).hostname or ""
    assert target.url.isascii() and target.url.isprintable() and POLICY.check(target.url) == target
    try:
        ip_address(host)
    except ValueError:
        assert not host.rpartition(".")[2].isdigit()
    else:
        assert refusal(host) is None
    return target
