"""A server over stdio with nothing but many tools: `catalogue_server.py TOOLS PAGE BYTES`. It makes each page anew."""

import json
import sys


def tool(number: int, size: int) -> dict[str, object]:
    schema = {"type": "object", "properties": {"text": {"type": "string", "description": "x" * (size // 2)}}}
    return {"name": f"tool-{number}", "description": "y" * (size // 2 - 80), "inputSchema": schema}


def main() -> None:
    total, page, size = map(int, sys.argv[1:])
    for line in sys.stdin:
        message = json.loads(line)
        value: dict[str, object]
        match message.get("method"):
            case "initialize":
                info = {"name": "catalogue", "version": "1"}
                value = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            case "ping":
                value = {}
            case "tools/list":
                first = int(message["params"].get("cursor", 0))
                last = min(first + page, total)
                value = {"tools": [tool(number, size) for number in range(first, last)]}
                if last < total:
                    value["nextCursor"] = str(last)
            case _:
                if "id" in message:
                    error = {"code": -32601, "message": "Method not found"}
                    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}), flush=True)
                continue
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": value}), flush=True)


if __name__ == "__main__":
    main()
