"""Signatures: a function read once, when it is registered, into all that serving it needs.

A `Signature` holds the input schema as it is sent, a compiled decoder for arguments, and a compiled call. What a
handler is given besides arguments (its context, dependencies, answers to declared questions) is not in the schema: it
is listed in `injected`, and whoever serves the call provides it by name.

Definition-time module: no event loop, and nothing is imported for a feature that a function does not use.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

import msgspec

from dovetail.errors import DefinitionError, InvalidArguments, InvalidSchema, quote
from dovetail.server.functions.annotations import Reader
from dovetail.server.functions.arguments import Typed, Values, Verbatim
from dovetail.server.functions.docstrings import Docstring, parse_docstring
from dovetail.server.functions.markers import Ask, Complete, Depends, Header
from dovetail.server.functions.parameters import (
    MISSING,
    Declaration,
    Declared,
    declaration_of,
    doc_of,
    is_async,
    name_of,
)
from dovetail.server.functions.schemas import Schemas, sealed
from dovetail.server.functions.standins import Schema, convert, is_pydantic
from dovetail.wire import DEFAULT_LIMITS, Limits, PromptArgument

Kind = Literal["context", "depends", "ask"]
Injection = Callable[[Any], "tuple[Kind, Any] | None"]


class Injected(msgspec.Struct, frozen=True):
    """A parameter whose value does not come from the caller's arguments.

    Attributes:
        name: The parameter.
        kind: `context`, `depends` or `ask`.
        payload: The `Depends` or `Ask`; None for the context.
        annotation: The type, without the marker.
    """

    name: str
    kind: Kind
    payload: Any
    annotation: Any


class Parameter(msgspec.Struct, frozen=True):
    """A parameter that callers give.

    Attributes:
        name: On the wire as in the source.
        annotation: Resolved, markers included.
        required: It has no default.
        description: From the annotation, else from the docstring; empty when neither says.
        complete: Its suggestions, or None.
        header: What `Mcp-Param-` is followed by, or None.
    """

    name: str
    annotation: Any
    required: bool
    description: str = ""
    complete: Complete | None = None
    header: str | None = None


class Signature:
    """A function, ready to be described, decoded for and called.

    Attributes:
        function: The function.
        is_async: Calling it makes a coroutine.
        docstring: What it says of itself.
        parameters: Those that callers give, in order.
        injected: The others.
        contexts: Their names where all of them are the context, and nothing has to be opened; None otherwise.
        input_schema: JSON, as it is sent.
        schema: The same, parsed.
        decode: `decode(raw) -> values`, from the JSON object of a call; raises `InvalidArguments`.
        decode_texts: The same from a mapping of strings: prompts' arguments, templates' variables.
        call: `call(values, injected)` calls the function; `injected` is a dict by name.
    """

    __slots__ = (
        "call",
        "contexts",
        "decode",
        "decode_texts",
        "docstring",
        "function",
        "injected",
        "input_schema",
        "is_async",
        "parameters",
        "schema",
    )

    parameters: tuple[Parameter, ...]
    injected: tuple[Injected, ...]
    contexts: tuple[str, ...] | None
    input_schema: bytes
    schema: Schema
    decode: Callable[[bytes | msgspec.Raw], Values]
    decode_texts: Callable[[Mapping[str, str | list[str]]], Values]
    call: Callable[[Values, dict[str, Any]], Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        """Made by `Signature.of`."""
        self.function = function
        self.is_async = is_async(function)
        self.docstring = parse_docstring(doc_of(function))
        self.parameters = ()
        self.injected = ()

    def __repr__(self) -> str:
        names = [*(item.name for item in self.parameters), *(item.name for item in self.injected)]
        return f"<Signature {name_of(self.function)}({', '.join(names)})>"

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        *,
        injected: Injection | None = None,
        input_schema: Mapping[str, Any] | bytes | None = None,
        repair: bool = True,
        limits: Limits = DEFAULT_LIMITS,
    ) -> "Signature":
        """Read a function.

        Args:
            function: A function, method, partial, callable object or class.
            injected: From an annotation to what is injected there; the context, `Depends` and `Ask`, when not given.
            input_schema: Sent verbatim; arguments are checked against it and arrive as JSON values.
            repair: Arguments that arrive as JSON text are mended where no text may be.
            limits: What such a text may hold, and how large a verbatim schema may be.

        Raises:
            DefinitionError: A parameter without a schema: `*args`, `**rest`, a type that JSON has no words for.
            InvalidSchema: A verbatim schema that is none, or header names that break the rules of `x-mcp-header`.
        """
        self = cls(function)
        declared = declaration_of(function, open_ended=input_schema is not None)
        wanted = {item.name: _injected(function, item, injected or injection) for item in declared.parameters}
        self.injected = tuple(item for item in wanted.values() if item is not None)
        plain = all(item.kind == "context" for item in self.injected)
        self.contexts = tuple(item.name for item in self.injected) if plain else None
        given = [item for item in declared.parameters if wanted[item.name] is None]
        reader: Typed | Verbatim
        if input_schema is None:
            reader = self._typed(given, declared, repair=repair, limits=limits)
            self.call = _caller(function, declared.parameters, given)
        else:
            raw = bytes(input_schema) if isinstance(input_schema, bytes) else msgspec.json.encode(input_schema)
            reader = self._verbatim(raw, given, repair=repair, limits=limits)
            self.call = _verbatim_caller(function, None if declared.open else {item.name for item in given})
        self.decode, self.decode_texts = reader.read, reader.read_texts
        return self

    @property
    def prompt_arguments(self) -> tuple[PromptArgument, ...]:
        """The parameters as a prompt describes them."""
        return tuple(
            PromptArgument(name=item.name, description=item.description or None, required=item.required or None)
            for item in self.parameters
        )

    def _typed(self, given: list[Declared], declared: Declaration, *, repair: bool, limits: Limits) -> Typed:
        reader = Reader(declared.namespace, declared.globals)
        try:
            types = [_readable(item, reader) for item in given]
            described = _schemas(given, types, reader)
        except DefinitionError as error:
            raise DefinitionError(f"{name_of(self.function)}: {error}") from None
        self.parameters = tuple(
            _parameter(item, root, self.docstring) for item, root in zip(given, described.roots, strict=True)
        )
        properties = {
            parameter.name: _property(root, item, parameter)
            for parameter, root, item in zip(self.parameters, described.roots, given, strict=True)
        }
        self._describe(properties, described.defs)
        fields = [(item.name, read, item.default) for item, read in zip(given, types, strict=True)]
        return Typed(fields, self.schema, repair=repair, limits=limits)

    def _describe(self, properties: dict[str, Schema], defs: Mapping[str, Schema]) -> None:
        root: Schema = {"type": "object", "properties": properties}
        required = [parameter.name for parameter in self.parameters if parameter.required]
        if required:
            root["required"] = required
        # "unknown params rejected when additionalProperties: false (our decorator's default)" (S-09)
        root["additionalProperties"] = False
        self.schema = sealed(root, defs)
        self.input_schema = msgspec.json.encode(self.schema)
        mirrored = [parameter.name for parameter in self.parameters if parameter.header is not None]
        if mirrored:
            from dovetail.wire import looks_secret, param_headers

            param_headers(self.schema)
            for name in filter(looks_secret, mirrored):
                # "Server developers SHOULD NOT mark sensitive parameters (passwords, API keys, tokens, PII) with
                # x-mcp-header, as header values are visible to network intermediaries." (2026-07-28, x-mcp-header)
                raise DefinitionError(f"{name_of(self.function)}: {name!r} looks like a secret: no Header for it")

    def _verbatim(self, raw: bytes, given: list[Declared], *, repair: bool, limits: Limits) -> Verbatim:
        reader = Verbatim(raw, repair=repair, limits=limits)
        self.input_schema = raw
        self.schema = reader.schema
        if self.schema.get("type") != "object":
            raise InvalidSchema(f"{name_of(self.function)}: an input schema has `type: object` at its root (Tools)")
        properties = self.schema.get("properties", {})
        required = self.schema.get("required", ())
        for item in given:
            if item.default is MISSING and item.name not in required:
                raise DefinitionError(
                    f"{name_of(self.function)}: {item.name!r} has no default, and the schema does not require it"
                )
        self.parameters = tuple(
            Parameter(name, Any, name in required, (schema or {}).get("description", ""))
            for name, schema in properties.items()
            if isinstance(schema, dict)
        )
        return reader


def injection(annotation: Any) -> "tuple[Kind, Any] | None":
    """Tell what is injected into a parameter with this annotation; None when callers give it."""
    if get_origin(annotation) is Annotated:
        for marker in annotation.__metadata__:
            if isinstance(marker, Depends):
                return "depends", marker
            if isinstance(marker, Ask):
                return "ask", marker
        annotation = annotation.__origin__
    if get_origin(annotation) in (Union, UnionType):
        inner = [member for member in get_args(annotation) if member is not NoneType]
        annotation = inner[0] if len(inner) == 1 else annotation
    return ("context", None) if getattr(annotation, "__injected__", None) == "context" else None


@lru_cache(maxsize=1024)
def dependencies_of(function: Callable[..., Any]) -> tuple[Injected, ...]:
    """Return what is injected into a dependency; read once.

    Raises:
        DefinitionError: It has another parameter without a default, or depends on itself.
    """
    return _dependencies(function, ())


def _dependencies(function: Callable[..., Any], above: tuple[Any, ...]) -> tuple[Injected, ...]:
    name = name_of(function)
    if function in above:
        raise DefinitionError(f"{name} depends on itself")
    found: list[Injected] = []
    for item in declaration_of(function, open_ended=True).parameters:
        injected = _injected(function, item, injection, (*above, function))
        if injected is not None:
            found.append(injected)
        elif item.default is MISSING:
            raise DefinitionError(f"{name}: a dependency's parameter {item.name!r} must be injected or have a default")
    return tuple(found)


def _injected(
    function: Callable[..., Any], item: Declared, classify: Injection, above: tuple[Any, ...] = ()
) -> Injected | None:
    found: tuple[Kind, Any] | None
    if isinstance(item.default, Depends | Ask):  # `db: DB = Depends(open_db)`
        found = ("depends" if isinstance(item.default, Depends) else "ask"), item.default
    else:
        found = classify(item.annotation)
    if found is None:
        return None
    if isinstance(found[1], Depends):
        _dependencies(found[1].function, above)
    annotation = _without_markers(item.annotation)
    if isinstance(found[1], Ask):
        _check_form(function, item.name, annotation)
    return Injected(item.name, *found, annotation)


def _check_form(function: Callable[..., Any], name: str, annotation: Any) -> None:
    """Find out now whether a declared question has a form."""
    from dovetail.server.functions.elicited import check_declared

    try:
        check_declared(name, annotation)
    except DefinitionError as error:
        raise DefinitionError(f"{name_of(function)}: {name!r} cannot be asked for: {error}") from None


def _without_markers(annotation: Any) -> Any:
    if get_origin(annotation) is not Annotated:
        return annotation
    kept = tuple(item for item in annotation.__metadata__ if not isinstance(item, Depends | Ask))
    return Annotated[annotation.__origin__, *kept] if kept else annotation.__origin__


def _readable(item: Declared, reader: Reader) -> Any:
    try:
        read = reader.read(item.annotation)
    except DefinitionError as error:
        raise DefinitionError(f"{item.name}: {error}") from None
    if item.default is None:
        try:
            convert(None, read)
        except (ValueError, TypeError):
            # `limit: int = None`: models send the null that they are shown.
            return Optional[read]  # noqa: UP045
    return read


def _schemas(given: list[Declared], types: list[Any], reader: Reader) -> Schemas:
    try:
        return Schemas(types, reader.choices)
    except DefinitionError:
        # All are described together; who of them cannot be is found out now.
        for item, read in zip(given, types, strict=True):
            try:
                Schemas([read], reader.choices)
            except DefinitionError as error:
                raise DefinitionError(f"{item.name}: {error}") from None
        raise


def _parameter(item: Declared, root: Schema, docstring: Docstring) -> Parameter:
    markers = item.annotation.__metadata__ if get_origin(item.annotation) is Annotated else ()
    return Parameter(
        name=item.name,
        annotation=item.annotation,
        required=item.default is MISSING,
        description=root.get("description") or docstring.parameters.get(item.name, ""),
        complete=next((marker for marker in markers if isinstance(marker, Complete)), None),
        header=next((marker.name for marker in markers if isinstance(marker, Header)), None),
    )


def _property(root: Schema, item: Declared, parameter: Parameter) -> Schema:
    schema = dict(root)
    if parameter.description:
        schema["description"] = parameter.description
    if item.default is not MISSING:
        schema.update(_shown_default(item.default))
    if parameter.header is not None:
        schema["x-mcp-header"] = parameter.header
    return schema


def _shown_default(default: Any) -> Schema:
    """Return a default as a schema shows it; nothing when JSON has no words for it."""
    try:
        if is_pydantic(type(default)):
            return {"default": default.model_dump(mode="json")}
        shown = msgspec.json.decode(msgspec.json.encode(default))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return {}
    return {} if shown is None and default is not None else {"default": shown}


def _caller(
    function: Callable[..., Any], parameters: tuple[Declared, ...], given: list[Declared]
) -> Callable[[Values, dict[str, Any]], Any]:
    """Compile the call: as few steps as the function's shape allows."""
    names = tuple(item.name for item in given)
    leading = given == list(parameters[: len(given)]) and not any(item.keyword for item in given)
    if leading and len(given) == len(parameters):
        return lambda values, injected: function(*values)
    if leading and not any(item.positional for item in parameters[len(given) :]):
        return lambda values, injected: function(*values, **injected)
    places = [item.name for item in parameters if item.positional]
    if not places:
        return lambda values, injected: function(**dict(zip(names, values, strict=True)), **injected)

    def by_place(values: Values, injected: dict[str, Any]) -> Any:
        named = {**dict(zip(names, values, strict=True)), **injected}
        return function(*[named.pop(name) for name in places], **named)

    return by_place


def _verbatim_caller(function: Callable[..., Any], names: set[str] | None) -> Callable[[Values, dict[str, Any]], Any]:
    """Compile the call of a function with a verbatim schema; `names` are those that it has, None for any."""

    def by_name(values: Values, injected: dict[str, Any]) -> Any:
        (arguments,) = values
        for name in arguments:
            if name in injected or (names is not None and name not in names):
                raise InvalidArguments("$", f"unknown name {quote(name, 64)}")
        return function(**arguments, **injected)

    return by_name
