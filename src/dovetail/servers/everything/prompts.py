"""Prompts: plain, with arguments, with completion, with a resource or a picture in them."""

from collections.abc import Mapping
from typing import Annotated

from dovetail import Complete, File, Image, Server
from dovetail.servers.everything.media import picture
from dovetail.servers.everything.resources import names
from dovetail.servers.everything.showing import icons
from dovetail.wire import PromptMessage, TextContent


def add_prompts(app: Server) -> None:
    """Offer all of them."""
    for name, title, prompt in (
        ("simple-prompt", "A prompt", simple_prompt),
        ("args-prompt", "A prompt with arguments", args_prompt),
        ("completable-prompt", "Arguments with completion", completable_prompt),
        ("resource-prompt", "A prompt with a resource", resource_prompt),
        ("image-prompt", "A prompt with a picture", image_prompt),
    ):
        app.add_prompt(prompt, name=name, title=title, icons=icons())


async def simple_prompt() -> str:
    """A prompt without arguments.

    Shows one message of the user (spec: Server Features, Prompts). Same on every revision.
    """
    return "This is a simple prompt without arguments."


async def args_prompt(city: str, state: str = "") -> list[str | PromptMessage]:
    """Ask for the weather of a city.

    Shows a required and an optional argument, and messages of both roles (spec: Server Features, Prompts, Getting a
    Prompt). Same on every revision.

    Args:
        city: Of which city.
        state: In which state.
    """
    place = f"{city}, {state}" if state else city
    said = PromptMessage(role="assistant", content=TextContent(text="I would look that up with a tool."))
    return [f"What is the weather in {place}?", said]


def _departments(typed: str) -> list[str]:
    return [name for name in ("engineering", "sales", "support") if name.startswith(typed.lower())]


def _names(typed: str, settled: Mapping[str, str]) -> list[str]:
    return names(typed, settled)


async def completable_prompt(
    department: Annotated[str, Complete(_departments)], name: Annotated[str, Complete(_names)]
) -> str:
    """Promote somebody.

    Shows suggestions for arguments, the second of which depend on the first (spec: Server Features, Utilities,
    Completion). The context of completion since 2025-06-18; before, everybody is suggested.

    Args:
        department: Which department.
        name: Somebody there.
    """
    return f"Please promote {name} to head of {department}."


async def resource_prompt(resource_id: Annotated[str, Complete(["1", "2", "3"])] = "1") -> list[str | File]:
    """Ask about a resource that comes with the prompt.

    Shows a message with an embedded resource (spec: Server Features, Prompts, Embedded Resources). Same on every
    revision.

    Args:
        resource_id: Which text, 1 to 100.
    """
    text = f"Resource {resource_id}: this is a text."
    uri = f"demo://resource/dynamic/text/{resource_id}"
    return ["Please summarise this:", File(text.encode(), "text/plain", name=f"{resource_id}.txt", uri=uri)]


async def image_prompt() -> list[str | Image]:
    """Ask about a picture that comes with the prompt.

    Shows a message with an image (spec: Server Features, Prompts, Image Content). Same on every revision.
    """
    return ["What is on this picture?", Image(picture())]
