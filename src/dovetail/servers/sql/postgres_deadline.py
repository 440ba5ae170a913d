"""The end of a connection whose server does not stop in time.

PostgreSQL looks at `statement_timeout`, and at requests to cancel, between its steps only, and a single call of a
function (`array_fill`, `repeat`) is one step. Whoever asked has an answer in time all the same: the connection is cut
on this side, so that whatever waits for it ends with an error, and the pool opens another one. The process over there
ends when it next looks.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any


class Deadline:
    """Cuts a connection after some seconds, unless it was called off.

    Attributes:
        passed: It was cut.
    """

    def __init__(self, connection: Any, seconds: float) -> None:
        self.passed = False
        self._connection = connection
        self._timer = asyncio.get_running_loop().call_later(seconds, self._cut)

    def call_off(self) -> None:
        """Let the connection be. Idempotent."""
        self._timer.cancel()

    def _cut(self) -> None:
        if self._connection.closed:
            return
        self.passed = True
        # The descriptor stays the driver's, which sees the end of the stream and closes it.
        with suppress(OSError), socket.fromfd(self._connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as link:
            link.shutdown(socket.SHUT_RDWR)
