"""The load generator: a process of its own, a bare loop over epoll that does as little as a client can.

It is told what to do in lines of JSON on its input and answers each with one on its output (see `driver`). Connections
are kept alive, requests are not pipelined, every id is used once, and the id and the sum of each answer are looked for.
Its own processor time is part of every answer, so that a run can tell whether the generator could have done more.
"""

import gc
import json
import select
import socket
import sys
import time
from typing import Any

from bench import calls


class Connection:
    """One kept-alive connection: the bytes of its request around the numbers, and an answer that is arriving."""

    def __init__(self, port: int, template: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.template = template
        self.received = b""
        self.number = 0
        self.length = 0  # of the last response; as requests, those of one connection are all of one length


class WrongAnswer(Exception):
    """An answer with another status, id or sum than it should have."""


def complete(data: bytes) -> bool:
    """Whether the bytes hold a whole response."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = data.find(b"ontent-", 0, head)
    while at >= 0 and data[at + 7 : at + 14].lower() != b"length:":
        at = data.find(b"ontent-", at + 1, head)
    if at < 0:
        raise WrongAnswer(f"no content length: {data[:200]!r}")
    return len(data) >= head + 4 + int(data[at + 14 : data.find(b"\r\n", at)])


class Generator:
    """All connections of one side."""

    def __init__(self, port: int, templates: list[str]) -> None:
        self.poll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.number = calls.FIRST
        for template in templates:
            connection = Connection(port, template.encode("latin-1"))
            self.connections[connection.socket.fileno()] = connection
            self.poll.register(connection.socket, select.EPOLLIN)

    def close(self) -> None:
        for connection in self.connections.values():
            connection.socket.close()
        self.poll.close()

    def send(self, connection: Connection) -> None:
        self.number += 1
        connection.number = self.number
        connection.socket.send(connection.template % (self.number, self.number))

    def run(self, seconds: float) -> dict[str, Any]:
        """Keep one request under way on each connection for that long; finish what is under way."""
        connections, poll, send, clock = self.connections, self.poll.poll, self.send, time.perf_counter
        count = 0
        gc.disable()  # nothing here is cyclic
        before = time.process_time()
        started = clock()
        deadline = started + seconds
        for connection in connections.values():
            send(connection)
        waiting = len(connections)
        while waiting:
            events = poll(30)
            if not events:
                raise WrongAnswer(f"no answer in 30 s after {count}")
            late = clock() > deadline
            for fd, _ in events:
                connection = connections[fd]
                data = connection.socket.recv(65_536)
                if connection.received or len(data) != connection.length:
                    data = connection.received + data
                    if not complete(data):
                        connection.received = data
                        continue
                    connection.received = b""
                    connection.length = len(data)
                number = connection.number
                if data[9:12] != b"200" or b"%d" % number not in data or b"%d" % (number + 1) not in data:
                    raise WrongAnswer(f"not the answer to {number}: {data[:300]!r}")
                count += 1
                if late:
                    waiting -= 1
                else:
                    send(connection)
        return {"count": count, "seconds": clock() - started, "cpu": time.process_time() - before}


class Viewers:
    """Two clients that list tools in turn while tools are added; every list after an addition is read and verified."""

    def __init__(self, port: int, lists: list[str], grow: str) -> None:
        self.connections = [Connection(port, template.encode("latin-1")) for template in lists]
        self.grower = Connection(port, grow.encode("latin-1"))
        self.number = calls.FIRST
        self.sizes = [0 for _ in lists]
        self.names: list[set[str]] = [set() for _ in lists]
        for viewer in range(len(lists)):
            self.verify(viewer, set())

    def close(self) -> None:
        for connection in (*self.connections, self.grower):
            connection.socket.close()

    def exchange(self, connection: Connection) -> bytes:
        self.number += 1
        connection.socket.sendall(connection.template % self.number)
        data = b""
        while not data or not complete(data):
            more = connection.socket.recv(1 << 20)
            if not more:
                raise WrongAnswer(f"the connection ended in the middle of an answer: {data[:200]!r}")
            data += more
        if data[9:12] != b"200" or b"%d" % self.number not in data:
            raise WrongAnswer(f"not the answer to {self.number}: {data[:300]!r}")
        return data

    def grow(self) -> str:
        """Have the server add a tool; return the name of the newest, by the number that it reports."""
        self.exchange(self.grower)
        known = sum(name.startswith("tool_") for name in self.names[0])
        return f"tool_{known}"

    def verify(self, viewer: int, added: set[str]) -> None:
        data = self.exchange(self.connections[viewer])
        answer = json.loads(data.partition(b"\r\n\r\n")[2])
        names = [tool["name"] for tool in answer["result"]["tools"]]
        if answer["id"] != self.number or len(names) != len(set(names)) or len(names) < 1000:
            raise WrongAnswer(f"not a list of a thousand tools: {len(names)}")
        if added and set(names) != self.names[viewer] | added:
            raise WrongAnswer(f"viewer {viewer} does not see exactly one tool more, {added}")
        if any("inputSchema" not in tool or "description" not in tool for tool in answer["result"]["tools"]):
            raise WrongAnswer("a tool without its schema or description")
        self.names[viewer] = set(names)
        self.sizes[viewer] = len(data)

    def run(self, total: int, every: int) -> dict[str, Any]:
        """List `total` times, with a tool added, and both next lists verified, after each `every`."""
        started = time.perf_counter()
        done = 0
        while done < total:
            added = {self.grow()}
            for viewer in range(len(self.connections)):
                self.verify(viewer, added)
            done += len(self.connections)
            for n in range(min(every, total) - len(self.connections)):
                viewer = n % len(self.connections)
                if len(self.exchange(self.connections[viewer])) != self.sizes[viewer]:
                    raise WrongAnswer(f"viewer {viewer} sees another list though nothing was added")
                done += 1
        return {"count": done, "seconds": time.perf_counter() - started, "bytes": self.sizes[0]}


def main() -> None:
    """Do what each line says until the input ends."""
    open_now: Any = None
    for line in sys.stdin:
        order = json.loads(line)
        what = order.pop("do")
        try:
            match what:
                case "open":
                    open_now = Generator(**order)
                    answer: dict[str, Any] = {}
                case "open_viewers":
                    open_now = Viewers(**order)
                    answer = {"viewers": [len(names) for names in open_now.names]}
                case "run":
                    answer = open_now.run(**order)
                case _:
                    open_now.close()
                    answer = {}
        except (WrongAnswer, OSError, ValueError, KeyError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
