"""`app.notify`: change notices outside of any call, such as when a file changes; from any thread.

Every client of either era hears of them that asked for it, over all workers that share a state directory. Nobody does
while the server does not run. What changes outside need not be watched before somebody listens: `when_heard`.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dovetail.core import PROMPTS_CHANGED, RESOURCES_CHANGED, TOOLS_CHANGED, Notice, resource_updated

if TYPE_CHECKING:
    from dovetail.server.app import Server
    from dovetail.server.notices import Listener
    from dovetail.server.runtime import Runtime

log = logging.getLogger("dovetail.server")


class Announcer:
    """Tells of changes."""

    __slots__ = ("_server",)

    def __init__(self, server: "Server") -> None:
        self._server = server

    def __repr__(self) -> str:
        return f"<Announcer of {self._server.name}>"

    def resource_updated(self, uri: str, *, below: bool = False) -> None:
        """Tell those who subscribed to a resource, and may see it, that its contents changed.

        Args:
            uri: Of the resource.
            below: Those of every resource below it changed, too, as when a directory is moved: whoever subscribed to
                a URI that goes on after a slash hears of that one.

        Raises:
            DefinitionError: The URI is no text, or holds half a character.
        """
        self._announce(resource_updated(uri, below=below))

    def tools_changed(self) -> None:
        """Tell that the list of tools changed. `add_tool` and `remove_tool` do so by themselves."""
        self._announce(TOOLS_CHANGED)

    def prompts_changed(self) -> None:
        """Tell that the list of prompts changed."""
        self._announce(PROMPTS_CHANGED)

    def resources_changed(self) -> None:
        """Tell that the list of resources changed."""
        self._announce(RESOURCES_CHANGED)

    @contextmanager
    def when_heard(self, told: Callable[[], None]) -> Iterator[None]:
        """Have something called whenever a client opens a stream of changes: from then on it may hear of some.

        It is called on the server's loop, and does not wait; what it raises is logged. A stream whose session outlived
        a restart counts at once. A client of 2025-11-25 or older on a pipe opens no stream: `resources/subscribe` is
        its sign.
        """
        self._server.arrivals.append(told)
        try:
            yield
        finally:
            self._server.arrivals.remove(told)

    def _announce(self, notice: Notice) -> None:
        for server in self._server.hosts:
            for runtime in tuple(server.running):
                runtime.announce(notice)


def join(runtime: "Runtime", listener: "Listener") -> None:
    """Let a stream hear of changes, and tell whoever waits for one."""
    runtime.hub.join(listener)
    for server in runtime.server.family():
        for told in tuple(server.arrivals):
            try:
                told()
            except Exception:  # the user's: the client that listens has nothing to do with it
                log.exception("What %s has called when a client listens failed", server.name)
