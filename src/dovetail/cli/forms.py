"""What a server asks its user, asked at the terminal: a form field by field, and a URL with consent.

"Clients MUST provide UI that makes it clear which server is requesting information [...] allow users to review and
modify their responses before sending, clear decline and cancel options" (2025-11-25, Elicitation, Security
Considerations). A URL is shown whole, its host by itself; nothing is fetched, and it is opened when the user says yes.
"""

import asyncio
import webbrowser
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from dovetail.auth import check_url
from dovetail.cli.terminal import Keyboard, Teller, shown
from dovetail.errors import DovetailError, InvalidParams
from dovetail.wire import (
    BooleanSchema,
    ElicitRequestParams,
    ElicitResult,
    IntegerSchema,
    MultiSelectEnumSchema,
    NumberSchema,
    PrimitiveSchemaDefinition,
    StringSchema,
    compile_schema,
    sanitize_text,
)

_YES: Final = frozenset({"y", "yes", "true", "on", "1"})
_NO: Final = frozenset({"n", "no", "false", "off", "0"})
_LONGEST_URL: Final = 8192


class Ended(Exception):
    """The input has ended: the question is closed without an answer."""


class Desk:
    """Asks the user at a terminal; a handler for `on_elicit`."""

    def __init__(
        self,
        server: Callable[[], str],
        teller: Teller,
        keyboard: Keyboard,
        open_url: Callable[[str], bool] = webbrowser.open,
    ) -> None:
        """Ask on behalf of a server.

        Args:
            server: Its name, for the user.
            teller: Shows the question.
            keyboard: Takes the answer.
            open_url: Opens a URL, in a thread; tells whether it could.
        """
        self._server = server
        self._teller = teller
        self._keyboard = keyboard
        self._open_url = open_url

    async def ask(self, question: ElicitRequestParams) -> ElicitResult:
        """Ask one question."""
        async with self._keyboard.lock:
            self._teller.say(f"\n{self._server()} asks: {sanitize_text(question.message)}")
            try:
                if question.url is not None:
                    return await self._visit(question.url)
                return await self._form(question)
            except Ended:
                self._teller.say("")
                return ElicitResult(action="cancel")

    async def _form(self, question: ElicitRequestParams) -> ElicitResult:
        form = question.requested_schema
        assert form is not None
        required = frozenset(form.required or ())
        content: dict[str, Any] = {}
        while True:
            for name, field in form.properties.items():
                before = content.get(name, getattr(field, "default", None))
                value = await self._field(name, field, before, needed=name in required)
                if value is None:
                    content.pop(name, None)
                else:
                    content[name] = value
            again = ", [e]dit" if form.properties else ""
            match await self._choice(f"Send this? [Y]es, [n]o{again}, [c]ancel: ", "y"):
                case "y":
                    return ElicitResult(action="accept", content=content)
                case "n":
                    return ElicitResult(action="decline")
                case "c":
                    return ElicitResult(action="cancel")

    async def _visit(self, url: str) -> ElicitResult:
        parts = urlsplit(url)
        self._teller.say(f"  It wants you to visit {shown_url(parts.hostname or 'a URL')}:\n  {shown_url(url)}")
        if parts.scheme not in ("https", "http"):
            self._teller.say("  That is no web page: declined.")
            return ElicitResult(action="decline")
        try:
            check_url(url, "URL", longest=_LONGEST_URL)
            asked = "Open it in the browser?"
        except DovetailError:  # no https, or a character that something between here and the browser could act on
            asked = "It is not opened from here. Will you visit it yourself?"
        match await self._choice(f"{asked} [y]es, [N]o, [c]ancel: ", "n"):
            case "y":
                if asked.startswith("Open") and not await asyncio.to_thread(self._open_url, url):
                    self._teller.say("  No browser can be opened here; please visit it yourself.")
                return ElicitResult(action="accept")
            case "c":
                return ElicitResult(action="cancel")
        return ElicitResult(action="decline")

    async def _choice(self, prompt: str, default: str) -> str:
        while True:
            typed = (await self._line(prompt)).strip().lower() or default
            if typed[0] in "ync" or (typed[0] == "e" and "[e]" in prompt):
                return typed[0]

    async def _field(self, name: str, field: PrimitiveSchemaDefinition, before: Any, *, needed: bool) -> Any:
        """Ask for one field until it fits; None when it is left out."""
        for number, (value, title) in enumerate(options_of(field).items(), 1):
            self._teller.say(f"    {number}. {shown(title)}" + ("" if title == value else f" ({shown(value)})"))
        if field.description:
            self._teller.say(f"    {shown(field.description)}")
        hint = "" if before is None else f" [{shown(told(before))}]"
        prompt = f"  {shown(field.title or name)} ({kind_of(field)}{'' if needed else ', optional'}){hint}: "
        while True:
            typed = (await self._line(prompt)).strip()
            if not typed and before is not None:
                return before
            if not typed and not needed:
                return None
            try:
                return read(field, typed)
            except ValueError as error:
                self._teller.say(f"    {error}")

    async def _line(self, prompt: str) -> str:
        typed = await self._keyboard.line(lambda: self._teller.say(prompt, end=""))
        if typed is None:
            raise Ended
        return typed


def kind_of(field: PrimitiveSchemaDefinition) -> str:
    """Say what is wanted, in a word or two."""
    match field:
        case BooleanSchema():
            return "yes or no"
        case IntegerSchema() | NumberSchema():
            low, high = field.minimum, field.maximum
            limits = [f"from {low:g}"] if low is not None else []
            limits += [f"to {high:g}"] if high is not None else []
            return " ".join(["whole number" if isinstance(field, IntegerSchema) else "number", *limits])
        case MultiSelectEnumSchema():
            return "numbers, with commas"
        case StringSchema() if options_of(field):
            return "a number"
    return str(field.format or "text")


def options_of(field: PrimitiveSchemaDefinition) -> dict[str, str]:
    """Return the choices of a field, each with its title; empty when it has none."""
    if isinstance(field, MultiSelectEnumSchema):
        values, titled = field.items.enum, field.items.any_of
        names = None
    elif isinstance(field, StringSchema):
        values, titled, names = field.enum, field.one_of, field.enum_names
    else:
        return {}
    if titled is not None:
        return {each.const: each.title for each in titled}
    return dict(zip(values or (), names if names and len(names) == len(values or ()) else values or (), strict=True))


def told(value: Any) -> str:
    """Say a value as it would be typed."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def read(field: PrimitiveSchemaDefinition, typed: str) -> Any:
    """Return the value that was typed.

    Raises:
        ValueError: It is none that the field takes; the text says what is.
    """
    value: Any
    match field:
        case BooleanSchema():
            if typed.lower() not in _YES | _NO:
                raise ValueError("Please type yes or no.")
            value = typed.lower() in _YES
        case IntegerSchema() | NumberSchema():
            value = _number(typed, whole=isinstance(field, IntegerSchema))
        case MultiSelectEnumSchema():
            options = options_of(field)
            value = list(dict.fromkeys(_chosen(each.strip(), options) for each in typed.split(",") if each.strip()))
        case StringSchema():
            value = _chosen(typed, options) if (options := options_of(field)) else typed
    try:
        compile_schema(msgspec.json.encode(field)).check(value)
    except InvalidParams as error:
        raise ValueError(f"Please type what fits: {getattr(error, 'expected', error.message)}.") from None
    return value


def _number(typed: str, *, whole: bool) -> int | float:
    try:
        return int(typed) if whole else float(typed)
    except ValueError:
        raise ValueError(f"Please type a {'whole ' if whole else ''}number.") from None


def _chosen(typed: str, options: dict[str, str]) -> str:
    if typed in options:
        return typed
    for value, title in options.items():
        if typed.lower() == title.lower():
            return value
    if typed.isdigit() and 0 < int(typed) <= len(options):
        return list(options)[int(typed) - 1]
    raise ValueError(f"Please choose from 1 to {len(options)}.")


def shown_url(url: str) -> str:
    """Return a URL as it can be shown: what is not printable ASCII is escaped."""
    return "".join(each if each.isascii() and each.isprintable() else f"\\u{ord(each):04x}" for each in url)
