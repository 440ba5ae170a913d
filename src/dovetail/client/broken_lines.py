"""What a line that is no JSON to us would have answered: who waits for that hears of it at once.

Python writes NaN unasked, JavaScript half a character, and a careless server two messages on one line. Such a line is
not read, only looked over: strings are stepped across, brackets counted, and the members of what stands outermost
noted. What stands deeper, be it an id in a table of numbers, is no answer.
"""

import re
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 1 << 20
"""Bytes of a line that is looked over."""
# A string that never ends goes to the end of the line, in one step: else it would be begun anew at each quote in it.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[{}\[\]]', re.DOTALL)
_NUMBER: Final = re.compile(rb"\s*:\s*(\d{1,15})\s*[,}]")
_ANSWERS: Final = frozenset({b'"result"', b'"error"'})


def answered_in(line: bytes) -> Iterator[bytes]:
    """Yield the ids of the answers that a line seems to hold, outermost ones only."""
    depth = 0
    identifier, members = b"", set[bytes]()
    for found in _TOKEN.finditer(line) if len(line) <= LONGEST else ():
        token = found[0]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
            if depth == 0:
                if identifier and b'"jsonrpc"' in members and members & _ANSWERS:
                    yield identifier
                identifier, members = b"", set()
        elif depth == 1:
            members.add(token)
            if token == b'"id"' and (number := _NUMBER.match(line, found.end())) is not None:
                identifier = number[1]
