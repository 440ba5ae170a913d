"""The child process that reads strangers' HTML: one JSON line in, one JSON line out, until its input ends.

It is a process so that its time and memory can be bounded from outside: no page can keep the server busy, and what
overruns the parsers below harms nothing but this. It fetches nothing.

A request is `{"html", "url"}`; an answer `{"title", "text", "how", "links"}`.
"""

import logging
import re
import sys
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import msgspec

_MEMORY: Final = 2 * 1024**3
_LINKS: Final = 2_000
_LINK_TEXT: Final = 200
_LINK_URL: Final = 2_000
_TITLE: Final = 300
_TEXT: Final = 8 * 1024 * 1024
_BLANK: Final = re.compile(r"\s+")
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_SKIPPED: Final = re.compile(r"[\x00-\x20]+")
"""What browsers leave out of a URL, at its beginning at least: `java\\nscript:` is a script to them."""
_ENDS: Final = "".join(map(chr, range(0x21)))
_ENCODED: Final = re.compile(
    r'[\x00-\x20"<>\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]'
)
"""What browsers encode in a path and a query alike, and nobody takes in a URL as it is; or sees there at all."""
_SLASHES: Final = re.compile(r"(?i:(https?:))?//+")
_LEADING: Final = frozenset({"http", "https", "mailto", "tel", "ftp"})
"""Schemes of links that lead somewhere. Others (`javascript`, `data`) are programs, or bodies by themselves."""
_WEB: Final = frozenset({"http", "https"})
_NOWHERE: Final = "https://nowhere.invalid/"
_DEFUSED: Final = re.compile(rf"\[([^\[\]]*)\]\({re.escape(_NOWHERE)}\)")


class Work(msgspec.Struct):
    """A page to read.

    Attributes:
        html: Its text.
        url: Where it came from: what its links are relative to.
    """

    html: str
    url: str


class Extract(msgspec.Struct):
    """What a page holds.

    Attributes:
        title: Its title.
        text: Its content.
        how: Whether that is Markdown, all visible text, or nothing was found.
        links: Where it links to: text and URL.
    """

    title: str = ""
    text: str = ""
    how: str = "nothing"
    links: list[tuple[str, str]] = []


def extract(html: str, url: str) -> Extract:
    """Read a page."""
    import trafilatura

    tree = _document(html)
    if tree is None:
        return Extract()
    start, heading = _start(tree, url), _heading(tree)
    found = Extract(title=_title(tree), links=_links(tree, url, start))
    _settle(tree, start)
    text = trafilatura.extract(
        tree,
        url=url,
        output_format="markdown",
        include_links=True,
        include_tables=True,
        include_formatting=True,
        include_comments=False,
        favor_recall=True,
    )
    if text and text.strip():
        found.text, found.how = _headed(heading, _defused(text))[:_TEXT], "Markdown"
    else:
        text = trafilatura.html2txt(_document(html))
        if text and text.strip():
            found.text, found.how = text[:_TEXT], "text"
    return found


def _document(html: str) -> Any:
    """Parse a page, whole or not: what has no <html> is what stands in the body. None for what has nothing in it."""
    import trafilatura

    tree = trafilatura.load_html(html)
    if tree is None or tree.tag != "html":
        # A fragment is taken for a document that begins at its first element, or for none at all.
        return trafilatura.load_html(f"<html><body>{html}</body></html>") if html.strip() else None
    return tree


def _heading(tree: Any) -> str:
    """Return the one heading of a plain page, where nothing hides it; empty for others, whose layout is guessed."""
    found = list(tree.iterfind("body/h1"))
    if len(found) != 1 or set(found[0].attrib) - {"id"}:
        return ""
    return _BLANK.sub(" ", _text(found[0])).strip()


def _headed(heading: str, text: str) -> str:
    """Return the Markdown of a page with its heading, which is taken for a menu where little stands below it."""
    first, _, rest = text.partition("\n")
    if heading and first.strip() == heading:
        return f"# {heading}\n\n{rest}"
    return text if heading in text else f"# {heading}\n\n{text}"


def _settle(tree: Any, start: str) -> None:
    """Make links whole, and mark those that lead nowhere.

    The parser takes them for relative to the host, wherever on it the page is. What leads nowhere stays a link for now:
    what is content is told by how many links it has.
    """
    for anchor in tree.iter("a"):
        href = anchor.get("href") or ""
        scheme = _SCHEME.match(_SKIPPED.sub("", href))
        if scheme is not None and scheme[1].lower() not in _LEADING:
            anchor.set("href", _NOWHERE)
        elif (scheme is None or scheme[1].lower() in _WEB) and (goal := _joined(start, href)) is not None:
            anchor.set("href", goal)


def _defused(text: str) -> str:
    """Return Markdown with the text alone of links that lead nowhere."""
    return _DEFUSED.sub(r"\1", text).replace(f"]({_NOWHERE})", "]")


def main() -> None:
    """Serve requests from standard input."""
    logging.disable(logging.CRITICAL)
    _bound_memory()
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library says goes elsewhere
    decoder, encoder = msgspec.json.Decoder(Work), msgspec.json.Encoder()
    for line in sys.stdin.buffer:
        try:
            work = decoder.decode(line)
            answer = encoder.encode(extract(work.html, work.url))
        except Exception:
            answer = encoder.encode(Extract())  # a page that breaks the parsers has nothing to be extracted
        out.buffer.write(answer + b"\n")
        out.buffer.flush()


def _title(tree: Any) -> str:
    title = next(iter(tree.iter("title")), None)
    return "" if title is None else _BLANK.sub(" ", title.text or "").strip()[:_TITLE]


def _start(tree: Any, url: str) -> str:
    """Return what the links of a page are relative to: what its first `base` with an address says, else its own URL."""
    given = next((each.get("href") for each in tree.iter("base") if each.get("href")), None)
    start = _joined(url, given) or url
    return start if start.partition(":")[0] in _WEB else url  # as browsers do


def _joined(start: str, href: str | None) -> str | None:
    if not href or len(href) > _LINK_URL:
        return None
    try:
        return _ENCODED.sub(lambda found: quote(found[0]), urljoin(start, _tidied(href)))
    except ValueError:
        return None


def _tidied(href: str) -> str:
    """Return an address as browsers begin to read it: without blanks around it and line ends in it, `\\` as `/`."""
    address = re.sub(r"[\t\r\n]", "", href.strip(_ENDS))
    cut = re.search(r"[?#]", address)
    end = len(address) if cut is None else cut.start()
    where = address[:end].replace("\\", "/")
    # However many slashes, a host comes after them.
    many = _SLASHES.match(where)
    if many is not None:
        where = f"{many[1] or ''}//{where[many.end() :]}"
    return where + address[end:].replace("\\", "%5C")


def _links(tree: Any, url: str, start: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for anchor in tree.iter("a"):
        goal = _goal(start, anchor.get("href"))
        if goal is None or goal == url:
            continue
        if goal not in found and len(found) >= _LINKS:
            break
        if not found.get(goal):
            found[goal] = _BLANK.sub(" ", _text(anchor)).strip()[:_LINK_TEXT]
    return [(text, goal) for goal, text in found.items()]


def _goal(start: str, href: str | None) -> str | None:
    whole = _joined(start, href)
    if whole is None:
        return None
    goal = whole.partition("#")[0]
    try:
        parts = urlsplit(goal)
    except ValueError:
        return None
    # A host with blanks is none; and no credentials are sent, so that nobody could ask for what is behind them.
    fit = parts.hostname and "%" not in parts.netloc and "@" not in parts.netloc
    return goal if parts.scheme in _WEB and fit else None


def _text(anchor: Any) -> str:
    """Return the text inside of an element, of which only so much is looked at: elements may be nested."""
    pieces, size = [], 0
    for piece in anchor.itertext():
        pieces.append(piece[:_LINK_TEXT])
        size += len(pieces[-1])
        if size > 2 * _LINK_TEXT or len(pieces) > _LINK_TEXT:
            break
    return "".join(pieces)


def _bound_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    except (ImportError, ValueError, OSError):
        return  # a system without: the time is bounded all the same


if __name__ == "__main__":
    main()
