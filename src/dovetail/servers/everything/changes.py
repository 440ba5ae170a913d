"""Tools that change what the server offers, so that clients hear of it: lists, and a resource."""

from typing import Literal

from dovetail import Context, Server, ToolError
from dovetail.errors import DefinitionError
from dovetail.servers.everything.showing import changing, harmless, icons
from dovetail.servers.everything.state import State

Kind = Literal["tool", "resource", "prompt"]
COUNTER = "demo://counter"
_NAME = {"tool": "added-tool", "resource": "demo://added", "prompt": "added-prompt"}


def add_changes(app: Server) -> None:
    """Offer all of them."""
    _add_lists(app)
    _add_updates(app)


def _add_lists(app: Server) -> None:
    async def add_entry(kind: Kind) -> str:
        """Offer one tool, resource or prompt more.

        Shows notices of changed lists (spec: Server Features, Tools, List Changed Notification; and for resources and
        prompts). Until 2025-11-25 they come at any time, on 2026-07-28 on a stream of `subscriptions/listen`.

        Args:
            kind: Of which kind.
        """
        adding = {
            "tool": lambda: app.add_tool(added, name=_NAME["tool"], annotations=harmless()),
            "resource": lambda: app.add_resource(_NAME["resource"], added, name="added"),
            "prompt": lambda: app.add_prompt(added, name=_NAME["prompt"]),
        }
        try:
            adding[kind]()
        except DefinitionError:
            raise ToolError(f"{_NAME[kind]} is there already; remove it with remove-entry first.") from None
        return f"Added {_NAME[kind]}."

    async def remove_entry(kind: Kind) -> str:
        """Offer what add-entry added no more.

        Shows the same notices as add-entry (spec: Server Features, Tools, List Changed Notification).

        Args:
            kind: Of which kind.
        """
        removing = {"tool": app.remove_tool, "resource": app.remove_resource, "prompt": app.remove_prompt}
        try:
            removing[kind](_NAME[kind])
        except DefinitionError:
            raise ToolError(f"{_NAME[kind]} is not there; add it with add-entry first.") from None
        return f"Removed {_NAME[kind]}."

    app.add_tool(add_entry, name="add-entry", title="A list grows", annotations=changing(), icons=icons())
    hints = changing(destroys=True)
    app.add_tool(remove_entry, name="remove-entry", title="A list shrinks", annotations=hints, icons=icons())


def _add_updates(app: Server) -> None:
    async def toggle_updates(ctx: Context) -> str:
        """Begin, or end, to count further now and then.

        Shows changes that no call causes (spec: Server Features, Resources, Subscriptions): subscribe to
        demo://counter. Same on every revision.
        """
        state: State = ctx.lifespan

        def step() -> None:
            state.counter += 1
            app.notify.resource_updated(COUNTER)

        on = state.toggle("updates", step)
        return "demo://counter changes now and then; call again to end it." if on else "demo://counter stays as it is."

    app.add_tool(tick, name="tick", title="A resource changes", annotations=changing(), icons=icons())
    app.add_tool(
        toggle_updates,
        name="toggle-subscriber-updates",
        title="A resource changes now and then",
        annotations=changing(),
        icons=icons(),
    )


async def added() -> str:
    """Say hello from what was added while the server ran.

    Shows an entry that came later (spec: Server Features, Tools, List Changed Notification). Same on every revision.
    """
    return "Hello from what was added."


async def tick(ctx: Context) -> str:
    """Count one further in demo://counter.

    Shows a notice that a resource changed, to those who subscribed to it (spec: Server Features, Resources,
    Subscriptions). Until 2025-11-25 by `resources/subscribe`, on 2026-07-28 by `subscriptions/listen`.
    """
    state: State = ctx.lifespan
    state.counter += 1
    await ctx.notify.resource_updated(COUNTER)
    return f"The counter is at {state.counter}."
