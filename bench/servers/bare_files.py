"""The floor of reading files: a loop that reads a line, reads the file that it names, and writes it back. No server.

It checks nothing, knows no directories, and does nothing else meanwhile: what is above it, a server costs.
"""

import os
import sys

import msgspec


def main() -> None:
    for line in sys.stdin.buffer:
        message = msgspec.json.decode(line)
        if "id" not in message:
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": said(message)}
        data = msgspec.json.encode(answer) + b"\n"
        while data:
            data = data[os.write(1, data) :]


def said(message: dict[str, dict[str, dict[str, str]]]) -> dict[str, object]:
    params = message["params"]
    if message["method"] == "initialize":  # type: ignore[comparison-overlap]
        info = {"name": "bare", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    file = os.open(params["arguments"]["path"], os.O_RDONLY)
    text = os.pread(file, os.fstat(file).st_size, 0).decode()
    os.close(file)
    return {"content": [{"type": "text", "text": text}]}


main()
