"""What a template's variables must not hold unless their handler says that it copes: ways out of a directory (S-19).

"Servers MUST validate all resource URIs" (Resources, Security Considerations). A handler that joins a variable to a
path is the usual one, and the usual hole. A file itself is opened with `store.open_beneath`, which also looks at what
is there.
"""

import re
from collections.abc import Mapping
from typing import Final

_STEPS: Final = re.compile(r"[/\\]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_STREAM: Final = ":$"
"""As in `x.txt::$DATA`: another way on NTFS to name a file, past rules on its ending."""
# Decoded once already: what is still encoded waits for somebody who decodes it again.
_ENCODED: Final = re.compile(r"%(?:2e|2f|5c|00)", re.IGNORECASE)


def leaves_its_place(variables: Mapping[str, str | list[str]]) -> bool:
    """Tell whether a variable names something outside the directory that it would be joined to."""
    return any(_leaves(value) if isinstance(value, str) else any(map(_leaves, value)) for value in variables.values())


def _leaves(value: str) -> bool:
    if "\0" in value or _STREAM in value or value[:1] in ("/", "\\") or _DRIVE.match(value) or _ENCODED.search(value):
        return True
    return ".." in value and ".." in _STEPS.split(value)
