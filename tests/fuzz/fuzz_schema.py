"""Fuzz target: any schema compiles or is refused; a value fits, or is refused with a short reason."""

import json

from dovetail.errors import InvalidArguments, InvalidSchema
from dovetail.wire.schema import compile_schema

SEEDS = [
    b'{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"type":"integer"},{"items":{"$ref":"#"}}]}}}|[1,["x"]]',
    b'{"type":"object","properties":{"a":{"pattern":"^(a+)+$"}},"required":["b"],"additionalProperties":false}|{"a":"b"}',
    b'{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"const":1}],"dependencies":{"a":["b"]}}|[2]',
    b'{"$id":"http://a.example/","$dynamicRef":"#n","$dynamicAnchor":"n","unevaluatedProperties":false}|{"c":null}',
]


def fuzz(data: bytes) -> None:
    text, _, instance = data.partition(b"|")
    try:
        validator = compile_schema(text)
    except InvalidSchema as error:
        assert len(str(error)) < 600
        return
    try:
        value = json.loads(instance)
    except (ValueError, RecursionError):
        value = instance.decode("latin-1")
    try:
        validator.check(value)
    except InvalidArguments as error:
        assert len(str(error)) < 600
