"""Whatever a type can say comes back from the wire as it was said."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

import dovetail.wire as wire

texts = st.text(max_size=4)
integers = st.integers(-(2**70), 2**70)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
raws = values.map(lambda value: msgspec.Raw(msgspec.json.encode(value)))


def strategy(shape: inspect.Type) -> st.SearchStrategy[Any]:
    """Return whatever a type allows."""
    match shape:
        case inspect.UnionType(types=types):
            return st.one_of([strategy(one) for one in types if not isinstance(one, inspect.NoneType)])
        case inspect.ListType(item_type=item):
            return st.lists(strategy(item), max_size=2)
        case inspect.DictType(value_type=value):
            return st.dictionaries(texts, strategy(value), max_size=2)
        case inspect.LiteralType(values=choices):
            return st.sampled_from(choices)
        case inspect.StructType(cls=cls):
            return structs(cls)
        case inspect.RawType():
            return raws
        case _:
            return PLAIN[type(shape)]


PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    inspect.StrType: texts,
    inspect.IntType: integers,
    inspect.FloatType: floats,
    inspect.BoolType: st.booleans(),
    inspect.AnyType: values,
}


@st.composite
def structs(draw: st.DrawFn, cls: type[msgspec.Struct]) -> Any:
    """Return an instance with any fields set, but of rivals only one."""
    shape = inspect.type_info(cls)
    assert isinstance(shape, inspect.StructType)
    chosen = {field.name: field for field in shape.fields if field.required or draw(st.booleans())}
    for rivals in RIVALS.get(cls, ()):
        for name in rivals[1:]:
            chosen.pop(name, None)
        chosen |= {field.name: field for field in shape.fields if field.name == rivals[0]}
    return cls(**{name: draw(strategy(field.type)) for name, field in chosen.items()})


RIVALS: dict[type[msgspec.Struct], tuple[tuple[str, ...], ...]] = {
    wire.ResourceContents: (("text", "blob"),),
    wire.EnumItems: (("enum", "any_of"),),
    wire.StringSchema: (("enum", "one_of"),),
    wire.ElicitRequestParams: (("requested_schema", "mode"),),
}
"""Of each group the first is set and the others are not."""

MESSAGES = sorted(
    {
        value
        for value in (getattr(wire, name) for name in wire.__all__)
        if isinstance(value, type) and issubclass(value, wire.Wire | wire.RequestMeta)
    },
    key=str,
)


@pytest.mark.parametrize("message", MESSAGES)
@given(data=st.data())
@settings(max_examples=25)
@pytest.mark.timeout(60)
def test_a_message_comes_back_as_it_was_said(message: type[msgspec.Struct], data: st.DataObject) -> None:
    said = data.draw(structs(message))
    encoded = msgspec.json.encode(said)
    heard = msgspec.json.decode(encoded, type=message)
    assert msgspec.json.encode(heard) == encoded
    assert heard == said
