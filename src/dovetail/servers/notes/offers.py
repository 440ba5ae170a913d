"""What the handlers work with: the notes."""

from dovetail import Context
from dovetail.servers.notes.notebook import Notebook


class Desk:
    """What the server's lifespan opens.

    Attributes:
        notebook: The notes.
    """

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook


def notebook(ctx: Context) -> Notebook:
    """Return the notes that a call is about."""
    desk: Desk = ctx.lifespan
    return desk.notebook
