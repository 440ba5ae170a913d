"""The child process that reads strangers' HTML: one JSON line in, one JSON line out, until its input ends.

It is a process so that its time and memory can be bounded from outside: no page can keep the server busy, and what
overruns the parsers below harms nothing but this. It fetches nothing.

A request is `{"html", "url"}`; an answer `{"title", "text", "how", "links"}`.
"""

import logging
import re
import sys
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import msgspec

_MEMORY: Final = 2 * 1024**3
_LINKS: Final = 2_000
_LINK_TEXT: Final = 200
_LINK_URL: Final = 2_000
_TITLE: Final = 300
_TEXT: Final = 8 * 1024 * 1024
_BLANK: Final = re.compile(r"\s+")


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

    tree = trafilatura.load_html(html)
    if tree is None:
        return Extract()
    found = Extract(title=_title(tree), links=_links(tree, url))
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
        found.text, found.how = text[:_TEXT], "Markdown"
    else:
        text = trafilatura.html2txt(html)
        if text and text.strip():
            found.text, found.how = text[:_TEXT], "text"
    return found


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


def _links(tree: Any, url: str) -> list[tuple[str, str]]:
    base = next(iter(tree.iter("base")), None)
    try:
        start = urljoin(url, (base.get("href") or "")[:_LINK_URL]) if base is not None else url
    except ValueError:
        start = url
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
    if not href or len(href) > _LINK_URL:
        return None
    try:
        goal = urljoin(start, href.strip()).partition("#")[0]
        parts = urlsplit(goal)
    except ValueError:
        return None
    return goal if parts.scheme in ("http", "https") and parts.netloc else None


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
