"""Where a path of a caller lies: below which of the roots, and under which name the caller knows it."""

import os
from collections.abc import Sequence

from dovetail.errors import UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.names import below, nearest, path_of, steps_of, uri_of, visible


class Place:
    """Something below a root, whether it is there or not."""

    __slots__ = ("absolute", "root", "steps")

    def __init__(self, root: Beneath, steps: tuple[str, ...], absolute: bool) -> None:
        self.root = root
        self.steps = steps
        self.absolute = absolute

    def __repr__(self) -> str:
        return f"<Place {self.shown}>"

    @property
    def path(self) -> str:
        """The absolute path, for people and URIs: nothing is opened by it."""
        return os.path.join(self.root.path, *self.steps)

    @property
    def uri(self) -> str:
        """The URI of the resource."""
        return uri_of(self.path)

    @property
    def shown(self) -> str:
        """The path as the caller writes paths: absolute, or relative to the first root."""
        return visible(self.path if self.absolute else "/".join(self.steps) or ".")

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.steps[-1] if self.steps else os.path.basename(self.root.path)

    @property
    def above(self) -> "Place":
        """The directory that it lies in; the root itself for the root."""
        return Place(self.root, self.steps[:-1], self.absolute)

    def under(self, *names: str) -> "Place":
        """Return a place below this one."""
        return Place(self.root, (*self.steps, *names), self.absolute)


class Roots:
    """The directories that may be used, in the order that they were given."""

    __slots__ = ("_spellings", "items")

    def __init__(self, items: Sequence[Beneath]) -> None:
        self.items = tuple(items)
        real = [os.path.realpath(item.path) for item in self.items]
        self._spellings = tuple(tuple({item.path, path}) for item, path in zip(self.items, real, strict=True))
        for item, path in zip(self.items, real, strict=True):
            if any(below(path, other) for other in real):
                item.pin()

    def __repr__(self) -> str:
        return f"<Roots {[item.path for item in self.items]}>"

    def place(self, path: str) -> Place:
        """Find the place of a path: absolute below a root, a `file://` URI of such, or relative to the first root.

        Raises:
            UnsafePath: It lies outside all roots, or could be made to.
        """
        if path.startswith("file:"):
            path = path_of(path) or "/.."
        if not path.startswith("/"):
            return Place(self.items[0], steps_of(path), absolute=False)
        found = nearest(path, self._spellings)
        if found is None:
            raise UnsafePath("The path lies outside the directories that this server may use")
        index, rest = found
        return Place(self.items[index], steps_of(rest.lstrip("/")), absolute=True)
