"""What a file of configuration holds, as people's editors and shells write it. No I/O: bytes in.

All commands read a manifest through here, so that none takes what another one refuses.
"""

from typing import Any, Final

import msgspec

from dovetail.client import plain_json
from dovetail.errors import DefinitionError
from dovetail.wire import check

_MARKS: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def utf8(data: bytes) -> bytes:
    """Return text as UTF-8 without a byte order mark. PowerShell's `>` writes UTF-16 with one.

    Raises:
        DefinitionError: It is neither; the text goes on after the file's name.
    """
    try:
        encoding = _MARKS.get(data[:2])
        return data[2:].decode(encoding).encode() if encoding else data.decode("utf-8-sig").encode()
    except UnicodeError:
        raise DefinitionError("is neither UTF-8 nor UTF-16 with its mark: save it as UTF-8") from None


def strict_json(data: bytes) -> Any:
    """Return what JSON with comments says; of two servers with one name, one would be gone without a word.

    Raises:
        MalformedJSON: It is none, or says two things under one name.
        LimitExceeded: It is deeper or larger than any manifest.
    """
    data = plain_json(data)
    check(data)
    return msgspec.json.decode(data)
