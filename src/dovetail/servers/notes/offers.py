"""What the handlers work with: the notes, and who announces changes."""

from typing import TYPE_CHECKING

from dovetail import Context
from dovetail.servers.notes.notebook import Notebook

if TYPE_CHECKING:
    from dovetail.servers.notes.watching import Herald


class Desk:
    """What the server's lifespan opens.

    Attributes:
        notebook: The notes.
        herald: Who announces changes.
    """

    def __init__(self, notebook: Notebook, herald: "Herald") -> None:
        self.notebook = notebook
        self.herald = herald


def notebook(ctx: Context) -> Notebook:
    """Return the notes that a call is about."""
    desk: Desk = ctx.lifespan
    return desk.notebook
