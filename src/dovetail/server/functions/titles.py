"""Titles in schemas: those that an author gave stay, those that a generator made of names go.

A title is what people read in the place of a name, in a form as a field's label. One that was made of the name says
nothing more than that.
"""

import re
from typing import Any, Final

from dovetail.server.functions.standins import Schema

_UNNAMEABLE: Final = re.compile(r"[^a-zA-Z0-9.\-_]")


def untitled(name: str, schema: Schema) -> Schema:
    """Return the definition of a class without the title that is the class's name.

    Args:
        name: Of the definition: the class's, perhaps with its module and what tells it from others of that name.
        schema: The definition.
    """
    made = re.escape(_UNNAMEABLE.sub("_", schema.get("title", "")))
    if re.fullmatch(rf"(.*[._])?{made}(-Input|-Output)?(__[0-9]+)?", name) is None:
        return schema
    return {key: value for key, value in schema.items() if key != "title"}


def pydantic_schema(adapter: Any, annotation: Any, *, output: bool) -> Schema:
    """Return Pydantic's schema of a type, with its author's titles alone."""
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    mode = "serialization" if output else "validation"
    schema: Schema = adapter.json_schema(mode=mode, schema_generator=Untitled)
    definitions = {name: untitled(name, inner) for name, inner in schema.get("$defs", {}).items()}
    while hasattr(annotation, "__origin__"):
        annotation = annotation.__origin__
    made = untitled(_UNNAMEABLE.sub("_", getattr(annotation, "__name__", "")), schema)
    return {**made, "$defs": definitions} if definitions else made
