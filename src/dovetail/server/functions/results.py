"""Results: from what a tool returned to a `CallToolResult`, by a converter compiled from its return annotation.

What becomes of a value: None is no content; a string is text; content blocks, pictures, sounds, files and bytes are
content; a `CallToolResult` stays as it is; everything else is structured content, plus one text that holds the same
JSON ("a tool that returns structured content SHOULD also return the serialized JSON in a TextContent block", Tools,
Structured Content).

Invariant (S-10): "Servers MUST provide structured results that conform to this schema." Where there is an output
schema, what is sent fits it: by its exact type where that is proof enough, else because the encoded JSON was decoded
again as that type. What does not fit is `InvalidOutput`, which names the place and never the value.
"""

import inspect
import sys
import typing
from collections import abc
from collections.abc import Callable, Mapping
from enum import Enum
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Raw, UnsetType

from dovetail.errors import DefinitionError, InvalidArguments, InvalidOutput, LimitExceeded, MalformedJSON
from dovetail.server.functions.annotations import Reader, uses_pydantic
from dovetail.server.functions.blocks import BLOCKS, block_of, is_block, text_block
from dovetail.server.functions.encoding import encode, encoded, require_finite
from dovetail.server.functions.expectations import explained
from dovetail.server.functions.media import Audio, File, Image
from dovetail.server.functions.parameters import (
    MISSING,
    awaited,
    globals_of,
    name_of,
    namespace_of,
    returned_by,
)
from dovetail.server.functions.patterns import pattern_check, without_patterns
from dovetail.server.functions.schemas import Schemas, schema_for, sealed
from dovetail.server.functions.standins import adapter, hook
from dovetail.server.functions.whole import complete, may_lack
from dovetail.wire import DEFAULT_LIMITS, CallToolResult, Limits, TextContent

Convert = Callable[[Any], CallToolResult]
Check = Callable[[bytes], None]
_NOTHING: Final = CallToolResult(content=[])
_FREE: Final = (MISSING, Any, object, None, type(None), str, list, tuple)
_CONTENT: Final = (*BLOCKS, Image, Audio, File, bytes, bytearray, memoryview, CallToolResult)
_LISTS: Final = (list, tuple, abc.Sequence, abc.Iterable, abc.Collection, set, frozenset)
OWN_LIMITS: Final = Limits(keys=sys.maxsize, nodes=sys.maxsize)
"""What a handler or middleware may send as `Raw`: as much as in any other form."""
_STREAMS: Final = (abc.Generator, abc.Iterator, abc.AsyncGenerator, abc.AsyncIterator, abc.AsyncIterable)


class Returns:
    """How what a tool returns is described and converted.

    Attributes:
        output_schema: JSON, as it is sent; None when the tool promises nothing.
        convert: `convert(value) -> CallToolResult`; raises `InvalidOutput`.
    """

    __slots__ = ("convert", "output_schema")

    def __init__(self, convert: Convert, output_schema: bytes | None = None) -> None:
        """Made by `Returns.of`."""
        self.convert = convert
        self.output_schema = output_schema

    def __repr__(self) -> str:
        return f"<Returns {'whatever' if self.output_schema is None else self.output_schema.decode()}>"

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        output_schema: Mapping[str, Any] | bytes | UnsetType | None = UNSET,
        structured: bool = True,
        limits: Limits = DEFAULT_LIMITS,
    ) -> "Returns":
        """Compile from a function's return annotation.

        Args:
            function: The tool.
            output_schema: Sent verbatim, and results are checked against it; None for no schema, whatever is annotated.
            structured: False: content only.
            limits: How large a verbatim schema may be.

        Raises:
            DefinitionError: A generator, or a type that has no JSON Schema.
            InvalidSchema: A verbatim schema that is none.
        """
        inner = inspect.unwrap(getattr(function, "__func__", function))
        if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
            raise DefinitionError(f"{name_of(function)} is a generator: a result is one value; report progress instead")
        if not structured:
            return cls(_content_only)
        if output_schema is None:
            return cls(convert_any)
        if output_schema is not UNSET:
            raw = output_schema if isinstance(output_schema, bytes) else msgspec.json.encode(output_schema)
            return cls(_checked(_schema_check(raw, limits)), raw)
        annotation = awaited(returned_by(function))
        try:
            return cls.as_annotated(annotation, namespace_of(function), globals_of(function))
        except DefinitionError as error:
            raise DefinitionError(f"{name_of(function)}: its return annotation: {error}") from None

    @classmethod
    def as_annotated(
        cls, annotation: Any, namespace: Mapping[str, Any] | None = None, globals_: dict[str, Any] | None = None
    ) -> "Returns":
        """Compile from a type; names in strings that it leads to are looked up in `namespace` and `globals_`, too.

        Raises:
            DefinitionError: It has no JSON Schema.
        """
        if get_origin(annotation) in _STREAMS or annotation in _STREAMS:
            raise DefinitionError("a result is one value, not a stream; report progress instead")
        if _is_free(annotation):
            return cls(convert_any)
        reader = Reader(namespace, globals_, own=True)
        if uses_pydantic(annotation, reader):
            described = schema_for(annotation, output=True)
            schema = msgspec.json.encode(described)
            return cls(_by_pydantic(annotation, _strictly(_schema_check(schema, DEFAULT_LIMITS), described)), schema)
        read = reader.read(annotation)
        schemas = Schemas([read], reader.choices, output=True)
        schema_dict = sealed(schemas.roots[0], schemas.defs)
        return cls(_typed(annotation, read, schema_dict), msgspec.json.encode(schema_dict))


def convert_any(value: Any) -> CallToolResult:
    """Convert a value of which nothing was promised.

    Raises:
        InvalidOutput: JSON has no words for it.
    """
    if value is None:
        return _NOTHING
    if type(value) is str:
        return CallToolResult(content=[text_block(value)])
    if isinstance(value, CallToolResult):
        return sendable(value)
    if is_block(value):
        return CallToolResult(content=[block_of(value)])
    if isinstance(value, list | tuple) and any(is_block(item) for item in value):
        return CallToolResult(content=[_item(item) for item in value])
    if isinstance(value, str) and not isinstance(value, Enum):  # of a class derived from it
        return CallToolResult(content=[text_block(value)])
    return _structured(encoded(value))


def _structured(data: bytes) -> CallToolResult:
    if data[:1] != b'"':
        return _as_json(data)
    # A text is read as it is: a choice, a date, an id. Its quotes are JSON's, and stand in the structured content.
    return CallToolResult(content=[TextContent(text=msgspec.json.decode(data))], structured_content=Raw(data))


def _as_json(data: bytes) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=data.decode())], structured_content=Raw(data))


def _item(value: Any) -> Any:
    """Return one item of a mixed list as a block."""
    if is_block(value):
        return block_of(value)
    return text_block(value if isinstance(value, str) else encoded(value).decode())


def _content_only(value: Any) -> CallToolResult:
    result = convert_any(value)
    if isinstance(value, CallToolResult) or result.structured_content is UNSET:
        return result
    return msgspec.structs.replace(result, structured_content=UNSET)


# Promised results.


def _typed(annotation: Any, read: Any, schema: dict[str, Any]) -> Convert:
    """Compile a converter: by exact type where that proves enough, else by decoding what was encoded."""
    first = pattern_check([read], schema, DEFAULT_LIMITS)
    decode = msgspec.json.Decoder(read if first is None else without_patterns(read), dec_hook=hook).decode

    def check(data: bytes) -> None:
        try:
            if first is not None:
                first(msgspec.json.decode(data))
            decode(data)
        except InvalidArguments as unmatched:
            raise InvalidOutput(unmatched.path, unmatched.expected) from None
        except msgspec.DecodeError as error:
            misfit = explained(str(error), schema)
            raise InvalidOutput(misfit.path, misfit.expected) from None
        except Exception:  # a user's own validator: its text may quote the value
            raise InvalidOutput("$", "a value that passes the checks of its type") from None

    checked = _checked(_strictly(check, schema))
    if may_lack([read], made=True):
        return _completed(checked)
    if annotation in (int, bool):
        return _exactly(annotation, checked)
    if annotation is float:
        return _exactly_float(checked)
    if set(schema) <= {"type", "description"} and schema.get("type") == "object":
        return _exactly(dict, checked)
    return checked


def _strictly(check: Check, schema: dict[str, Any]) -> Check:
    """Add to a check what the decoder lets pass: a date-time without its offset, a decimal that is no finite number."""
    from dovetail.server.functions.decimals import misspelt
    from dovetail.server.functions.times import without_offset

    finders = [
        (find, said)
        for find, said in (
            (without_offset(schema), "expected a time with its offset (RFC 3339)"),
            (misspelt(schema), "expected a finite decimal number with an exponent of at most three digits"),
        )
        if find is not None
    ]
    if not finders:
        return check

    def strict(data: bytes) -> None:
        check(data)
        for find, said in finders:
            place = find(data)
            if place is not None:
                raise InvalidOutput(place, said)

    return strict


def _completed(convert: Convert) -> Convert:
    def complete_first(value: Any) -> CallToolResult:
        complete(value)
        return convert(value)

    return complete_first


def _exactly(kind: type, otherwise: Convert) -> Convert:
    def convert(value: Any) -> CallToolResult:
        return _as_json(encoded(value)) if type(value) is kind else otherwise(value)

    return convert


def _exactly_float(otherwise: Convert) -> Convert:
    def convert(value: Any) -> CallToolResult:
        # JSON has no NaN and no infinity: the encoder would write null.
        return _as_json(encode(value)) if type(value) is float and isfinite(value) else otherwise(value)

    return convert


def sendable(result: CallToolResult) -> CallToolResult:
    """Return a result that somebody made, with its structured content as JSON: what is not given as `Raw` is encoded.

    Raises:
        InvalidOutput: Its content is not content, JSON has no words for the structured content, or what was given as
            `Raw` is no JSON: it would break the message that it stands in, or rewrite it.
    """
    for index, block in enumerate(result.content):
        if not isinstance(block, BLOCKS):
            raise InvalidOutput(f"$.content[{index}]", f"a content block, not {type(block).__name__}")
    given: Any = result.structured_content
    if given is UNSET:
        return result
    if isinstance(given, Raw):
        require_json(given)
        return result
    return msgspec.structs.replace(result, structured_content=Raw(encoded(given)))


def require_json(given: Raw) -> None:
    """Refuse structured content that was given as `Raw` and is no JSON, or not the same to every reader.

    Raises:
        InvalidOutput: It is none.
    """
    from dovetail.wire import check

    try:
        check(bytes(given), OWN_LIMITS)
    except (MalformedJSON, LimitExceeded):  # whose texts speak of a message of the peer's
        said = "expected one JSON value in UTF-8, with no key twice and no number that is not finite"
        raise InvalidOutput("$.structuredContent", said, declared=False) from None


def _checked(check: Check) -> Convert:
    def convert(value: Any) -> CallToolResult:
        if isinstance(value, CallToolResult):
            return _whole(value, check)
        data = encoded(value)
        check(data)
        return _structured(data)

    return convert


def _whole(result: CallToolResult, check: Check) -> CallToolResult:
    """Check a result that the handler made itself; one that reports an error promises nothing."""
    result = sendable(result)
    if result.is_error:
        return result
    if isinstance(result.structured_content, UnsetType):
        raise InvalidOutput("$", "structured content, which the output schema promises")
    check(bytes(result.structured_content))
    return result


def _schema_check(schema: bytes, limits: Limits) -> Check:
    from dovetail.wire import compile_schema

    validator = compile_schema(schema, limits)

    def check(data: bytes) -> None:
        try:
            validator.check(msgspec.json.decode(data))
        except InvalidArguments as misfit:
            raise InvalidOutput(misfit.path, misfit.expected) from None

    return check


def _by_pydantic(annotation: Any, check: Check) -> Convert:
    """Compile a converter for what only Pydantic can read: it encodes, and the schema has the last word."""
    pydantic = adapter(annotation)
    checked = _checked(check)

    def convert(value: Any) -> CallToolResult:
        if isinstance(value, CallToolResult):
            return checked(value)
        try:
            data: bytes = pydantic.dump_json(value, by_alias=True, warnings="error")
            if b"null" in data:
                require_finite(value)
        except ValueError:  # not instances of the models, but perhaps what they are made from
            data = _remade(pydantic, encoded(value))
        check(data)
        return _structured(data)

    return convert


def _remade(pydantic: Any, data: bytes) -> bytes:
    try:
        made: bytes = pydantic.dump_json(pydantic.validate_json(data, strict=True), by_alias=True, warnings="error")
    except ValueError:
        raise InvalidOutput("$", "a value that the model accepts") from None
    return made


def _is_free(annotation: Any) -> bool:
    """Tell whether an annotation promises no structured content."""
    if get_origin(annotation) is Annotated:
        return _is_free(annotation.__origin__)
    if annotation in (typing.List, typing.Tuple) or any(annotation is free for free in _FREE):  # noqa: UP006
        return True
    arguments = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return all(map(_is_free, arguments)) or any(map(_is_content, arguments))
    if get_origin(annotation) in _LISTS and Any in arguments:
        return True
    return _is_content(annotation)


def _is_content(annotation: Any) -> bool:
    """Tell whether an annotation is about content blocks, or what becomes one."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_content(annotation.__origin__)
    if origin in (Union, UnionType) or origin in _LISTS:
        return any(map(_is_content, get_args(annotation)))
    return isinstance(annotation, type) and issubclass(annotation, _CONTENT)
