"""Arguments: from the JSON of a call to Python values, by one decoder that was compiled when the function was
registered.

What a caller sends is decoded strictly: no text becomes a number. Two things are mended after a refusal (see
`repair`), and what then still does not fit is an `InvalidArguments` that names the place and what belongs there, never
the value (W-12).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import DecodeError, Raw
from msgspec.structs import astuple

from dovetail.errors import DefinitionError, InvalidArguments, InvalidParams
from dovetail.server.functions.decimals import misspelt
from dovetail.server.functions.expectations import explained
from dovetail.server.functions.parameters import MISSING
from dovetail.server.functions.patterns import Check, has_pattern, pattern_check, without_patterns
from dovetail.server.functions.standins import hook
from dovetail.server.functions.whole import completing
from dovetail.wire import Limits

Values = tuple[Any, ...]
_SIMPLE: Final = (type(None), bool, int, float, str)
_UNMATCHED: Final = "A pattern is not matched"
_encode: Final = msgspec.json.encode


class Typed:
    """Arguments by annotations: one value for each parameter, in order."""

    __slots__ = ("_check", "_decode", "_limits", "_repair", "_schema", "_strings")

    def __init__(
        self, fields: Sequence[tuple[str, Any, Any]], schema: Mapping[str, Any], *, repair: bool, limits: Limits
    ) -> None:
        """Compile the decoder.

        Args:
            fields: Name, readable type and default (`MISSING` for none) of each parameter.
            schema: Of all arguments together.
            repair: Strings that hold JSON are mended.
            limits: What a string may hold.
        """
        try:
            self._check = pattern_check([annotation for _, annotation, _ in fields], schema, limits)
            if self._check is not None:
                fields = [(name, without_patterns(annotation), default) for name, annotation, default in fields]
            struct = msgspec.defstruct(
                "Arguments",
                [_field(f"a{number}", *field) for number, field in enumerate(fields)],
                forbid_unknown_fields=True,
                kw_only=True,
                gc=False,
            )
            decode: Callable[[bytes | Raw], Any] = msgspec.json.Decoder(struct, dec_hook=hook).decode
            self._decode = decode
            if self._check is not None:
                first = has_pattern([annotation for _, annotation, _ in fields])
                self._decode = _with(self._check, decode, first=first)
            wrong = misspelt(schema)
            if wrong is not None:
                self._decode = _exactly(self._decode, wrong)
            self._decode = completing(self._decode, [annotation for _, annotation, _ in fields])
        except (TypeError, NameError) as error:
            raise DefinitionError(f"The parameters cannot be read from JSON: {str(error).splitlines()[-1]}") from None
        self._schema = schema
        self._strings = repair
        self._limits = limits
        self._repair: Any = None

    def read(self, raw: bytes | Raw) -> Values:
        """Decode the JSON object of a call.

        Raises:
            InvalidArguments: It does not fit.
            InvalidParams: It is no object, so that the request itself is malformed.
        """
        try:
            return astuple(self._decode(raw))
        except DecodeError as error:
            failure = str(error)
        # In a frame of its own, so that the path that succeeds stays short.
        return self._mended(raw, failure, strings=self._strings)

    def read_texts(self, texts: Mapping[str, str | list[str]]) -> Values:
        """Decode values that are all strings, or lists of them, as prompts' arguments and templates' variables are.

        Raises:
            InvalidArguments: One does not fit.
        """
        raw = _encode(texts)
        try:
            return astuple(self._decode(raw))
        except DecodeError as error:
            failure = str(error)
        return self._mended(raw, failure, strings=True, texts=True)

    def _mended(self, raw: bytes | Raw, failure: str, *, strings: bool, texts: bool = False) -> Values:
        if self._repair is None:
            from dovetail.server.functions.repair import Repair

            self._repair = Repair(self._schema, self._limits)
        try:
            mended = self._repair.apply(raw, strings=strings, texts=texts)
        except (ValueError, TypeError):
            raise InvalidArguments("$", "expected a JSON object") from None
        if mended is not None:
            try:
                return astuple(self._decode(mended))
            except DecodeError as error:
                failure = str(error)
        final = raw if mended is None else mended
        _require_object(final)
        if self._check is not None and failure == _UNMATCHED:
            self._check(msgspec.json.decode(final))
        raise explained(failure, self._schema)


class Verbatim:
    """Arguments by a schema that the author gave: one dict of JSON values."""

    __slots__ = ("_check", "_limits", "_repair", "_strings", "schema")

    def __init__(self, schema: bytes, *, repair: bool, limits: Limits) -> None:
        """Compile the schema.

        Raises:
            InvalidSchema: Not a schema, or beyond the limits.
        """
        from dovetail.wire import compile_schema

        self._check: Callable[[Any], None] = compile_schema(schema, limits).check
        decoded = msgspec.json.decode(schema)
        self.schema: dict[str, Any] = decoded if isinstance(decoded, dict) else {}
        self._strings = repair
        self._limits = limits
        self._repair: Any = None

    def read(self, raw: bytes | Raw) -> Values:
        """Decode and check. Raises InvalidArguments."""
        try:
            value = msgspec.json.decode(raw)
        except DecodeError:
            raise InvalidArguments("$", "expected a JSON object") from None
        try:
            self._check(value)
        except InvalidArguments:
            value = self._mended(raw)
        if type(value) is not dict:
            raise _no_object()
        return (value,)

    def read_texts(self, texts: Mapping[str, str | list[str]]) -> Values:
        """Decode and check strings. Raises InvalidArguments."""
        return self.read(_encode(texts))

    def _mended(self, raw: bytes | Raw) -> Any:
        if self._repair is None:
            from dovetail.server.functions.repair import Repair

            self._repair = Repair(self.schema, self._limits)
        mended = self._repair.apply(raw, strings=self._strings)
        _require_object(raw if mended is None else mended)
        value = msgspec.json.decode(raw if mended is None else mended)
        self._check(value)
        return value


def _with(check: Check, decode: Callable[[bytes | Raw], Any], *, first: bool) -> Callable[[bytes | Raw], Any]:
    """Return a decoder that checks patterns: before it decodes, where it would match some itself."""

    def checked(raw: bytes | Raw) -> Any:
        decoded = None if first else decode(raw)
        try:
            check(msgspec.json.decode(raw))
        except InvalidArguments:
            raise DecodeError(_UNMATCHED) from None
        return decode(raw) if first else decoded

    return checked


def _exactly(
    decode: Callable[[bytes | Raw], Any], wrong: Callable[[bytes | Raw], str | None]
) -> Callable[[bytes | Raw], Any]:
    """Return a decoder that refuses what Python takes for a decimal, and JSON does not."""

    def exact(raw: bytes | Raw) -> Any:
        decoded = decode(raw)
        place = wrong(raw)
        if place is not None:
            raise DecodeError(f"Invalid decimal string - at `{place}`")
        return decoded

    return exact


def _no_object() -> InvalidParams:
    # "Malformed requests (requests that fail to satisfy CallToolRequest schema)" are protocol errors, other than
    # arguments that do not fit a tool (2025-11-25, Tools, Error Handling).
    return InvalidParams("params.arguments: expected an object")


def _require_object(raw: bytes | Raw) -> None:
    if bytes(raw).lstrip()[:1] != b"{":
        raise _no_object()


def _field(attribute: str, name: str, annotation: Any, default: Any) -> Any:
    # By a name of our own: a class would mangle `__name`.
    if default is MISSING:
        return (attribute, annotation, msgspec.field(name=name))
    if type(default) in _SIMPLE:
        return (attribute, annotation, msgspec.field(name=name, default=default))
    # The very object that stands in the signature, as in any call of a function.
    return (attribute, annotation, msgspec.field(name=name, default_factory=lambda: default))
