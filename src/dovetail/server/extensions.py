"""The methods of extensions: who serves them, for whom, and inside whose middleware."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from dovetail.errors import CapabilityMissing

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Server
    from dovetail.server.calls.context import Context


class ExtensionMethod:
    """One method of an extension, for clients that declared it.

    Attributes:
        owner: The server that declared it, whose lifespan the handler sees.
        through: The mounted servers on the way to it, whose middleware it runs in; the outermost first.
    """

    __slots__ = ("_handler", "_identifier", "owner", "through")

    def __init__(
        self,
        identifier: str,
        handler: "Callable[[Call, Context], Awaitable[Any]]",
        owner: "Server",
        through: "tuple[Server, ...]" = (),
    ) -> None:
        self._identifier = identifier
        self._handler = handler
        self.owner = owner
        self.through = through

    def __repr__(self) -> str:
        return f"<ExtensionMethod of {self._identifier} by {self.owner.name}>"

    def mounted(self, server: "Server") -> "ExtensionMethod":
        """Return it as the server offers it that mounts `server`."""
        return ExtensionMethod(self._identifier, self._handler, self.owner, (server, *self.through))

    async def __call__(self, call: "Call", context: "Context") -> Any:
        """Serve a call.

        Raises:
            CapabilityMissing: The client did not declare the extension.
        """
        if self._identifier not in (call.peer.capabilities.extensions or {}):
            missing: dict[str, Any] = {"extensions": {self._identifier: {}}}
            raise CapabilityMissing(f"This method needs the extension {self._identifier}", missing)
        context._owner = self.owner
        return await self._handler(call, context)
