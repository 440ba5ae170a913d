"""Audit records in a file: one line of JSON each, appended, readable by the owner alone.

Each record is one write to a descriptor opened for appending, so lines of several processes do not mix. A record that
could not be written whole is reported to the caller, who counts it; it is never written again.
"""

import contextlib
import os
import stat

import msgspec

from dovetail.core import AuditRecord
from dovetail.errors import Disconnected, StoreUnusable

# Without O_NONBLOCK, opening a FIFO that somebody put there would wait for its reader for ever.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class AuditFile:
    """An `AuditSink` that appends to a file."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file, or make it with mode 0600.

        Raises:
            StoreUnusable: It cannot be opened, is no regular file, is somebody else's, or others may use it.
        """
        self.path = os.fspath(path)
        try:
            self._file = os.open(self.path, _FLAGS, 0o600)
        except OSError as error:
            raise StoreUnusable(f"The audit file cannot be opened: {error.strerror}") from None
        if not _is_private(os.fstat(self._file)):
            os.close(self._file)
            raise StoreUnusable("The audit file must be a regular file that you own and nobody else may use: chmod 600")
        self._encoder = msgspec.json.Encoder()
        self._closed = False

    def __repr__(self) -> str:
        return f"<AuditFile {self.path!r}{', closed' if self._closed else ''}>"

    def record(self, record: AuditRecord) -> None:
        """Append a record.

        Raises:
            Disconnected: It was not written whole, or the file is closed.
        """
        if self._closed:
            raise Disconnected("The audit file is closed")
        line = self._encoder.encode(record) + b"\n"
        try:
            written = os.write(self._file, line)
        except OSError as error:
            raise Disconnected(f"The audit file cannot be written: {error.strerror}") from None
        if written != len(line):
            with contextlib.suppress(OSError):
                os.write(self._file, b"\n")  # the next record begins a line of its own
            raise Disconnected("The audit file is full")

    def close(self) -> None:
        """Release the file; idempotent."""
        if not self._closed:
            self._closed = True
            os.close(self._file)


def _is_private(found: os.stat_result) -> bool:
    if not stat.S_ISREG(found.st_mode):
        return False
    return os.name != "posix" or (found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077 == 0)
