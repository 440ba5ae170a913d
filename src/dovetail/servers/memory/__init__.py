"""A knowledge graph that models keep: entities, relations, observations, in one SQLite file with full-text search."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.memory.graph import Graph as Graph
    from dovetail.servers.memory.records import Entity as Entity
    from dovetail.servers.memory.records import Relation as Relation
    from dovetail.servers.memory.server import make as make
    from dovetail.servers.memory.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {"graph": "Graph", "records": "Entity Relation", "server": "make", "settings": "Settings"},
)
