"""Requests with credentials: their maker (an `Authorizer`) is asked before each, and told when one is refused."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from dovetail.client.login import Attentive
from dovetail.errors import AuthRequired

if TYPE_CHECKING:
    from dovetail.client.login import Authorizer
    from dovetail.net import HttpClient, Response

_CHALLENGES: Final = 6


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
        for _ in range(_CHALLENGES):
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
        raise AuthRequired("The server refuses the credentials that it was given again and again")

    async def aclose(self) -> None:
        """See `HttpClient.aclose`."""
        await self._http.aclose()


def sender(http: "HttpClient", authorizer: "Authorizer | None") -> "HttpClient | Credentialed":
    """Return what to send requests with."""
    return http if authorizer is None else Credentialed(http, authorizer)
