"""A server inside another ASGI app, under a public name."""

from typing import Any

from dovetail import Server

# region mount
app = Server("orders", version="1.0.0")


@app.tool
async def status(order_id: str) -> str:
    """Tell where an order is."""
    return f"{order_id} is on its way"


orders = app.asgi("/mcp", allowed_hosts=["shop.example.com"], allowed_origins=["https://shop.example.com"])


async def site(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Any ASGI app; a framework's mount does the same: the path stays whole, `root_path` says what is ours."""
    if scope["type"] == "http" and scope["path"].startswith("/orders"):
        await orders({**scope, "root_path": "/orders"}, receive, send)
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"the shop"})


# endregion

if __name__ == "__main__":
    app.run("http", port=8000)
