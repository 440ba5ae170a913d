"""What passes between the server and its worker processes: MessagePack behind its length in four bytes. Sans-I/O."""

from typing import Final

import msgspec

LONGEST: Final = 268_435_456
HEAD: Final = 4


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """The first message: which repository, and how much of everything."""

    repository: str
    also: tuple[str, ...]
    writes: bool
    max_file: int
    max_output: int
    memory: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A call: which operation, its arguments, the seconds that it has, and those more after which it is ended."""

    operation: str
    arguments: msgspec.Raw
    seconds: float
    grace: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: a result, or why there is none.

    Attributes:
        result: As the operation returns it.
        refused: For the model.
        missing: True when what was asked for is not there.
        invalid: True when it could not be: a string that is no revision, no path, no date.
        late: True when the time was over.
    """

    result: msgspec.Raw = msgspec.Raw(b"\xc0")
    refused: str = ""
    missing: bool = False
    invalid: bool = False
    late: bool = False


def framed(message: msgspec.Struct) -> bytes:
    """Return a message as it is sent."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(HEAD, "big") + data


def length(head: bytes) -> int:
    """Return the length that four bytes name.

    Raises:
        ValueError: More than any message has.
    """
    found = int.from_bytes(head, "big")
    if found > LONGEST:
        raise ValueError(f"a message of {found} bytes")
    return found
