"""A server that is seen from outside."""

import logging

from dovetail import Server, ToolError
from dovetail.core import AuditRecord
from dovetail.server import Audit, CallLog, JsonLines, Metrics, Tracing

# region logs
handler = logging.StreamHandler()
handler.setFormatter(JsonLines())
logging.basicConfig(handlers=[handler], level=logging.INFO)
# endregion

# region server
app = Server("orders")
app.use(Tracing())
app.use(Metrics())
app.use(CallLog())
# endregion


# region audit
class Recorder:
    """A sink of your own: called once a call, on the event loop, so it must be quick."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def record(self, record: AuditRecord) -> None:
        """Keep a record."""
        self.records.append(record)


recorder = Recorder()
audit = Audit(recorder)  # or Audit("audit.jsonl"), a file for its owner's eyes
app.use(audit)
# endregion


@app.tool
async def status(order_id: str) -> str:
    """Tell where an order is."""
    if order_id == "ORD-0":
        raise ToolError("There is no such order.")
    return f"{order_id} is on its way"


if __name__ == "__main__":
    app.run("http")
