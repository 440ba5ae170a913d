"""`Server`: what a server offers, as a definition. Costs nothing to import and starts nothing.

Definition-time module: no event loop, no transport. What runs is a `Runtime`, made when a transport starts.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, signature
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast, overload

import msgspec

from dovetail.core import Call, Principal
from dovetail.errors import DefinitionError
from dovetail.server.calls.context import Context
from dovetail.server.calls.gates import Rate
from dovetail.server.catalogue import Catalogue
from dovetail.server.extensions import ExtensionMethod, check_extension
from dovetail.server.options import AppOptions, Cache, PromptOptions, ResourceOptions, ServerOptions, ToolOptions
from dovetail.wire import DEFAULT_LIMITS, Implementation, Limits, ServerCapabilities

if TYPE_CHECKING:
    from dovetail.core import Stores
    from dovetail.net import Channel
    from dovetail.server.announcing import Announcer
    from dovetail.server.runtime import Runtime

F = TypeVar("F", bound=Callable[..., Any])
Handler = Callable[[Call, Context], Any]
"""The one callable shape: `async (call, ctx) -> result`."""

Middleware = Callable[[Handler], Handler]

DEFAULT_RATE = Rate(200.0, 400)
"""Calls of one principal over a network: 200 a second in the long run, 400 at once."""


class Server:
    """An MCP server: tools, resources and prompts, served on every transport and every protocol revision.

    Example:
        app = Server("orders")

        @app.tool
        async def lookup(order_id: str) -> Order: ...

        app.run()
    """

    def __init__(self, name: str, **options: Unpack[ServerOptions]) -> None:
        """Define a server.

        Args:
            name: Who it is, for programs.
            options: See `ServerOptions`.

        Raises:
            DefinitionError: An option that makes no sense.
        """
        if not isinstance(name, str) or not name:
            raise DefinitionError("A server needs a name: a string with something in it")
        from dovetail.server.checking import checked

        options = cast("ServerOptions", checked(f"Server({name!r})", ServerOptions, options))
        self.name = name
        self.instructions = options.get("instructions")
        self.limits: Limits = options.get("limits", DEFAULT_LIMITS)
        self.rate = Rate.of(options.get("rate", DEFAULT_RATE))
        self.threads = options.get("threads", 32)
        self.identify = options.get("identify")
        self.audience = options.get("audience", name)
        self.single_use = options.get("single_use", False)
        self.allowed_hosts = tuple(options.get("allowed_hosts", ()))
        self.allowed_origins = tuple(options.get("allowed_origins", ()))
        self.stores: Stores | None = options.get("stores")
        self.info = Implementation(
            name=name,
            version=options.get("version", "0.0.0"),
            title=options.get("title"),
            description=options.get("description"),
            website_url=options.get("website_url"),
            icons=options.get("icons"),
        )
        self.lifespan = _as_manager(options.get("lifespan"))
        self.middleware: list[Middleware] = []
        self.extensions: dict[str, Any] = {}
        self.extension_methods: dict[str, ExtensionMethod] = {}
        self.running: set[Runtime] = set()
        self.arrivals: list[Callable[[], None]] = []
        self.catalogue = Catalogue(
            self,
            page_size=options.get("page_size"),
            cache=options.get("cache", Cache()),
            timeout=options.get("timeout"),
        )
        self.catalogue.declare(options.get("declares", ()))
        self._mounted: list[Server] = []
        self._mounted_in: list[Server] = []

    def __repr__(self) -> str:
        return f"<Server {self.name}: {self.catalogue!r}>"

    # What it offers.

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(self, **options: Unpack[ToolOptions]) -> Callable[[F], F]: ...

    # mypy does not match Unpack with Unpack in an overload.
    def tool(self, function: Any = None, /, **options: Unpack[ToolOptions]) -> Any:  # type: ignore[misc]
        """Offer a function as a tool; with or without parentheses.

        Raises:
            InvalidName: Outside 1 to 128 of `[A-Za-z0-9_.-]`.
            DefinitionError: Parameters that have no schema, or a name that is taken.
        """
        return _decorate("tool", function, lambda target: self.add_tool(target, **options))

    def add_tool(self, function: Callable[..., Any], **options: Unpack[ToolOptions]) -> None:
        """Offer a function as a tool, also while the server runs: clients hear of it by themselves."""
        self.catalogue.add_tool(function, options)

    def remove_tool(self, name: str) -> None:
        """Offer a tool no more.

        Raises:
            DefinitionError: There is none of that name.
        """
        self.catalogue.tools.remove(name)

    def resource(self, uri: str, **options: Unpack[ResourceOptions]) -> Callable[[F], F]:
        """Offer what a function returns as a resource; braces make it a template (RFC 6570).

        Raises:
            DefinitionError: A template whose variables are not the function's parameters, or a URI that is taken.
        """
        given: Any = uri
        if not isinstance(given, str):
            name = getattr(given, "__name__", "a_function")
            raise DefinitionError(f'@app.resource needs a URI: write @app.resource("data://{name}")')

        def register(function: F) -> F:
            self.add_resource(uri, function, **options)
            return function

        return register

    def add_resource(self, uri: str, function: Callable[..., Any], **options: Unpack[ResourceOptions]) -> None:
        """Offer a resource, also while the server runs."""
        self.catalogue.add_resource(uri, function, options)

    def remove_resource(self, uri: str) -> None:
        """Offer a resource, or a template, no more.

        Raises:
            DefinitionError: There is none of that URI.
        """
        self.catalogue.remove_resource(uri)

    @overload
    def prompt(self, function: F, /) -> F: ...

    @overload
    def prompt(self, **options: Unpack[PromptOptions]) -> Callable[[F], F]: ...

    # mypy does not match Unpack with Unpack in an overload.
    def prompt(self, function: Any = None, /, **options: Unpack[PromptOptions]) -> Any:  # type: ignore[misc]
        """Offer a function as a prompt; with or without parentheses.

        Raises:
            DefinitionError: A name that is taken.
        """
        return _decorate("prompt", function, lambda target: self.add_prompt(target, **options))

    def add_prompt(self, function: Callable[..., Any], **options: Unpack[PromptOptions]) -> None:
        """Offer a prompt, also while the server runs."""
        self.catalogue.add_prompt(function, options)

    def remove_prompt(self, name: str) -> None:
        """Offer a prompt no more.

        Raises:
            DefinitionError: There is none of that name.
        """
        self.catalogue.prompts.remove(name)

    def use(self, middleware: Middleware) -> Middleware:
        """Wrap every call:

        `middleware(handler) -> handler`, both `async (call, ctx) -> result`. The first is outermost.

        Raises:
            DefinitionError: It does not take one handler.
        """
        _check_middleware(middleware)
        self.middleware.append(middleware)
        return middleware

    def mount(self, other: "Server", prefix: str = "") -> None:
        """Offer all that another server offers, its names behind `prefix_`; what it adds later, too.

        Its extensions are those that it has declared by then.

        Raises:
            DefinitionError: A name that is taken, a server mounted in itself, or one with a lifespan that could not be
                entered any more.
        """
        if not isinstance(other, Server):
            raise DefinitionError(f"A server is mounted, not {type(other).__name__}")
        if self in other.family():
            raise DefinitionError(f"{other.name} cannot be mounted in itself")
        if self.running and any(server.lifespan is not None for server in other.family()):
            raise DefinitionError(f"{other.name} has a lifespan: mount it before {self.name} runs, which enters it")
        taken = other.extension_methods.keys() & self.extension_methods.keys()
        if taken:
            raise DefinitionError(f"{other.name}: {min(taken)} is served already")
        self.catalogue.mount(other.catalogue, prefix)
        self._mounted.append(other)
        other._mounted_in.append(self)
        self.extensions = {**other.extensions, **self.extensions}
        for method, served in other.extension_methods.items():
            self.extension_methods[method] = served.mounted(other)

    def extension(
        self, identifier: str, settings: Mapping[str, Any] | None = None, methods: Mapping[str, Handler] | None = None
    ) -> None:
        """Declare an extension, and serve its methods.

        Args:
            identifier: With a prefix, such as `com.example/search`.
            settings: What the capability says; empty when not given.
            methods: Handlers by method name: `async (call, ctx) -> result`, as all are. The parameters, as they came,
                are the dict `call.params.body`; the result is a dict, or a Struct. "If one party supports an extension
                but the other does not, the supporting party MUST either revert to core protocol behavior or reject the
                request" (Versioning): a client that did not declare it is refused.

        Raises:
            InvalidName: No prefix, or malformed.
            DefinitionError: A method without that prefix, or one that the protocol, or another extension, has; or no
                handler.
        """
        check_extension(identifier, settings, methods, self.extension_methods)
        self.extensions[identifier] = dict(settings or {})
        for method, handler in (methods or {}).items():
            self.extension_methods[method] = ExtensionMethod(identifier, handler, self)

    # What it says of itself.

    def capabilities(self) -> ServerCapabilities:
        """Return what the server declares: what it offers, and nothing else."""
        return self.catalogue.capabilities(self.extensions)

    @property
    def encoded_info(self) -> bytes:
        """`serverInfo` as it stands in the `_meta` of every result of the stateless revision."""
        return msgspec.json.encode(self.info)

    def family(self) -> "Iterable[Server]":
        """This server and all that are mounted in it."""
        yield self
        for server in self._mounted:
            yield from server.family()

    def complete_url(self, visit: str) -> None:
        """Tell the client that was asked for a visit to a URL that the user is done there; from any thread or worker.

        Called by whoever serves the URL, on the server that runs. "This allows clients to react programmatically"
        (2025-11-25, Elicitation); other revisions have no such notice, and ids that nobody waits for are ignored.

        Args:
            visit: The visit's `id`, or what was passed as `visit=` to `ctx.elicit_url`.
        """
        from dovetail.core import url_completed

        for runtime in list(self.running):
            runtime.announce(url_completed(visit))

    # Serving. Each loads its transport when it is called.

    @property
    def notify(self) -> "Announcer":
        """Tells of what changed outside of any call; inside one, `Context.notify` does the same."""
        from dovetail.server.announcing import Announcer

        return Announcer(self)

    @property
    def hosts(self) -> "Iterable[Server]":
        """This server and all that it is mounted in."""
        yield self
        for server in self._mounted_in:
            yield from server.hosts

    def asgi(self, path: str = "/mcp", **options: Any) -> Any:
        """Return an ASGI app that serves both eras on one endpoint; it starts itself when mounted in another app.

        Args:
            path: Where the endpoint is.
            options: See `dovetail.server.transports.asgi.App`.

        Raises:
            DefinitionError: No such option, a value that it cannot have, or a path that cannot be one.
        """
        from dovetail.server.checking import checked
        from dovetail.server.transports.asgi import App

        if not isinstance(path, str):
            raise DefinitionError(f"app.asgi: a path is a string such as '/mcp', not {type(path).__name__}")
        return App(self, path=path, **checked("app.asgi", AppOptions, options))

    def run(self, transport: str = "stdio", **options: Any) -> None:
        """Serve until stopped: `"stdio"`, or `"http"` with `host=`, `port=`, `path=`, `workers=`, `state=`.

        Raises:
            DefinitionError: No such transport, or a bind that is not safe.
        """
        from dovetail.server.transports.run import run

        run(self, transport, options)

    def connect(self, principal: Principal | None = None) -> "Channel":
        """Return the client's end of an in-memory connection to this server, on the running event loop.

        Args:
            principal: On whose behalf the client speaks; the local user, without any scope, by default.
        """
        from dovetail.server.transports.run import LOCAL, connect

        return connect(self, principal or LOCAL)


def _decorate(kind: str, function: Any, register: Callable[[Any], None]) -> Any:
    if isinstance(function, str):
        raise DefinitionError(f"@app.{kind} takes its options by name: write @app.{kind}(name={function!r})")
    if function is not None:
        register(function)
        return function

    def decorator(target: Any) -> Any:
        register(target)
        return target

    return decorator


def _as_manager(lifespan: Any) -> Callable[[Server], AbstractAsyncContextManager[Any]] | None:
    if lifespan is None:
        return None
    if isasyncgenfunction(lifespan):
        return asynccontextmanager(lifespan)
    if not callable(lifespan) or iscoroutinefunction(lifespan) or isgeneratorfunction(lifespan):
        raise DefinitionError(
            "lifespan: expected `async def lifespan(server)` that yields once, "
            f"or a function that returns an async context manager, not {_what(lifespan)}"
        )
    manager: Callable[[Server], AbstractAsyncContextManager[Any]] = lifespan
    return manager


def _check_middleware(middleware: Any) -> None:
    """Find a mistake in middleware where it is put on, not when the first client comes.

    Raises:
        DefinitionError: It cannot be called with one handler, or is async itself.
    """
    fits = callable(middleware) and not iscoroutinefunction(middleware)
    if fits:
        try:
            signature(middleware).bind(None)
        except TypeError:
            fits = False
        except ValueError:
            pass  # it has no signature to look at
    if not fits:
        raise DefinitionError(
            "Middleware is a plain function that takes a handler and returns one: "
            "`def middleware(handler): async def handle(call, ctx): ...; return handle`, "
            f"not {_what(middleware)}"
        )


def _what(thing: Any) -> str:
    kind = "async function" if iscoroutinefunction(thing) else type(thing).__name__
    return f"the {kind} {getattr(thing, '__qualname__', '')}".rstrip()
