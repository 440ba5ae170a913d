"""A client that vanishes without a word, in a network of its own whose cable is pulled: `half_open_program.py LOOP`."""

import socket
import subprocess
import sys
import threading
from typing import Any

from dovetail.net.binding import bind
from dovetail.net.serving import Settings, run_server
from dovetail.wire import Limits

SECONDS = 2.0
PATIENCE = 12.0


class App:
    """One stream that says nothing after its head."""

    def __init__(self) -> None:
        self.gone = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"open", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()


def main(loop: str) -> bool:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    app, started = App(), threading.Event()
    sockets = bind("127.0.0.1", 0, None)
    address = sockets[0].getsockname()
    settings = Settings(limits=Limits(write_seconds=SECONDS), loop=loop)
    threading.Thread(target=run_server, args=(app, sockets, settings, started.set), daemon=True).start()
    assert started.wait(PATIENCE)
    with socket.create_connection(address, timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"open" not in client.recv(65536):
            pass
        subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
        return app.gone.wait(PATIENCE)


if __name__ == "__main__":
    print("noticed" if main(sys.argv[1]) else "never noticed")
