"""Whose credentials a client's requests carry: seen on their way out, for who must tell one user from another.

Nothing of the credentials is kept but a digest.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.client.options import ClientOptions
from dovetail.client.target import Address, Target
from dovetail.client.timer import Timers
from dovetail.core import cache_digest
from dovetail.errors import DovetailError

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer

_PROOFS: Final = frozenset({"dpop", "signature", "signature-input", "content-digest"})
"""New with each request (RFC 9449, RFC 9421): whose the credentials are, the other fields say."""


class Witness:
    """An authorizer that sees whose credentials go out.

    Attributes:
        context: A digest of the last ones; empty before the first.
        changes: How often they were other ones than before.
    """

    def __init__(self, auth: "str | Authorizer", url: str, timers: Timers) -> None:
        """Watch what `Client(auth=...)` means; `timers` are the client's."""
        self._auth = auth
        self._timers = timers
        self._url = url
        self._made: Authorizer | None = None
        self.context = b""
        self.changes = 0

    async def look(self) -> bytes | None:
        """Return the digest of the credentials that a request would carry now; None if none can be had."""
        try:
            await self.headers("POST", self._url)
        except DovetailError:
            return None
        return self.context

    async def headers(self, method: str, url: str, body: bytes | None = None) -> Mapping[str, str]:
        """See `Authorizer.headers`."""
        headers = await self._authorizer().headers(method, url, body)
        lasting = sorted((name.lower(), value) for name, value in headers.items() if name.lower() not in _PROOFS)
        context = cache_digest(msgspec.json.encode(lasting)).encode()
        if context != self.context:
            self.context = context
            self.changes += 1
        return headers

    async def challenged(self, method: str, url: str, status: int, headers: Mapping[str, str]) -> bool:
        """See `Authorizer.challenged`."""
        return await self._authorizer().challenged(method, url, status, headers)

    def answered(self, url: str, headers: Mapping[str, str]) -> None:
        """See `Attentive.answered`."""
        answered = getattr(self._made, "answered", None)
        if answered is not None:
            answered(url, headers)

    async def aclose(self) -> None:
        """Close the authorizer, if it was made here."""
        made, self._made = self._made, None
        closing: Any = getattr(made, "aclose", None)
        if closing is not None and made is not self._auth:
            await closing()

    def _authorizer(self) -> "Authorizer":
        if self._made is None:
            from dovetail.client.login import authorizer_of

            self._made = authorizer_of(self._auth, self._url, self._timers)
        return self._made


def witness_of(target: Target, options: ClientOptions, timers: Timers) -> Witness | None:
    """Return what is to be handed on in the place of a client's credentials; None without any."""
    auth = options.get("auth")
    return Witness(auth, target.url, timers) if isinstance(target, Address) and auth is not None else None
