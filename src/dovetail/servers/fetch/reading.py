"""From a URL to a page that can be shown: got, understood, made Markdown. What was made of a body is remembered."""

import asyncio
import hashlib
from collections import OrderedDict
from functools import partial
from typing import Final

from dovetail.errors import ToolError
from dovetail.servers.fetch import freshness
from dovetail.servers.fetch.documents import cleaned, media_of, text_of
from dovetail.servers.fetch.extraction import Extraction, Overrun, Unread
from dovetail.servers.fetch.extractor import Extract
from dovetail.servers.fetch.flights import Flights
from dovetail.servers.fetch.getting import Getter, Got, failed
from dovetail.servers.fetch.paging import Page

_MEMORY: Final = 16 * 1024 * 1024
"""Characters of Markdown that are remembered."""
_OVERRAN: Final = 1_000
"""Pages of which is remembered that they could not be read in time."""


class Reader:
    """Reads pages. Owns what it is made of, and closes it."""

    def __init__(
        self, getter: Getter, extraction: Extraction, agents: tuple[str, str], polite: bool, blob: int
    ) -> None:
        """Put together.

        Args:
            getter: Gets URLs.
            extraction: Makes Markdown.
            agents: The User-Agent of programs, and that of users who ask for a page themselves.
            polite: Whether programs obey robots.txt.
            blob: The largest body that is handed on though it is no text; 0 for none.
        """
        self.getter = getter
        self._extraction = extraction
        self._agents = agents
        self._polite = polite
        self._blob = blob
        self._made: OrderedDict[bytes, Extract] = OrderedDict()
        self._overran: OrderedDict[bytes, None] = OrderedDict()
        self._flights = Flights()
        self._size = 0

    def __repr__(self) -> str:
        return f"<Reader {len(self._made)} pages remembered>"

    async def aclose(self) -> None:
        """Close everything that it is made of."""
        await self._flights.aclose()
        await self.getter.aclose()
        await self._extraction.aclose()
        await self.getter.cache.aclose()

    async def read(self, url: str, *, raw: bool = False, renew: bool = False, user: bool = False) -> Page:
        """Read a page.

        Args:
            url: Where it is.
            raw: HTML shall stay as it is.
            renew: The cache shall be asked for nothing that is older than this call.
            user: A user asked for it, and no program.

        Raises:
            ToolError: There is none, or it is nothing that can be shown.
        """
        got = await self._get(url, renew, user)
        entry = got.entry
        media = media_of(entry.headers.get("content-type", ""), entry.body)
        age = freshness.age(entry, self.getter.clock()) if got.cached else None
        asked = self.getter.policy.check(url).url
        page = Page(url=entry.url, asked=asked, status=entry.status, media_type=media.type, age=age)
        if media.kind == "blob":
            return self._as_blob(page, entry.body)
        text = await asyncio.to_thread(text_of, entry.headers.get("content-type", ""), entry.body)
        if media.kind == "text" or raw:
            return _with(page, how="raw HTML" if media.kind == "html" else media.type, text=cleaned(text))
        try:
            made = await self._extract(entry.body, text, entry.url, keep=freshness.storable(entry), anew=renew)
        except Unread as error:
            return _with(page, how=f"raw HTML, as it could not be read{_when(error)}", text=cleaned(text))
        if made.how == "nothing":
            return _with(page, how="raw HTML, as no text was found in it", text=cleaned(text), title=made.title)
        return _with(page, how=made.how, text=cleaned(made.text), title=cleaned(made.title))

    async def links(self, url: str) -> tuple[Page, list[tuple[str, str]]]:
        """Return where a page links to: texts and URLs.

        Raises:
            ToolError: There is no page, it is no HTML, or it could not be read.
        """
        got = await self._get(url, renew=False, user=False)
        entry = got.entry
        said = entry.headers.get("content-type", "")
        media = media_of(said, entry.body)
        if media.kind != "html":
            raise ToolError(f"That is no HTML page but {media.type}: use fetch to read it")
        text = await asyncio.to_thread(text_of, said, entry.body)
        try:
            made = await self._extract(entry.body, text, entry.url, keep=freshness.storable(entry))
        except Unread as error:
            raise ToolError(
                f"The page could not be read{_when(error)}: use fetch with raw=true; with refresh=true it tries again"
            ) from None
        page = Page(url=entry.url, asked=url, status=entry.status, media_type=media.type, title=cleaned(made.title))
        return page, [(cleaned(name), goal) for name, goal in made.links]

    async def _get(self, url: str, renew: bool, user: bool) -> Got:
        agent = self._agents[1 if user else 0]
        got = await self.getter.get(url, agent, polite=self._polite and not user, renew=renew)
        failure = failed(got.entry)
        if failure is not None:
            raise ToolError(failure)
        return got

    async def _extract(self, body: bytes, text: str, url: str, *, keep: bool, anew: bool = False) -> Extract:
        key = hashlib.sha256(url.encode() + b"\n" + body).digest()
        kept = self._made.get(key)
        if kept is not None:
            self._made.move_to_end(key)
            return kept
        if key in self._overran and not anew:  # each further piece of it would cost as much again
            raise Overrun
        # Pieces of one page are asked for at the same time.
        made: Extract = await self._flights.share(key, partial(self._extracted, key, text, url, keep))
        return made

    async def _extracted(self, key: bytes, text: str, url: str, keep: bool) -> Extract:
        try:
            made = await self._extraction.extract(text, url)
        except Overrun:
            self._overran[key] = None
            if len(self._overran) > _OVERRAN:
                self._overran.popitem(last=False)
            raise
        self._overran.pop(key, None)
        if keep and key not in self._made:
            self._made[key] = made
            self._size += len(made.text)
            while self._size > _MEMORY:
                _, oldest = self._made.popitem(last=False)
                self._size -= len(oldest.text)
        return made

    def _as_blob(self, page: Page, body: bytes) -> Page:
        if len(body) > self._blob:
            raise ToolError(
                f"That is no text but {page.media_type} of {len(body)} bytes, and at most {self._blob} bytes of such "
                "files are handed on: look for a page about it, or ask the user to raise --max-blob-bytes"
            )
        return _with(page, how=page.media_type, blob=body)


def _when(error: Unread) -> str:
    return " in time" if isinstance(error, Overrun) else ""


def _with(page: Page, *, how: str, text: str = "", title: str = "", blob: bytes | None = None) -> Page:
    return Page(
        url=page.url,
        asked=page.asked,
        status=page.status,
        media_type=page.media_type,
        title=title,
        how=how,
        text=text,
        blob=blob,
        age=page.age,
    )
