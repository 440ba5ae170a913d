"""A server over stdio that kills itself: `cut` writes the first bytes of its answer, as told, and then comes SIGKILL.

`wait` is never answered. Run without site packages, so that it starts fast enough to be killed hundreds of times.
"""

import json
import os
import signal
import sys


def main() -> None:
    for line in sys.stdin:
        message = json.loads(line)
        value: dict[str, object] = {}
        match message.get("method"):
            case "initialize":
                info = {"name": "killed", "version": "1"}
                value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/call":
                arguments = message["params"]["arguments"]
                if message["params"]["name"] == "wait":
                    continue
                value = {"content": [{"type": "text", "text": "all of it"}]}
                answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": value}).encode() + b"\n"
                if "cut" in arguments:
                    os.write(1, answer[: arguments["cut"]])
                    os.kill(os.getpid(), signal.SIGKILL)
            case _:
                if "id" not in message:
                    continue
        os.write(1, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": value}).encode() + b"\n")


if __name__ == "__main__":
    main()
