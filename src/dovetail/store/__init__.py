"""The store room."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    pass

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {},
)
