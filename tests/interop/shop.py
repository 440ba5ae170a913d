"""The quickstart with a tool more, which asks the client's model: what the peers of `test_peers.py` visit.

dovetail run tests/interop/shop.py, as the quickstart is run.
"""

import sys
from importlib import import_module
from pathlib import Path

from dovetail import Context

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
app = import_module("quickstart").app


@app.tool  # type: ignore[untyped-decorator]
async def praise(ctx: Context) -> str:
    """Have the model write."""
    said = await ctx.sample("A poem, please.", max_tokens=100, system_prompt="Be brief.")
    return f"{said.role}: {getattr(said.content, 'text', '?')}"


if __name__ == "__main__":
    app.run()
