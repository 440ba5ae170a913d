"""robots.txt (RFC 9309), decided without I/O: what a site's answer means, and whether a URL may be fetched.

`protego` reads the rules. What it is given is bounded first, and only holds groups that could be ours: a hostile file
of thousands of agents before thousands of rules would cost their product.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from protego import Protego

LARGEST: Final = 512 * 1024
"""Bytes that are read; "the limit MUST be at least 500 kibibytes" (section 2.5). What follows is ignored."""
REDIRECTS: Final = 5
"""Section 2.3.1.2: at least five, also across hosts."""
KEPT_SECONDS: Final = 86_400.0
"""Section 2.4: not longer than 24 hours."""
UNREACHABLE_SECONDS: Final = 60.0
_AGENT: Final = re.compile(r"[\s\ufeff]*user[ -]?agent\s*[:\s]\s*([^#]*)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+")


class Rules:
    """What a site says to one program.

    Attributes:
        unreachable: It could not say anything, so that nothing may be fetched (section 2.3.1.4).
        why: Why not, in words of ours; empty where only its status says so.
    """

    def __init__(
        self, parsed: "Protego | None" = None, name: str = "", *, unreachable: bool = False, why: str = ""
    ) -> None:
        """See `rules_of`."""
        self._parsed = parsed
        self._name = name
        self.unreachable = unreachable
        self.why = why

    def __repr__(self) -> str:
        return f"<Rules {'unreachable' if self.unreachable else 'none' if self._parsed is None else 'parsed'}>"

    def allow(self, url: str) -> bool:
        """Tell whether a URL of the site may be fetched."""
        if self.unreachable:
            return False
        return self._parsed is None or bool(self._parsed.can_fetch(url, self._name))


def product_token(user_agent: str) -> str:
    """Return the name that a robots.txt knows a program by: what its User-Agent begins with."""
    found = _TOKEN.match(user_agent)
    return found[0] if found else "*"


def rules_of(status: int, body: bytes, token: str) -> Rules:
    """Return what a site's answer for its robots.txt means.

    Args:
        status: Of the answer, after redirects.
        body: Of the answer.
        token: The program's name.
    """
    if status >= 500 or status == 429 or status < 200:
        return Rules(unreachable=True)
    if status >= 300:
        return Rules()  # section 2.3.1.3: "unavailable": the crawler may access any resources
    from protego import Protego

    return Rules(Protego.parse(relevant(body, token)), token)


def relevant(body: bytes, token: str) -> str:
    """Return the text of a robots.txt with every group that is for somebody else under one other name."""
    cut = body[:LARGEST]
    if len(body) > LARGEST:
        cut = cut[: cut.rfind(b"\n") + 1]
    ours = {"*", token.lower()}
    lines = []
    for line in re.split(r"\r\n|\r|\n", cut.decode("utf-8", "replace")):
        agent = _AGENT.match(line)
        if agent is None:
            lines.append(line)
            continue
        named = agent[1].strip().lower()
        # Section 2.2.1: the name, case-insensitive; what stands behind it (a version, say) is overlooked.
        found = _TOKEN.match(named)
        name = named if named == "*" else found[0] if found else "-"
        lines.append(f"User-agent: {name if name in ours else 'somebody-else'}")
    return "\n".join(lines)
