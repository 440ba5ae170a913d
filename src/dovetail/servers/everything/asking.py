"""Tools that ask the client in the middle of a call: forms, URLs, the model, roots, several rounds, and `once`."""

import asyncio
from typing import Annotated, Any, Final, Literal

import msgspec

from dovetail import Ask, Context, Server
from dovetail.errors import UrlElicitationRequired
from dovetail.servers.everything.showing import asking, changing, icons
from dovetail.servers.everything.state import State
from dovetail.wire import SamplingMessage, TextContent, Tool, ToolChoice, ToolResultContent, ToolUseContent

_PLAIN_FIELDS: Final[dict[str, Any]] = {
    "name": {"type": "string", "title": "Name", "description": "Your name", "minLength": 1, "maxLength": 60},
    "email": {"type": "string", "format": "email", "title": "E-mail"},
    "homepage": {"type": "string", "format": "uri", "title": "Home page"},
    "birthday": {"type": "string", "format": "date", "title": "Birthday"},
    "appointment": {"type": "string", "format": "date-time", "title": "Appointment"},
    "age": {"type": "integer", "minimum": 1, "maximum": 150, "title": "Age", "default": 30},
    "height": {"type": "number", "minimum": 0, "maximum": 3, "title": "Height in metres"},
    "newsletter": {"type": "boolean", "title": "Newsletter", "default": False},
    "color": {"type": "string", "enum": ["red", "green", "blue"], "title": "Colour", "default": "green"},
    "pet": {"type": "string", "enum": ["cat", "dog"], "enumNames": ["A cat", "A dog"], "title": "Pet (legacy style)"},
    "hero": {
        "type": "string",
        "title": "Hero",
        "oneOf": [{"const": "h1", "title": "Ada Lovelace"}, {"const": "h2", "title": "Alan Turing"}],
    },
}
_MULTIPLE_FIELDS: Final[dict[str, Any]] = {
    "fruit": {
        "type": "array",
        "title": "Fruit",
        "items": {"type": "string", "enum": ["apple", "banana", "cherry"]},
        "minItems": 1,
        "maxItems": 2,
        "default": ["apple"],
    },
    "days": {
        "type": "array",
        "title": "Days",
        "items": {"anyOf": [{"const": "sat", "title": "Saturday"}, {"const": "sun", "title": "Sunday"}]},
    },
}
_ADD: Final = Tool(
    name="add",
    description="Add two numbers.",
    input_schema=msgspec.Raw(
        b'{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}'
    ),
)


def add_asking(app: Server) -> None:
    """Offer all of them."""
    for name, title, tool in (
        ("trigger-elicitation-request", "A form with every kind of field", elicitation),
        ("trigger-url-elicitation", "A visit to a URL", url_elicitation),
        ("require-url-elicitation", "A visit that must come first", require_url),
        ("trigger-sampling-request", "The client's model", sampling),
        ("trigger-sampling-with-tools", "The client's model, with tools", sampling_with_tools),
        ("get-roots-list", "Roots", roots_list),
        ("plan-a-party", "Several questions in two rounds", plan_a_party),
        ("confirm-first", "A declared question", confirm_first),
    ):
        app.add_tool(tool, name=name, title=title, annotations=asking(), icons=icons())
    app.add_tool(
        book_once, name="book-once", title="An effect that happens once", annotations=changing(), icons=icons()
    )


async def elicitation(ctx: Context) -> str:
    """Ask the user to fill in a form.

    Shows every kind of field and every style of choice that the caller's revision has (spec: Client Features,
    Elicitation, Form Mode): text, formats, numbers, booleans, choices with and without titles, several of several.
    Elicitation since 2025-06-18; titled and multiple choices, and defaults, since 2025-11-25: before, titled choices
    go out in the legacy style and multiple ones are left out. On 2026-07-28 the question is the call's result, and the
    client calls again; before, it is a request of the server. Before 2025-06-18 it fails and says why.
    """
    fields = {**_PLAIN_FIELDS, **(_MULTIPLE_FIELDS if ctx.revision.multi_select else {})}
    form = {"type": "object", "properties": fields, "required": ["name"]}
    answer = await ctx.elicit("Please fill in what you like; only the name is required.", form)
    if not answer.accepted:
        return f"The user chose to {answer.action}."
    filled = ", ".join(f"{name}={answer.value[name]!r}" for name in sorted(answer.value))
    return f"The user filled in: {filled}"


async def url_elicitation(ctx: Context) -> str:
    """Ask the user to visit a page.

    Shows elicitation of a URL, for what neither client nor model may see (spec: Client Features, Elicitation, URL
    Mode). Since 2025-11-25, where a notice tells the client afterwards that the visit is over; before, it fails and
    says why.
    """
    visit = await ctx.elicit_url("Please look at this page; nothing is asked of you there.", "https://example.com/")
    if visit.accepted:
        await ctx.notify.url_completed(visit)
    return f"The user chose to {visit.action} the visit."


async def require_url(ctx: Context) -> str:
    """Refuse to go on until a page was visited; every second call counts as one after the visit.

    Shows the error that lists the visits that must come first: -32042, on 2025-11-25 for clients that open URLs (spec
    of 2025-11-25: Client Features, Elicitation, URL Elicitation Required Error). Others get a plain error.
    """
    state: State = ctx.lifespan
    state.visited = not state.visited
    if state.visited:
        raise UrlElicitationRequired("Please look at this page first", "https://example.com/first")
    return "Thank you for looking at the page."


async def sampling(ctx: Context, prompt: str, max_tokens: int = 100) -> str:
    """Ask the client's model.

    Shows sampling with a system prompt, temperature and preferences (spec: Client Features, Sampling). On every
    revision; deprecated on 2026-07-28, where it is a question like any other. A client without it gets an error.

    Args:
        prompt: What to say to the model.
        max_tokens: The most tokens of its answer.
    """
    said = await ctx.sample(
        prompt, max_tokens=max_tokens, system_prompt="You are a helpful test server.", temperature=0.7
    )
    return f"{said.model}: {_words(said.content)}"


async def sampling_with_tools(ctx: Context, a: float = 2, b: float = 3) -> str:
    """Let the client's model use a tool of this server's.

    Shows sampling with tools: the model asks for one, its result goes back, the model answers (spec: Client Features,
    Sampling, Tools). Since 2025-11-25, for clients that declare `sampling.tools`; others get an error.

    Args:
        a: A number to add.
        b: Another.
    """
    talk = [SamplingMessage(role="user", content=TextContent(text=f"What is {a:g} + {b:g}? Use the tool."))]
    said = await ctx.sample(talk, max_tokens=200, tools=[_ADD], tool_choice=ToolChoice(mode="auto"), key="first")
    blocks = said.content if isinstance(said.content, list) else [said.content]
    used = [block for block in blocks if isinstance(block, ToolUseContent)]
    if not used:
        return f"The model answered without the tool: {_words(said.content)}"
    results: list[Any] = [ToolResultContent(tool_use_id=use.id, content=[_added(use.input)]) for use in used]
    talk += [SamplingMessage(role="assistant", content=blocks), SamplingMessage(role="user", content=results)]
    said = await ctx.sample(talk, max_tokens=200, tools=[_ADD], tool_choice=ToolChoice(mode="none"), key="second")
    return f"With {len(used)} use of the tool: {_words(said.content)}"


def _added(given: dict[str, Any]) -> TextContent:
    numbers = [given.get(name) for name in ("a", "b")]
    if not all(isinstance(number, int | float) for number in numbers):
        return TextContent(text="a and b must be numbers")
    return TextContent(text=f"{sum(number for number in numbers if isinstance(number, int | float)):g}")


def _words(content: Any) -> str:
    blocks = content if isinstance(content, list) else [content]
    return " ".join(getattr(block, "text", f"({type(block).__name__})") for block in blocks)


async def roots_list(ctx: Context) -> str:
    """Ask where the client works.

    Shows roots (spec: Client Features, Roots). On every revision; deprecated on 2026-07-28, where it is a question like
    any other. A client without roots gets an error.
    """
    found = await ctx.roots()
    lines = [f"{number}. {root.name or 'Unnamed'}: {root.uri}" for number, root in enumerate(found, 1)]
    return "\n".join([f"{len(found)} roots:", *lines])


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """The second form of plan-a-party."""

    food: str = "cake"
    music: bool = True


async def plan_a_party(ctx: Context) -> str:
    """Ask for theme and guests at once, then for the rest.

    Shows several questions that travel together, and a second round that depends on the first (spec: Base Protocol,
    Patterns, Multi Round-Trip Requests). On 2026-07-28 two results with `inputRequests` and a sealed state; before, one
    request each. Before 2025-06-18 it fails and says why.
    """
    theme, guests = await asyncio.gather(
        ctx.elicit("Which theme?", Literal["space", "sea"], key="theme"),
        ctx.elicit("How many guests?", int, key="guests"),
    )
    if not (theme.accepted and guests.accepted):
        return "No party."
    rest = await ctx.elicit(f"A {theme.value} party for {guests.value}: what else?", Party, key="rest")
    if not rest.accepted:
        return "A party without food."
    return f"A {theme.value} party for {guests.value} with {rest.value.food}{' and music' if rest.value.music else ''}."


async def confirm_first(sure: Annotated[bool, Ask("Shall I?")]) -> str:
    """Ask before anything is done.

    Shows a question that is declared with the parameter: the function runs only with its answer (spec: Client Features,
    Elicitation). Before 2025-06-18 it fails and says why.
    """
    return "Done." if sure else "Not done."


async def book_once(ctx: Context) -> str:
    """Book something, then ask a question about it.

    Shows an effect that happens once although the function runs again from the top with each answer (spec: Base
    Protocol, Patterns, Multi Round-Trip Requests). Before 2026-07-28 the function runs once anyway; before 2025-06-18
    it fails after the effect and says why.
    """
    state: State = ctx.lifespan

    def effect() -> int:
        state.effects += 1
        return state.effects

    number = await ctx.once("book", effect)
    mail = await ctx.elicit("Send the booking by mail?")
    return f"Booking {number}{', sent by mail' if mail.accepted else ''}; {state.effects} effects in all."
