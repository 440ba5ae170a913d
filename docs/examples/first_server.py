"""Notes that a model writes down and finds again."""

# region server
from dovetail import Server, ToolError

app = Server("notes", version="1.0.0", instructions="Write down what the user wants to remember.")

notes: dict[str, str] = {}


@app.tool
def remember(title: str, text: str) -> str:
    """Write a note down.

    Args:
        title: What to find it by.
        text: What it says.
    """
    notes[title] = text
    return f"Noted: {title}"


@app.tool
def recall(title: str) -> str:
    """Read a note."""
    if title not in notes:
        raise ToolError(f"There is no note {title!r}. There are: {', '.join(notes) or 'none'}")
    return notes[title]


if __name__ == "__main__":
    app.run()
# endregion
