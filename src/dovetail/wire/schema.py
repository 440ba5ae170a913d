"""JSON Schema: checking values against what a tool declares, at a bounded price (S-09, S-11, C-13).

Dialects: 2020-12, which is the default, and draft-07 where `$schema` names it. Every other is refused. A schema is
measured before it is compiled (`schema_bounds`), references never leave the document, patterns run with a limit on
backtracking, and what a value did wrong is found without the validator's own errors (`schema_explain`).

`jsonschema_rs` is imported with the first schema that is compiled, not before.
"""

from typing import TYPE_CHECKING, Any, Final

import msgspec

from dovetail.errors import InvalidArguments, InvalidSchema, Refusal, quote
from dovetail.wire.limits import DEFAULT_LIMITS, Limits
from dovetail.wire.schema_bounds import Document
from dovetail.wire.schema_explain import explain
from dovetail.wire.strict import check as check_json

if TYPE_CHECKING:
    import jsonschema_rs

DIALECTS: Final = {
    "https://json-schema.org/draft/2020-12/schema": "Draft202012Validator",
    "http://json-schema.org/draft-07/schema": "Draft7Validator",
    "https://json-schema.org/draft-07/schema": "Draft7Validator",
}
"""The dialects that are supported, by their `$schema`."""

_DEFAULT: Final = "https://json-schema.org/draft/2020-12/schema"
_BACKTRACKS: Final = 10_000
_PATTERN_BYTES: Final = 1 << 20
_UNFIT: Final = "expected JSON"

Schema = dict[str, Any] | bool


class Validator:
    """A schema that is compiled.

    Attributes:
        schema: The schema.
        dialect: Its dialect's URI.
    """

    def __init__(self, schema: Schema, dialect: str, compiled: "jsonschema_rs.Validator") -> None:
        """Hold what `compile_schema` made."""
        self.schema = schema
        self.dialect = dialect
        self.is_valid = compiled.is_valid
        self._map: jsonschema_rs.ValidatorMap | None = None

    def __repr__(self) -> str:
        return f"<Validator of {self.dialect}>"

    def check(self, value: Any) -> None:
        """Return when a value fits.

        Args:
            value: Parsed JSON: dict, list, str, int, float, bool, None; nested no deeper than a message may be.

        Raises:
            InvalidArguments: It does not fit; `path` says where, `expected` what was expected there, never the value.
        """
        try:
            if self.is_valid(value):
                return
        except (ValueError, TypeError):
            raise InvalidArguments("$", _UNFIT) from None
        raise InvalidArguments(*explain(self.schema, value, self._fits, self._fits_keyword))

    def _fits(self, pointer: str, value: Any) -> bool:
        if self._map is None:
            import jsonschema_rs

            schema = {"$schema": self.dialect, **self.schema} if isinstance(self.schema, dict) else self.schema
            self._map = jsonschema_rs.validator_map_for(schema, retriever=_refuse, pattern_options=_patterns())
        part = self._map.get(pointer)
        return part is None or part.is_valid(value)

    def _fits_keyword(self, keyword: str, argument: Any, value: Any) -> bool:
        import jsonschema_rs

        if "$ref" in repr(argument):  # `not`, `contains` and the like may refer to where a keyword by itself cannot see
            return True
        made = getattr(jsonschema_rs, DIALECTS[self.dialect])
        return bool(made({keyword: argument}, retriever=_refuse, pattern_options=_patterns()).is_valid(value))


def compile_schema(schema: bytes | Schema, limits: Limits = DEFAULT_LIMITS) -> Validator:
    """Compile a schema, within bounds.

    Args:
        schema: JSON, or parsed JSON.
        limits: The fields that begin with `schema_` apply.

    Raises:
        InvalidSchema: Not JSON, out of bounds, not valid in its dialect, of a dialect that is not supported, or with a
            reference that does not resolve inside it. Nothing is ever fetched, from the network or from a file.
    """
    parsed = _parsed(schema, limits)
    dialect = _dialect(parsed)
    Document(parsed, limits)
    if not isinstance(schema, bytes) and len(_encoded(parsed)) > limits.schema_bytes:
        raise InvalidSchema(f"The schema is larger than {limits.schema_bytes} bytes")
    import jsonschema_rs

    made = getattr(jsonschema_rs, DIALECTS[dialect])
    try:
        compiled = made(parsed, retriever=_refuse, pattern_options=_patterns())
    except jsonschema_rs.ValidationError as error:
        where = "/".join(map(str, error.instance_path))
        raise InvalidSchema(f"The schema is not valid at {quote('/' + where)} ({error.kind.name})") from None
    except (ValueError, TypeError, OverflowError):
        raise InvalidSchema("The schema cannot be compiled") from None
    return Validator(parsed, dialect, compiled)


def _parsed(schema: bytes | Schema, limits: Limits) -> Schema:
    if isinstance(schema, bytes):
        if len(schema) > limits.schema_bytes:
            raise InvalidSchema(f"The schema is larger than {limits.schema_bytes} bytes")
        try:
            check_json(schema)
        except Refusal as refusal:
            raise InvalidSchema(f"The schema is not JSON: {refusal.message}") from None
        schema = msgspec.json.decode(schema)
    if not isinstance(schema, dict | bool):
        raise InvalidSchema("A schema is an object or a boolean")
    return schema


def _dialect(schema: Schema) -> str:
    """Return the dialect's URI; it holds for the whole document."""
    named = schema.get("$schema", _DEFAULT) if isinstance(schema, dict) else _DEFAULT
    uri = named.removesuffix("#") if isinstance(named, str) else ""
    if uri not in DIALECTS:
        # "They MUST handle unsupported dialects gracefully by returning an appropriate error indicating the dialect
        # is not supported." (2026-07-28, Overview, JSON Schema Usage)
        raise InvalidSchema(
            f"The JSON Schema dialect {quote(str(named), 128)} is not supported; expected 2020-12 or draft-07"
        )
    return uri


def _encoded(schema: Schema) -> bytes:
    try:
        return msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError):
        raise InvalidSchema("The schema is not JSON") from None


def _patterns() -> "jsonschema_rs.FancyRegexOptions":
    from jsonschema_rs import FancyRegexOptions

    return FancyRegexOptions(backtrack_limit=_BACKTRACKS, size_limit=_PATTERN_BYTES)


def _refuse(uri: str) -> Any:
    raise ValueError("nothing is fetched")
