"""Repair: whatever stands in a string, arguments are decoded, or refused with a typed error."""

import dataclasses
from typing import Annotated, Any, Literal

import msgspec

from dovetail.errors import InvalidArguments, Refusal
from dovetail.server.functions.signature import Signature
from dovetail.wire import check


@dataclasses.dataclass
class Tree:
    """A type that nests."""

    value: int = 0
    children: "list[Tree]" = dataclasses.field(default_factory=list)


def target(
    tree: Tree | None = None,
    numbers: list[list[float]] | None = None,
    flag: bool = False,
    mode: Literal["a", 1] = "a",
    table: dict[str, Tree] | None = None,
    bounded: Annotated[int, msgspec.Meta(ge=0)] = 0,
    whatever: Any = None,
) -> None:
    """Take every kind of argument."""


_SIGNATURE = Signature.of(target)


def fuzz(data: bytes) -> None:
    """Decode what passes the strict pass; and the same text inside every argument that may be mended."""
    for raw in (data, *(_inside(name, data) for name in ("tree", "numbers", "table", "bounded"))):
        try:
            check(raw)
            _SIGNATURE.decode(raw)
        except InvalidArguments as refused:
            assert len(refused.message) < 600
        except Refusal:
            pass


def _inside(name: str, data: bytes) -> bytes:
    return msgspec.json.encode({name: data.decode("utf-8", "replace")})
