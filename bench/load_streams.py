"""The other load generator: thousands of idle listen streams in one process, and the moment the last one hears.

Each hundred streams come from an address of their own (127.0.0.0/8), so that no limit on one client's streams needs
raising. Orders and answers are those of `load`.
"""

import json
import select
import socket
import sys
import time
from typing import Any

from bench import calls

_PER_ADDRESS = 100
_ACKNOWLEDGED = b"notifications/subscriptions/acknowledged"
_CHANGED = b"notifications/tools/list_changed"


class Streams:
    """Open streams, and what arrives on them."""

    def __init__(self, port: int, count: int) -> None:
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        message = calls.modern("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        body = calls.template(message, argument=False)
        head = calls.post(port, calls.headers(calls.MODERN, message), len(body % calls.FIRST))
        for start in range(0, count, 500):
            opened = [
                self._open(port, n, head + body % (calls.FIRST + n)) for n in range(start, min(start + 500, count))
            ]
            self._until(set(opened), _ACKNOWLEDGED)

    def _open(self, port: int, n: int, request: bytes) -> int:
        address = n // _PER_ADDRESS
        source = f"127.0.{1 + address // 250}.{1 + address % 250}"
        stream = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
        stream.sendall(request)
        stream.setblocking(False)
        self.sockets[stream.fileno()] = stream
        self.poll.register(stream, select.EPOLLIN)
        return stream.fileno()

    def _until(self, waiting: set[int], text: bytes) -> float:
        """Read until each of these streams has had the text; return when the last one had."""
        heard: dict[int, bytes] = dict.fromkeys(waiting, b"")
        while heard:
            events = self.poll.poll(20)
            if not events:
                raise ValueError(f"{len(heard)} streams heard nothing in 20 s")
            for fd, _ in events:
                data = self.sockets[fd].recv(65_536)
                if not data:
                    raise ValueError(f"a stream ended: {heard.get(fd, b'')[:300]!r}")
                if fd in heard:
                    heard[fd] += data
                    if not heard[fd].startswith(b"HTTP/1.1 200") and heard[fd].startswith(b"HTTP"):
                        raise ValueError(f"refused: {heard[fd][:300]!r}")
                    if text in heard[fd]:
                        del heard[fd]
        return time.monotonic()

    def run(self) -> dict[str, Any]:
        """Wait until all streams were told of a change."""
        return {"at": self._until(set(self.sockets), _CHANGED)}

    def close(self) -> None:
        for stream in self.sockets.values():
            stream.close()
        self.poll.close()


def main() -> None:
    """Do what each line says until the input ends."""
    streams: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        what = order.pop("do")
        answer: dict[str, Any] = {}
        try:
            match what:
                case "open":
                    streams = Streams(**order)
                case "run":
                    answer = streams.run()
                case _:
                    streams.close()
        except (OSError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
