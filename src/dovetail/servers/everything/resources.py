"""Resources: text, bytes, templates with completion, one that changes, one that may be cached."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from dovetail import Cache, Complete, Context, Server
from dovetail.errors import ResourceNotFound
from dovetail.servers.everything.changes import COUNTER
from dovetail.servers.everything.media import picture
from dovetail.servers.everything.showing import icons
from dovetail.servers.everything.state import State
from dovetail.wire import Annotations

_DOCUMENT = """\
# Everything

Each tool, resource and prompt of this server shows one feature of the protocol, and says in its description which one,
where the specification has it, and what happens on a revision that lacks it.
"""
_DEPARTMENTS = {"engineering": ["Ada", "Alan", "Grace"], "sales": ["Sam", "Sue"], "support": ["Tom", "Tina"]}


def add_resources(app: Server) -> None:
    """Offer all of them."""
    app.add_resource(
        "demo://resource/static/document/features.md",
        document,
        name="features.md",
        title="What this server is",
        mime_type="text/markdown",
        size=len(_DOCUMENT.encode()),
        icons=icons(),
        annotations=Annotations(audience=["user", "assistant"], priority=0.9),
        meta={"com.example/kind": "document"},
    )
    app.add_resource(
        "demo://resource/static/picture.png", static_picture, name="picture.png", title="A picture",
        mime_type="image/png", size=len(picture()), icons=icons(),
    )  # fmt: skip
    app.add_resource(COUNTER, counter, name="counter", title="A counter that changes", mime_type="text/plain")
    app.add_resource(
        "demo://cached", cached, name="cached", title="What may be reused", mime_type="text/plain",
        cache=Cache(seconds=60, scope="public"),
    )  # fmt: skip
    app.add_resource(
        "demo://resource/dynamic/text/{resource_id}", dynamic_text, name="dynamic-text", title="Texts by number",
        mime_type="text/plain",
    )  # fmt: skip
    app.add_resource(
        "demo://resource/dynamic/blob/{resource_id}", dynamic_blob, name="dynamic-blob", title="Bytes by number",
        mime_type="application/octet-stream",
    )  # fmt: skip
    app.add_resource("demo://staff/{department}/{name}", staff, name="staff", title="People by department")


async def document() -> str:
    """What this server is.

    Shows a resource that is text, with size, annotations, icons and `_meta` (spec: Server Features, Resources). Icons
    since 2025-11-25, titles since 2025-06-18.
    """
    return _DOCUMENT


async def static_picture() -> bytes:
    """The picture of get-tiny-image.

    Shows a resource that is bytes (spec: Server Features, Resources, Binary Content). Same on every revision.
    """
    return picture()


async def counter(ctx: Context) -> str:
    """A number that `tick` and `toggle-subscriber-updates` change.

    Shows a resource to subscribe to (spec: Server Features, Resources, Subscriptions). Until 2025-11-25 by
    `resources/subscribe`, on 2026-07-28 by `subscriptions/listen`.
    """
    state: State = ctx.lifespan
    return str(state.counter)


async def cached() -> str:
    """The time at which it was read.

    Shows a caching hint: reusable for a minute, by anybody (spec: Server Features, Utilities, Caching). Since
    2026-07-28; before, there is none.
    """
    return datetime.now(UTC).isoformat()


def _numbers(typed: str) -> list[str]:
    return [str(number) for number in range(1, 101) if str(number).startswith(typed)]


async def dynamic_text(resource_id: Annotated[int, Complete(_numbers)]) -> str:
    """A text for each number from 1 to 100.

    Shows a template with completion (spec: Server Features, Resources, Resource Templates). Same on every revision.
    """
    _check("text", resource_id)
    return f"Resource {resource_id}: this is a text."


async def dynamic_blob(resource_id: Annotated[int, Complete(_numbers)]) -> bytes:
    """Bytes for each number from 1 to 100.

    Shows a template whose contents are bytes (spec: Server Features, Resources, Resource Templates). Same on every
    revision.
    """
    _check("blob", resource_id)
    return bytes([resource_id]) * 8


def _check(kind: str, number: int) -> None:
    if not 1 <= number <= 100:
        raise ResourceNotFound(f"demo://resource/dynamic/{kind}/{number}")


def names(typed: str, settled: Mapping[str, str]) -> list[str]:
    """Suggest people of the department that is settled already; of all, where the revision does not tell."""
    known = _DEPARTMENTS.get(
        settled.get("department", ""), sorted(name for team in _DEPARTMENTS.values() for name in team)
    )
    return [name for name in known if name.lower().startswith(typed.lower())]


async def staff(
    department: Annotated[str, Complete(list(_DEPARTMENTS))], name: Annotated[str, Complete(names)]
) -> dict[str, str]:
    """Somebody of a department.

    Shows completion that depends on what stands already (spec: Server Features, Utilities, Completion). The context of
    completion since 2025-06-18; before, everybody is suggested.
    """
    if name not in _DEPARTMENTS.get(department, []):
        raise ResourceNotFound(f"demo://staff/{department}/{name}")
    return {"name": name, "department": department}
