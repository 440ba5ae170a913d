"""Tool parameters mirrored into HTTP headers: the value codec, the declarations in a schema, and the comparison.

Source: 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters". A header stands for a value of the body,
so that intermediaries can route without parsing; therefore a header that disagrees with the body is refused, never
preferred.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

import msgspec

from dovetail.errors import HeaderMismatch, InvalidSchema, quote

KEYWORD: Final = "x-mcp-header"
PREFIX: Final = "Mcp-Param-"

_OPEN: Final = "=?base64?"
_CLOSE: Final = "?="
# "HTTP header field values must consist of visible ASCII characters (0x21-0x7E), space (0x20), and horizontal tab
# (0x09)" (Value Encoding). A tab is legal but often mangled on the way, so it is read and never written.
_READABLE: Final = re.compile(r"[\t -~]*")
_WRITABLE: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2: 1*tchar
_NUMBER: Final = re.compile(r"-?[0-9]{1,32}(?:\.[0-9]{1,32})?(?:[eE][+-]?[0-9]{1,3})?")
_SAFE: Final = 2**53 - 1
_KINDS: Final = ("integer", "string", "boolean")

# Where a schema holds schemas by name, and where it holds data that only looks like one.
_NAMED: Final = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_DATA: Final = frozenset({"const", "enum", "default", "example", "examples"})


class ParamHeader(msgspec.Struct, frozen=True):
    """One parameter that travels as a header, too.

    Attributes:
        name: The part after `Mcp-Param-`.
        path: The chain of property names from the root of the arguments.
        type: `integer`, `string` or `boolean`.
    """

    name: str
    path: tuple[str, ...]
    type: str

    @property
    def field(self) -> str:
        """The whole name of the header."""
        return PREFIX + self.name

    def value_in(self, arguments: Mapping[str, Any]) -> Any:
        """Return the argument that the header stands for, or None when there is none."""
        value: Any = arguments
        for name in self.path:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        return value


def encode_value(value: str) -> str:
    """Spell a text as a header value: as it is, or as `=?base64?...?=` where it would not arrive as it is."""
    # "clients MUST also Base64-encode any plain-ASCII value that matches the sentinel pattern" (Value Encoding)
    if _WRITABLE.fullmatch(value) and not (value.startswith(_OPEN) and value.endswith(_CLOSE)):
        return value
    return f"{_OPEN}{b64encode(value.encode()).decode()}{_CLOSE}"


def decode_value(value: str) -> str:
    """Read a header value: the text that it spells.

    Without the prefix, or without the suffix, it is literal. The Base64 must be the canonical one, so that no value has
    two spellings.

    Raises:
        HeaderMismatch: Characters that no header value holds, or Base64 that is not canonical or not UTF-8.
    """
    value = value.strip(" \t")
    if not _READABLE.fullmatch(value):
        raise HeaderMismatch("A header value holds invalid characters")
    # "These markers are case-sensitive and MUST appear exactly as shown (lowercase)." (Value Encoding)
    if not (value.startswith(_OPEN) and value.endswith(_CLOSE) and len(value) >= len(_OPEN) + len(_CLOSE)):
        return value
    spelled = value[len(_OPEN) : -len(_CLOSE)].encode()
    try:
        raw = b64decode(spelled, validate=True)
        text = raw.decode()
    except ValueError:
        text = None
    if text is None or b64encode(raw) != spelled:
        raise HeaderMismatch("A header value between =?base64? and ?= is not canonical Base64 of UTF-8")
    return text


def header_value(value: Any) -> str | None:
    """Spell an argument as a header value; None when the header must be left out.

    Raises:
        HeaderMismatch: A value that no header stands for: a number with a fraction, an unsafe integer, an object, an
            array.
    """
    if value is None:
        return None  # "Parameter value is `null`: Client MUST omit the header" (Server Behavior for Custom Headers)
    if isinstance(value, str):
        return encode_value(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if _is_integer(value):
        return str(int(value))
    raise HeaderMismatch("An argument that is mirrored into a header is no string, boolean or safe integer")


def header_mismatch(header: ParamHeader, arguments: Mapping[str, Any], value: str | None) -> str | None:
    """Compare a header with the argument that it stands for.

    Args:
        header: The declaration.
        arguments: The arguments in the body.
        value: The header's value as it came, or None when it is missing.

    Returns:
        What does not fit, for a `HeaderMismatch` and without any value; None when they agree.

    Raises:
        HeaderMismatch: A header value that is malformed.
    """
    argument = header.value_in(arguments)
    if value is None:
        # "Parameter not in arguments: Server MUST NOT expect the header"; "Client omits header but value is in body:
        # Server MUST reject the request" (Server Behavior for Custom Headers)
        return None if argument is None else f"{header.field}: the header is missing"
    if argument is None:
        return f"{header.field}: the header stands for a value that the body does not hold"
    if matches(header, value, argument):
        return None
    if isinstance(argument, int | float) and abs(argument) > _SAFE:
        return f"{header.field}: the body's number is too large for a header, which holds at most 2^53 - 1 either way"
    return f"{header.field}: the header does not match the body"


def matches(header: ParamHeader, value: str, argument: Any) -> bool:
    """Tell whether a header's value spells an argument.

    Raises:
        HeaderMismatch: A header value that is malformed.
    """
    text = decode_value(value)
    if isinstance(argument, str):
        return text == argument
    if isinstance(argument, bool):
        return text == ("true" if argument else "false")
    return _is_integer(argument) and _spells(text, int(argument))


def _is_integer(value: Any) -> bool:
    # "Integer values MUST be within the safe range for JavaScript" (Schema Extension); 42.0 is an integer in JSON
    # Schema.
    if isinstance(value, float):
        return value.is_integer() and abs(value) <= _SAFE
    return isinstance(value, int) and abs(value) <= _SAFE


def _spells(text: str, number: int) -> bool:
    # "servers SHOULD compare the header value and the body value numerically rather than as strings (e.g., `42.0` and
    # `42` are considered equal)" (Server Validation)
    if text == str(number):
        return True
    if not _NUMBER.fullmatch(text):
        return False
    from decimal import Decimal  # exact where a float is not; needed for the rarest of spellings

    return Decimal(text) == number


def param_headers(schema: Any) -> tuple[ParamHeader, ...]:
    """Find the parameters of a tool that travel as headers, in the order of the schema.

    Args:
        schema: The tool's `inputSchema`, parsed.

    Raises:
        InvalidSchema: An `x-mcp-header` that breaks a constraint of 2026-07-28, Streamable HTTP, Schema Extension. A
            client leaves such a tool out; a server does not start with it.
    """
    found: list[ParamHeader] = []
    taken: set[str] = set()
    for node, path in _annotated(schema):
        name = _legal_name(node[KEYWORD])
        # "MUST be case-insensitively unique among all `x-mcp-header` values in the `inputSchema`"
        if name.lower() in taken:
            raise InvalidSchema(f"{KEYWORD} {quote(name)} stands twice (letter case does not count)")
        taken.add(name.lower())
        # "MUST only be applied to properties that are statically reachable from the schema root: reachable via a chain
        # consisting solely of `properties` keys."
        if not path:
            raise InvalidSchema(
                f"{KEYWORD} {quote(name)} is not on a property that is reached through `properties` alone"
            )
        # "MUST only be applied to parameters with primitive types (integer, string, boolean). Parameters with type
        # `number` are not permitted."
        kind = node.get("type")
        if kind not in _KINDS:
            raise InvalidSchema(
                f"{KEYWORD} {quote(name)} is on a parameter whose type is not integer, string or boolean"
            )
        found.append(ParamHeader(name, path, str(kind)))
    return tuple(found)


def _legal_name(name: Any) -> str:
    # "MUST NOT be empty"; "MUST match HTTP field-name token syntax (`1*tchar`)"; "MUST NOT contain control characters"
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        raise InvalidSchema(f"{KEYWORD} must be a header name: one or more of the characters of an RFC 9110 token")
    return name


def _annotated(schema: Any) -> Iterator[tuple[dict[str, Any], tuple[str, ...] | None]]:
    """Yield every subschema with the keyword, and its chain of `properties`: None, or empty, where there is no such
    chain.

    An unknown keyword may hold schemas, so an annotation counts there, too: it is one that cannot be reached.
    """
    todo: list[tuple[Any, tuple[str, ...] | None]] = [(schema, ())]
    while todo:
        node, path = todo.pop()
        below: list[tuple[Any, tuple[str, ...] | None]] = []
        if isinstance(node, list):
            below += [(item, None) for item in node]
        elif isinstance(node, dict):
            if KEYWORD in node:
                yield node, path
            for keyword, value in node.items():
                if keyword in _NAMED and isinstance(value, dict):
                    reached = path is not None and keyword == "properties"
                    below += [(item, (*(path or ()), name) if reached else None) for name, item in value.items()]
                elif keyword not in _DATA:
                    below.append((value, None))
        todo += reversed(below)


_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS: Final = frozenset(
    "password passwd passphrase passcode pwd secret secrets credential credentials apikey authorization bearer cookie"
    " cookies cvv cvc cvc2 cvv2 otp totp mfa pin ssn jwt iban token privkey mnemonic".split()
)
_SECRET_PAIRS: Final = frozenset(
    pair.partition("_")[::2]
    for pair in (
        "api_key access_key private_key secret_key encryption_key ssh_key signing_key card_number credit_card"
        " debit_card card_code seed_phrase session_id social_security account_number pass_word security_code"
        " auth_code one_time"
    ).split()
)
_HARMLESS_WITH_TOKEN: Final = frozenset(
    "max min count limit page next continuation progress cursor type budget length".split()
)


def looks_secret(name: str) -> bool:
    """Tell whether a parameter's name says that its value is a secret: a password, a key, a token, a card (S-26, S-27).

    Used when a server is defined: such a value belongs neither into a header that proxies log nor into a form.
    """
    words = [word.lower() for word in _WORDS.findall(name[:256])]
    if not _SECRET_PAIRS.isdisjoint(pairwise(words)):
        return True
    secret = _SECRET_WORDS.intersection(words)
    if secret == {"token"}:
        return not _HARMLESS_WITH_TOKEN.intersection(words)
    return bool(secret)
