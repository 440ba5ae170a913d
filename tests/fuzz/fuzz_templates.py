"""Fuzz target: any template is read or refused; what it expands to, it matches; any URI gets an answer."""

from dovetail.errors import DefinitionError
from dovetail.wire.templates import Template


def fuzz(data: bytes) -> None:
    text, _, uri = data.decode("utf-8", "surrogateescape").partition("|")
    try:
        template = Template(text)
    except DefinitionError:
        return
    expanded = template.expand(dict.fromkeys(template.variables, "a"))
    try:
        matcher = template.matcher
    except DefinitionError:
        return
    found = matcher.match(uri)
    assert found is None or set(found) <= set(template.variables)
    assert matcher.match(expanded) is not None
