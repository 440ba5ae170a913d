"""RFC 9111, decided without I/O: may an answer be kept, may it be used, what is asked when it may not.

A *shared* cache, since several callers may use one server: what is `private` is not kept, `s-maxage` counts. Requests
carry no credentials. Where a server's word can be read in two ways, the stricter holds: an answer of which one thinks
that it is stale is only asked for again.
"""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from dovetail.servers.fetch.entries import Entry

# "understood": what a redirect or an error that is kept means is known here.
_KEPT: Final = frozenset({200, 203, 300, 301, 308, 404, 410})
_DIRECTIVE: Final = re.compile(r'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^",;\s]*)))?')
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_LONGEST: Final = 365 * 86_400.0
_HEURISTIC: Final = 86_400.0
"""The most that is guessed from `Last-Modified` (RFC 9111, 4.2.2)."""
_OF_THE_AGE: Final = 0.1
_RENEWED: Final = frozenset("cache-control date expires age etag last-modified vary content-language".split())


def directives(headers: Mapping[str, str]) -> dict[str, str]:
    """Read `Cache-Control`; of one that stands twice, what is stricter holds (section 4.2.1)."""
    field = headers.get("cache-control")
    if field is None:
        return {"no-cache": ""} if "no-cache" in headers.get("pragma", "").lower() else {}
    found: dict[str, str] = {}
    for name, quoted, plain in _DIRECTIVE.findall(field):
        key, value = name.lower(), quoted or plain
        if key in found and found[key] != value:
            value = str(min(_seconds(found[key]), _seconds(value)))
        found[key] = value
    return found


def storable(entry: Entry) -> bool:
    """Tell whether an answer to a GET may be kept (section 3)."""
    said = directives(entry.headers)
    if entry.status not in _KEPT or "no-store" in said or "private" in said:
        return False
    if "*" in entry.headers.get("vary", ""):
        return False
    return lifetime(entry) > 0 or "etag" in entry.headers or "last-modified" in entry.headers


def lifetime(entry: Entry) -> float:
    """Return for how many seconds after it was made an answer is fresh (section 4.2.1)."""
    headers = entry.headers
    said = directives(headers)
    if "no-cache" in said:
        return 0.0
    for name in ("s-maxage", "max-age"):
        if name in said:
            return float(_seconds(said[name]))
    made = _date(headers.get("date"))
    if "expires" in headers:
        until = _date(headers["expires"])
        return 0.0 if until is None else _bounded(until - (entry.received if made is None else made), _LONGEST)
    changed = _date(headers.get("last-modified"))
    if changed is None:
        return 0.0
    return _bounded(((entry.received if made is None else made) - changed) * _OF_THE_AGE, _HEURISTIC)


def age(entry: Entry, now: float) -> float:
    """Return how old an answer is, in seconds (section 4.2.3)."""
    made = _date(entry.headers.get("date"))
    apparent = 0.0 if made is None else max(0.0, entry.received - made)
    said = entry.headers.get("age", "")
    corrected = (_seconds(said) if said else 0) + max(0.0, entry.received - entry.requested)
    return max(apparent, corrected) + max(0.0, now - entry.received)


def fresh(entry: Entry, now: float) -> bool:
    """Tell whether an answer may be used without asking again."""
    return now >= entry.received and lifetime(entry) > age(entry, now)


def selected(entry: Entry, request: Mapping[str, str]) -> bool:
    """Tell whether an answer is one to this request: the fields that it varies by are the same (section 4.1)."""
    return all(request.get(name, "") == value for name, value in entry.vary.items())


def varying(headers: Mapping[str, str], request: Mapping[str, str]) -> dict[str, str]:
    """Return what an answer varies by, with what this request had there."""
    names = (name.strip().lower() for name in headers.get("vary", "").split(","))
    return {name: request.get(name, "") for name in names if name and name != "accept-encoding"}


def conditions(entry: Entry) -> dict[str, str]:
    """Return the fields that ask whether an answer is still right; empty when it has nothing to be known by."""
    asked = {}
    if "etag" in entry.headers:
        asked["if-none-match"] = entry.headers["etag"]
    if "last-modified" in entry.headers:
        asked["if-modified-since"] = entry.headers["last-modified"]
    return {name: value for name, value in asked.items() if value.isascii() and value.isprintable()}


def confirmed(entry: Entry, headers: Mapping[str, str], requested: float, received: float) -> Entry | None:
    """Return an answer with what a 304 says anew of it; None when the 304 is about another one (section 4.3.4)."""
    theirs, ours = headers.get("etag"), entry.headers.get("etag")
    if theirs is not None and ours is not None and theirs.removeprefix("W/") != ours.removeprefix("W/"):
        return None
    kept = {name: value for name, value in entry.headers.items() if name != "age"}
    renewed = {name: value for name, value in headers.items() if name in _RENEWED}
    return Entry(entry.url, entry.status, kept | renewed, entry.body, requested, received, entry.vary)


def _seconds(text: str) -> int:
    """Read delta-seconds; what is none is stale at once (section 4.2.1)."""
    return min(int(text), int(_LONGEST)) if _SECONDS.fullmatch(text) else 0


def _date(text: str | None) -> float | None:
    if text is None or len(text) > 64:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _bounded(seconds: float, most: float) -> float:
    return min(max(0.0, seconds), most)
