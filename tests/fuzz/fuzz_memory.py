"""Fuzz target: the reference server's lines are read or refused by number; what was read is written as it was."""

import contextlib

from dovetail.servers.memory.lines import EntityLine, Unreadable, entity_line, read, relation_line
from dovetail.servers.memory.query import terms


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for term in terms(text):
        assert term.words.count('"') % 2 == 0
    with contextlib.suppress(Unreadable):
        lines = list(read(text))
        written = "\n".join(
            entity_line(line.name, line.type, line.observations, line.extra)
            if isinstance(line, EntityLine)
            else relation_line(line.source, line.target, line.type, line.extra)
            for line in lines
        )
        assert [type(line) for line in read(written)] == [type(line) for line in lines]
