"""Docstrings: no text is refused, and what is found is in one line."""

from dovetail.server.functions.docstrings import parse_docstring


def fuzz(data: bytes) -> None:
    """Read any text as a docstring."""
    parsed = parse_docstring(data.decode("utf-8", "replace"))
    assert all(name and "\n" not in text for name, text in parsed.parameters.items())
