"""Every line of every transcript is a message of its revision, to the field: by the facts, and by the official schema.

What the client sends is checked where the server took it: what is refused may be wrong in any way.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dovetail.revisions import Revision, revision_for
from dovetail.wire import METHODS
from tests.transcripts.replay import read
from tests.wire.closed import FACTS, SOURCES

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.txt"))
JSON_RPC = {-32700, -32600, -32601, -32602, -32603}
Json = dict[str, Any]


class Checker:
    """Reads one transcript from top to bottom and collects what is wrong."""

    def __init__(self, version: str) -> None:
        self.calls: dict[str, Json] = {}
        self.wrong: list[str] = []
        self.speak(version)

    def speak(self, version: str) -> None:
        """Judge by this revision from now on."""
        revision = revision_for(version)
        assert revision is not None
        self.revision: Revision = revision
        self.sources = [source(version) for source in SOURCES]
        self.facts = FACTS[version]["methods"]
        self.codes = JSON_RPC | set(revision.codes)

    def line(self, line: str) -> None:
        """Check one line."""
        message = read(line[2:])
        server = line.startswith("< ")
        if not server and message is None:
            return
        for single in message if isinstance(message, list) else [message]:
            if server:
                self.problems(line, self.of_server(single))
            elif isinstance(single, dict) and "method" in single and "id" in single:
                self.calls[json.dumps(single["id"])] = single

    def problems(self, line: str, found: list[str]) -> None:
        self.wrong += [f"{line[:100]}: {problem}" for problem in found]

    def of_server(self, message: Json) -> list[str]:
        """Return what is wrong with a message of the server."""
        if "method" not in message:
            return self.response(message)
        method = message["method"]
        role = "ServerRequest" if "id" in message else "ServerNotification"
        keys = {"jsonrpc", "method", "params", *(["id"] if "id" in message else [])}
        return [
            *([] if method in self.facts[role] else [f"{method} is no {role} of this revision"]),
            *([] if set(message) <= keys else ["unknown members"]),
            *self.params(method, message.get("params")),
        ]

    def response(self, message: Json) -> list[str]:
        if "error" in message:
            return self.error(message)
        if set(message) != {"jsonrpc", "id", "result"} or message["jsonrpc"] != "2.0":
            return ["members of a response"]
        request = self.calls.get(json.dumps(message["id"]))
        if request is None:
            return ["nothing was asked under this id"]
        method, result = request["method"], message["result"]
        if method == "initialize":
            self.speak(result["protocolVersion"])
        if result.get("resultType") == "input_required":
            return self.result(method, result)  # an answer that was no answer may be why it asks again
        return [*self.params(method, request.get("params")), *self.result(method, result)]

    def error(self, message: Json) -> list[str]:
        error = message["error"]
        if not {"jsonrpc", "error"} <= set(message) <= {"jsonrpc", "id", "error"}:
            return ["members of a response"]
        if not {"code", "message"} <= set(error) <= {"code", "message", "data"}:
            return ["members of an error"]
        return [] if error["code"] in self.codes else [f"{error['code']} is no code of this revision"]

    def result(self, method: str, result: Json) -> list[str]:
        kind = METHODS[method].result
        assert kind is not None
        if result.get("resultType") != "input_required":
            return self.by_name(str(getattr(kind, "__wire_name__", kind.__name__)), result)
        inner = [
            problem
            for question in result.get("inputRequests", {}).values()
            for problem in self.params(question["method"], question.get("params"))
        ]
        return [*inner, *self.by_name("InputRequiredResult", result)]

    def params(self, method: str, params: Json | None) -> list[str]:
        if params is None:
            return []
        declared = METHODS[method].params
        name = "ListRootsRequestParams" if method == "roots/list" and self.revision.stateless else declared.__name__
        if hasattr(declared, "__wire_name__"):  # it depends on what is asked
            name = str(getattr(msgspec.convert(params, declared), "__wire_name__", name))
        return [problem for source in self.sources for problem in source.params(method, name, params)]

    def by_name(self, name: str, data: Json) -> list[str]:
        return [problem for source in self.sources for problem in source.errors(name, data)]


@pytest.mark.req("W-10")
@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_every_message_is_one_of_its_revision(path: Path) -> None:
    checker = Checker(path.parent.name)
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("> ", "< ")):
            checker.line(line)
    assert not checker.wrong


def test_a_field_of_another_revision_would_be_noticed() -> None:
    asks = '> {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}'
    says = '< {"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{}}}'
    for version, noticed in (("2025-03-26", True), ("2025-06-18", False)):
        checker = Checker(version)
        checker.line(asks)
        checker.line(says)
        assert bool(checker.wrong) is noticed
