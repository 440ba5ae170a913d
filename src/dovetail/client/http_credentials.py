"""Requests with credentials: their maker (an `Authorizer`) is asked before each, and told when one is refused.

Invariant: refusals never lead to requests without end. Those for nothing but the nonce of a proof are counted by
themselves: where each answer makes the former nonce void, calls that are under way at once take it from one another.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dovetail.client.login import Attentive
from dovetail.errors import AuthRequired

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer
    from dovetail.net import HttpClient, Response

_CHALLENGES: Final = 6
_NONCES: Final = 12
"""How often one request is sent again for its nonce."""
_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.5


class Credentialed:
    """An `HttpClient` whose requests carry credentials.

    Attributes:
        gave: The last one did.
    """

    def __init__(self, http: "HttpClient", authorizer: "Authorizer") -> None:
        """Send over `http`, which somebody else closes."""
        self._http = http
        self._authorizer = authorizer
        self.gave = False
        self._answered = authorizer.answered if isinstance(authorizer, Attentive) else None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> "Response":
        """See `HttpClient.send`.

        Raises:
            AuthRequired: No credentials that there are will do.
        """
        challenges = nonces = 0
        while challenges < _CHALLENGES and nonces <= _NONCES:
            credentials = await self._authorizer.headers(method, url, body)
            self.gave = bool(credentials)
            response = await self._http.send(method, url, {**headers, **credentials}, body)
            if response.status not in (401, 403):
                if self._answered is not None:
                    self._answered(url, response.headers)
                return response
            if not await self._authorizer.challenged(method, url, response.status, response.headers):
                return response
            await response.aclose()
            if _is_about_nonce(response):
                nonces += 1
                await _apart(nonces)
            else:
                challenges += 1
        if challenges < _CHALLENGES:
            raise AuthRequired("The server refuses each nonce that it gave a moment ago: make fewer calls at a time")
        raise AuthRequired("The server refuses the credentials that it was given again and again")

    async def aclose(self) -> None:
        """See `HttpClient.aclose`."""
        await self._http.aclose()


def sender(http: "HttpClient", authorizer: "Authorizer | None") -> "HttpClient | Credentialed":
    """Return what to send requests with."""
    return http if authorizer is None else Credentialed(http, authorizer)


def _is_about_nonce(response: "Response") -> bool:
    """Tell whether a request was refused for nothing but its proof's nonce (RFC 9449, section 9)."""
    from dovetail.auth import read_demand

    return response.status == 401 and read_demand(response.headers).error == "use_dpop_nonce"


async def _apart(attempt: int) -> None:
    """Wait a moment, each its own, so that those who were refused together do not come together again.

    Not at the first refusal: "the client will typically retry the request with the new nonce value supplied" (RFC 9449,
    section 8), and most often nobody else is there.
    """
    if attempt > 1:
        await asyncio.sleep(random.random() * min(_PAUSE * 2**attempt, _LONGEST_PAUSE))  # noqa: S311
