"""Roots: where a client lets a server work (spec, Client Features, Roots; deprecated in 2026-07-28, still served)."""

from typing import Any

import msgspec

from dovetail.wire.base import Wire
from dovetail.wire.envelope import ClientResult


class Root(Wire, frozen=True, kw_only=True):
    """One place: `uri` starts with `file://`."""

    uri: str
    name: str | None = None
    meta: dict[str, Any] | None = msgspec.field(default=None, name="_meta")


class ListRootsResult(ClientResult, frozen=True, kw_only=True):
    """All of them."""

    roots: list[Root]
