"""What passes between the server and its worker processes (see `children`). Sans-I/O."""

import msgspec


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
