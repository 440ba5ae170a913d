"""The catalogue: all that a server offers, in the order in which it was offered, and the lists made of it.

Invariants: one list is made, and encoded, once for all viewers who see the same, and again only after a change. A name
    is taken once. What a caller does not see, it cannot use: lists and calls share `sees` (S-24).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar

from dovetail.core import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED, Notice, Principal
from dovetail.errors import DefinitionError, InvalidParams, quote
from dovetail.server.entries import Entry, PromptEntry, ResourceEntry, TemplateEntry, ToolEntry, Variables
from dovetail.server.functions.parameters import name_of
from dovetail.server.options import PromptOptions, ResourceOptions, ToolOptions
from dovetail.wire import (
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedResult,
    PromptsCapability,
    ResourcesCapability,
    ServerCapabilities,
    ToolsCapability,
)

if TYPE_CHECKING:
    from dovetail.server.app import Server
    from dovetail.server.options import Cache

E = TypeVar("E", bound=Entry)
NO_SCOPES: Final = frozenset[str]()
_KEPT: Final = 256
_CHANGING: Final = RLock()
"""Held while any catalogue changes, or makes a list: functions that run in threads change what their server offers.

One for all, since a change goes up through every server that it is mounted in.
"""


class Shared(list[E]):
    """The items of a page, one object for all callers: middleware reads it, and makes another one to leave some out."""

    __slots__ = ()

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        raise TypeError("This list is shared by all callers: return msgspec.structs.replace(result, ...=[...]) instead")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


class Listing:
    """One page of a list as one viewer sees it, and its encoded forms by revision."""

    __slots__ = ("payloads", "result")

    def __init__(self, result: Any) -> None:
        self.result = result
        self.payloads: dict[int, bytes] = {}


class Shelf(Generic[E]):
    """Entries of one kind, by name, in order."""

    def __init__(self, kind: str, notice: Notice, changed: Callable[[Notice], None]) -> None:
        """Start empty; call `changed` with `notice` after every change."""
        self._kind = kind
        self._notice = notice
        self._changed = changed
        self._entries: dict[str, E] = {}
        self._last = 0
        self.declared = False

    def __repr__(self) -> str:
        return f"<{len(self._entries)} {self._kind}s>"

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[E]:
        return iter(tuple(self._entries.values()))  # as it stands: a thread may change it meanwhile

    def get(self, name: str) -> E | None:
        """Return the entry of a name, or None."""
        return self._entries.get(name)

    def add(self, entry: E) -> None:
        """Put an entry at the end.

        Raises:
            DefinitionError: The name is taken.
        """
        with _CHANGING:
            if entry.name in self._entries:
                raise DefinitionError(f"There is a {self._kind} named {entry.name!r} already")
            self._last += 1
            entry.sequence = self._last
            self._entries[entry.name] = entry
            declared, self.declared = self.declared, True
            try:
                self._changed(self._notice)
            except DefinitionError:
                # A server that this one is mounted in has the name already: nobody offers it then.
                del self._entries[entry.name]
                self.declared = declared
                self._changed(self._notice)
                raise

    def remove(self, name: str) -> None:
        """Take an entry away.

        Raises:
            DefinitionError: There is none of that name.
        """
        with _CHANGING:
            if self._entries.pop(name, None) is None:
                raise DefinitionError(f"There is no {self._kind} named {name!r}")
            self._changed(self._notice)

    def discard(self, name: str) -> None:
        """Take an entry away if it is there."""
        if name in self._entries:
            self.remove(name)

    def after(self, sequence: int) -> Iterator[E]:
        """Return the entries behind a place, in order."""
        return (entry for entry in self if entry.sequence > sequence)


class Catalogue:
    """What one server offers."""

    def __init__(self, owner: "Server", *, page_size: int | None, cache: "Cache", timeout: float | None) -> None:
        """Start empty."""
        self._owner = owner
        self._page_size = page_size
        self._timeout = timeout
        self.cache_hints: dict[str, Any] = {"ttl_ms": round(cache.seconds * 1000), "cache_scope": cache.scope}
        self.tools: Shelf[ToolEntry] = Shelf("tool", TOOLS_CHANGED, self._changed)
        self.resources: Shelf[ResourceEntry] = Shelf("resource", RESOURCES_CHANGED, self._changed)
        self.templates: Shelf[TemplateEntry] = Shelf("resource template", RESOURCES_CHANGED, self._changed)
        self.prompts: Shelf[PromptEntry] = Shelf("prompt", PROMPTS_CHANGED, self._changed)
        self.encoded: dict[int, Listing] = {}
        self._listings: dict[tuple[str, frozenset[str], str | None], Listing] = {}
        self._scopes: frozenset[str] | None = NO_SCOPES
        self._parents: list[tuple[Catalogue, str]] = []
        self._mirrored: dict[tuple[str, int], Entry] = {}

    def __repr__(self) -> str:
        return f"<Catalogue {self.tools!r} {self.resources!r} {self.templates!r} {self.prompts!r}>"

    # Adding.

    def add_tool(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Add a tool. See `Server.add_tool`."""
        self.tools.add(ToolEntry(self._owner, function, self._options(ToolOptions, function, options)))

    def add_resource(self, uri: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Add a resource, or a template. See `Server.add_resource`."""
        options = self._options(ResourceOptions, function, options)
        if "{" in uri:
            self.templates.add(TemplateEntry(self._owner, uri, function, options))
        else:
            self.resources.add(ResourceEntry(self._owner, uri, function, options))

    def remove_resource(self, uri: str) -> None:
        """Remove a resource, or a template."""
        if self.templates.get(uri) is not None:
            self.templates.remove(uri)
        else:
            self.resources.remove(uri)

    def add_prompt(self, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        """Add a prompt. See `Server.add_prompt`."""
        self.prompts.add(PromptEntry(self._owner, function, self._options(PromptOptions, function, options)))

    def declare(self, kinds: Collection[str]) -> None:
        """Declare `tools`, `prompts` or `resources` from now on, though there may be none."""
        for kind in kinds:
            getattr(self, kind).declared = True

    def _options(self, kind: Any, function: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        from dovetail.server.checking import checked

        if not callable(function):
            raise DefinitionError(f"A function is offered, not {type(function).__name__}")
        return {"timeout": self._timeout, **checked(name_of(function), kind, options)}

    def mount(self, other: "Catalogue", prefix: str) -> None:
        """Offer all that another catalogue offers, now and later."""
        with _CHANGING:
            try:
                self._mirror(other, prefix)
            except DefinitionError:
                self._unmirror(other, prefix)
                raise
            other._parents.append((self, prefix))
            for parent, behind in self._parents:
                parent._mirror(self, behind)

    def _unmirror(self, other: "Catalogue", prefix: str) -> None:
        for mine, theirs in self._pairs(other):
            for key, copy in list(self._mirrored.items()):
                if copy.origin is theirs and key[0] == prefix:
                    del self._mirrored[key]
                    mine.discard(copy.name)

    def _mirror(self, other: "Catalogue", prefix: str) -> None:
        """Bring what is mounted up to date: what is new there is added here, what is gone is removed."""
        for mine, theirs in self._pairs(other):
            present = {id(entry): entry for entry in theirs}
            for key, copy in list(self._mirrored.items()):
                if copy.origin is theirs and key[1] not in present:
                    del self._mirrored[key]
                    mine.discard(copy.name)
            for identity, entry in present.items():
                key = (prefix, identity)
                if key not in self._mirrored:
                    copy = entry.renamed(prefix)
                    copy.origin = theirs
                    copy.through = (other._owner, *entry.through)
                    mine.add(copy)
                    self._mirrored[key] = copy
            mine.declared |= theirs.declared

    def _pairs(self, other: "Catalogue") -> list[tuple[Shelf[Any], Shelf[Any]]]:
        return [
            (self.tools, other.tools),
            (self.resources, other.resources),
            (self.templates, other.templates),
            (self.prompts, other.prompts),
        ]

    def _changed(self, notice: Notice) -> None:
        self._listings.clear()
        self.encoded.clear()
        self._scopes = None
        for parent, prefix in self._parents:
            parent._mirror(self, prefix)
        for runtime in tuple(self._owner.running):
            runtime.announce(notice)

    # Seeing.

    def sees(self, principal: Principal, entry: Entry) -> bool:
        """Tell whether a caller may see, and so use, an entry."""
        return not entry.scopes or entry.scopes <= principal.scopes

    def page(self, method: str, principal: Principal, cursor: str | None) -> Any:
        """Return one page of a list.

        Raises:
            InvalidParams: The cursor is none of ours: "Invalid cursors SHOULD result in an error with code -32602".
        """
        scopes = self._scopes
        listing = None
        if scopes is not None:
            listing = self._listings.get((method, principal.scopes & scopes if scopes else NO_SCOPES, cursor))
        return (self._made(method, principal, cursor) if listing is None else listing).result

    def _made(self, method: str, principal: Principal, cursor: str | None) -> Listing:
        """Make a page, for all who see the same, while nobody changes what is offered."""
        with _CHANGING:
            if self._scopes is None:
                entries = (entry for mine, _ in self._pairs(self) for entry in mine)
                self._scopes = NO_SCOPES.union(*(entry.scopes for entry in entries if entry.scopes))
            if len(self._listings) >= _KEPT:
                self._listings.clear()
                self.encoded.clear()
            listing = Listing(self._page(method, principal, cursor))
            self._listings[method, principal.scopes & self._scopes, cursor] = listing
            self.encoded[id(listing.result)] = listing
            return listing

    def _page(self, method: str, principal: Principal, cursor: str | None) -> Any:
        shelves: dict[str, tuple[Shelf[Any], type[PaginatedResult], str]] = {
            "tools/list": (self.tools, ListToolsResult, "tools"),
            "prompts/list": (self.prompts, ListPromptsResult, "prompts"),
            "resources/list": (self.resources, ListResourcesResult, "resources"),
            "resources/templates/list": (self.templates, ListResourceTemplatesResult, "resource_templates"),
        }
        shelf, make, field = shelves[method]
        start = _place(cursor)
        entries = [entry for entry in shelf.after(start) if self.sees(principal, entry)]
        following = None
        if self._page_size is not None and len(entries) > self._page_size:
            entries = entries[: self._page_size]
            following = str(entries[-1].sequence)
        page: dict[str, Any] = {field: Shared(entry.definition for entry in entries), "next_cursor": following}
        hints = self.cache_hints | {"cache_scope": "private"} if self._scopes else self.cache_hints
        return make(**page, **hints)  # what not everybody sees is nobody else's to keep, whatever the author says

    def resolve(self, uri: str, principal: Principal) -> tuple[ResourceEntry | TemplateEntry, Variables] | None:
        """Return what serves a URI, and the template's variables."""
        resource = self.resources.get(uri)
        if resource is not None:
            return (resource, {}) if self.sees(principal, resource) else None
        for template in self.templates:
            variables = template.match(uri)
            if variables is not None and self.sees(principal, template):
                return template, variables
        return None

    def capabilities(self, extensions: Mapping[str, Any]) -> ServerCapabilities:
        """Return what the server declares."""
        resources = self.resources.declared or self.templates.declared
        completions = any(entry.completes for shelf in (self.prompts, self.templates) for entry in shelf)
        return ServerCapabilities(
            tools=ToolsCapability(list_changed=True) if self.tools.declared else None,
            resources=ResourcesCapability(subscribe=True, list_changed=True) if resources else None,
            prompts=PromptsCapability(list_changed=True) if self.prompts.declared else None,
            completions={} if completions else None,
            logging={},
            extensions=dict(extensions) or None,
        )


def _place(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18:
        raise InvalidParams(f"params.cursor: not a cursor of this server: {quote(cursor, 32)}")
    return int(cursor)
