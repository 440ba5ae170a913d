"""Extensions: how they are declared; their methods, who serves them, for whom, and inside whose middleware."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from dovetail.errors import CapabilityMissing, DefinitionError, quote

if TYPE_CHECKING:
    from dovetail.core import Call
    from dovetail.server.app import Server
    from dovetail.server.calls.context import Context


def check_extension(identifier: Any, settings: Any, methods: Any, taken: Collection[str]) -> None:
    """Check what an extension is declared with.

    Args:
        identifier: Its name.
        settings: What its capability says, or None.
        methods: Handlers by name, or None.
        taken: The methods of other extensions.

    Raises:
        InvalidName: An identifier without a prefix, or malformed.
        DefinitionError: Settings or methods that are no mapping, a method without the identifier's prefix, one that the
            protocol or another extension has, or no handler.
    """
    from dovetail.wire import METHODS, check_extension_id, is_reserved

    if not isinstance(identifier, str):
        raise DefinitionError(
            f"An extension's identifier is a string such as 'com.example/search', not {_kind(identifier)}"
        )
    check_extension_id(identifier)
    for what, given in (("settings", settings), ("methods", methods)):
        if given is not None and not isinstance(given, Mapping):
            raise DefinitionError(f"{identifier}: {what} are a mapping by name, not {_kind(given)}")
    # The methods of MCP's own extensions are named by their specifications.
    prefix = "" if is_reserved(identifier) else identifier.rpartition("/")[0] + "/"
    for method, handler in (methods or {}).items():
        if method in METHODS:
            raise DefinitionError(f"{identifier}: {method} is the protocol's own; name methods with your prefix")
        if not isinstance(method, str) or not method.startswith(prefix) or method == prefix:
            raise DefinitionError(
                f"{identifier}: {quote(str(method), 80)} lacks the extension's prefix: name it {prefix}NAME"
            )
        if method in taken:
            raise DefinitionError(f"{identifier}: {method} is served already")
        if not callable(handler):
            raise DefinitionError(f"{identifier}: {method} needs a handler: async (call, ctx) -> result")


def _kind(thing: Any) -> str:
    return type(thing).__name__


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
