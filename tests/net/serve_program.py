"""A program that serves: `python serve_program.py JSON`, where JSON holds options, and `workers`, `refuse`, `files`."""

import asyncio
import contextlib
import json
import os
import resource
import sys
from typing import Any

from dovetail.errors import DefinitionError
from dovetail.net import serve, serve_workers


class App:
    """Answers with who it is; `/stream` goes on until the drain, `/waits` a moment longer, `/stubborn` for ever;
    `/eat` takes every descriptor and `/free` gives them back."""

    authenticated = False

    def __init__(self) -> None:
        self.draining: asyncio.Event | None = None
        self.eaten: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        path, direct = scope["path"], scope["extensions"]["dovetail.direct"]
        assert self.draining is not None
        if path == "/stream" or path == "/stubborn":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            direct.write(b"open\n")
            await (self.draining if path == "/stream" else asyncio.Event()).wait()
            await send({"type": "http.response.body", "body": b"end\n"})
            return
        if path == "/waits":
            await self.draining.wait()
            await asyncio.get_running_loop().run_in_executor(None, str)
        if path == "/eat":
            with contextlib.suppress(OSError):
                while True:
                    self.eaten.append(os.open("/dev/zero", os.O_RDONLY))
        if path == "/free":
            while self.eaten:
                os.close(self.eaten.pop())
        mine = {name: value for name, value in os.environ.items() if name.startswith("SERVE_TEST")}
        client = scope["client"]
        body = json.dumps({"pid": os.getpid(), "environment": mine, "client": client}).encode()
        direct.whole(200, [(b"content-type", b"application/json")], body)

    async def lifespan(self, receive: Any, send: Any) -> None:
        self.draining = asyncio.Event()
        await receive()
        if os.environ.get("SERVE_TEST_FAIL") == "lifespan":
            await send({"type": "lifespan.startup.failed", "message": "no database"})
            return
        if os.environ.get("SERVE_TEST_FAIL") == "slow":
            sys.stderr.write("Starting\n")
            try:
                await asyncio.Event().wait()
            finally:
                for _ in range(50):  # whatever it closes takes its time
                    await asyncio.sleep(0)
                sys.stderr.write("cleaned up\n")
        if os.environ.get("SERVE_TEST_FAIL") == "busy":
            sys.stderr.write("Starting\n")
            sys.stderr.flush()
            with open(os.environ["SERVE_TEST_GO"], "rb") as go:  # noqa: ASYNC230  # that is the point
                go.read()  # keeps the loop busy
        if os.environ.get("SERVE_TEST_FAIL") == "exit":
            sys.exit("no database configured")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        sys.stderr.write("lifespan ended\n")
        await send({"type": "lifespan.shutdown.complete"})

    def drain(self) -> None:
        sys.stderr.write("draining\n")
        assert self.draining is not None
        self.draining.set()


def load() -> App:
    if os.environ.get("SERVE_TEST_FAIL") == "load":
        raise DefinitionError("this program is broken")
    if os.environ.get("SERVE_TEST_FAIL") == "crash":
        os._exit(9)
    return App()


def main(options: dict[str, Any]) -> int:
    workers = options.pop("workers", 0)
    files = options.pop("files", 0)
    if files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    try:
        if workers:
            serve_workers(f"{__file__}:load", workers=workers, environment={"SERVE_TEST_MORE": "yes"}, **options)
        else:
            serve(load(), **options)
    except DefinitionError as error:
        sys.stderr.write(f"refused: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
