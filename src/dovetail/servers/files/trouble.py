"""What the model reads when the file system says no: what is the matter, and what to do next."""

import contextlib
import errno
from collections.abc import Iterator
from typing import Final

from dovetail import ToolError
from dovetail.errors import UnsafePath, quote
from dovetail.servers.files.beneath import Changed, NoParent

_TEXTS: Final = {
    errno.ENOENT: "is not there. Look with list_directory, or find it with search_files.",
    errno.EISDIR: "is a directory. List it with list_directory.",
    errno.ENOTDIR: "is no directory.",
    errno.EEXIST: "is there already. Choose another name, or delete it first.",
    errno.ENOTEMPTY: "is a directory with something in it. Delete what is in it first.",
    errno.EACCES: "may not be used: the system denies this server access to it.",
    errno.EPERM: "may not be changed: the system does not permit it.",
    errno.EROFS: "cannot be changed: this server, or the file system, is read-only.",
    errno.ENOSPC: "could not be written: the disk is full. Nothing was changed.",
    errno.EDQUOT: "could not be written: the quota is used up. Nothing was changed.",
    errno.EXDEV: "lies on another file system: write it anew there, then delete it here.",
    errno.EINVAL: "cannot be moved into itself.",
    errno.ENAMETOOLONG: "has a name that is too long for the file system.",
    errno.ENXIO: "is no regular file.",
    errno.ELOOP: "leads through a symbolic link, which is never followed.",
}


def explain(failure: Exception, shown: str) -> ToolError:
    """Return a failure as the model should read it.

    Args:
        failure: What went wrong.
        shown: The path as the caller wrote it.
    """
    what = quote(shown, 200)
    if isinstance(failure, Changed):
        return ToolError(f"{what} was changed by somebody else meanwhile; nothing was written. Read it again.")
    if isinstance(failure, NoParent):
        return ToolError(f"{what}: the directory that it is to lie in is not there. Make it with create_directory.")
    if isinstance(failure, UnsafePath):
        return ToolError(f"{what}: {failure.message}. list_allowed_directories tells what may be used.")
    number = failure.errno if isinstance(failure, OSError) else None
    return ToolError(f"{what} {_TEXTS.get(number or 0, 'could not be used: the system reports an error.')}")


@contextlib.contextmanager
def explained(shown: str) -> Iterator[None]:
    """Turn what goes wrong with a path into a `ToolError`."""
    try:
        yield
    except (OSError, UnsafePath, Changed) as failure:
        raise explain(failure, shown) from None
