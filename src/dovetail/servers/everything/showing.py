"""What all that is shown has in common: an icon, and hints that are true."""

from dovetail import Icon, ToolAnnotations
from dovetail.servers.everything.media import picture_uri


def icons() -> list[Icon]:
    """Return the icon that tools, resources, prompts and the server carry (Base Protocol, Icons)."""
    return [Icon(src=picture_uri(), mime_type="image/png", sizes=["16x16"])]


def harmless() -> ToolAnnotations:
    """Hints of what only looks (Server Features, Tools, Tool Annotations)."""
    return ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def asking() -> ToolAnnotations:
    """Hints of what changes nothing, and asks somebody out there."""
    return ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=False, open_world_hint=True)


def changing(*, again: bool = False, destroys: bool = False) -> ToolAnnotations:
    """Hints of what changes something of this server.

    Args:
        again: Calling it twice is as calling it once.
        destroys: Something is gone afterwards.
    """
    return ToolAnnotations(
        read_only_hint=False, destructive_hint=destroys, idempotent_hint=again, open_world_hint=False
    )
