"""What `dovetail dev` keeps of a conversation over stdio: lines in, lines out, no process."""

import json
from typing import Any

from dovetail.cli.relay import BROKEN, HELD, RELOADED, Relay
from dovetail.wire import DEFAULT_LIMITS

Json = dict[str, Any]


class Between:
    """A relay with a client and a server by hand."""

    def __init__(self) -> None:
        self.relay = Relay(DEFAULT_LIMITS)
        self.client: list[Json] = []
        self.server: list[Json] = []

    def take(self, lines: Any) -> None:
        for each in lines:
            (self.client if each.client else self.server).append(json.loads(each.line))

    def start(self) -> None:
        self.take(self.relay.started())

    def stop(self, *, broken: bool = False) -> None:
        self.take(self.relay.stopped(broken=broken))

    def says(self, **message: Any) -> None:
        self.take(self.relay.from_client(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    def serves(self, **message: Any) -> None:
        self.take(self.relay.from_server(json.dumps({"jsonrpc": "2.0", **message}).encode()))

    def heard(self) -> list[Json]:
        """What the client has heard since the last time, without what is the same in all."""
        found, self.client = [{k: v for k, v in each.items() if k != "jsonrpc"} for each in self.client], []
        return found

    def read(self) -> list[Json]:
        """The same for the server."""
        found, self.server = [{k: v for k, v in each.items() if k != "jsonrpc"} for each in self.server], []
        return found


def opened() -> Between:
    between = Between()
    between.start()
    between.says(id=1, method="initialize", params={"protocolVersion": "x"})
    between.serves(id=1, result={"capabilities": {"tools": {"listChanged": True}, "prompts": {}}})
    between.says(method="notifications/initialized")
    between.heard(), between.read()
    return between


def test_what_neither_side_needs_help_with_passes_as_it_is() -> None:
    relay = Relay(DEFAULT_LIMITS)
    relay.started()
    for line in (
        b'{"jsonrpc":"2.0",  "id":"\\u0061","method":"ping"}',
        b"not json",
        b'[{"jsonrpc":"2.0","method":"x"}]',
    ):
        assert [(each.client, each.line) for each in relay.from_client(line)] == [(False, line)]
    for line in (b'{"jsonrpc":"2.0","id":"a","result":{ }}', b'{"jsonrpc":"2.0","method":"notifications/message"}'):
        assert [(each.client, each.line) for each in relay.from_server(line)] == [(True, line)]


def test_a_new_server_learns_what_the_last_one_knew_and_the_client_hears_what_may_have_changed() -> None:
    between = opened()
    between.says(id=2, method="logging/setLevel", params={"level": "info"})
    between.says(id=3, method="logging/setLevel", params={"level": "error"})
    between.says(id=4, method="resources/subscribe", params={"uri": "a:1"})
    between.says(id=5, method="resources/subscribe", params={"uri": "a:2"})
    between.says(id=6, method="resources/unsubscribe", params={"uri": "a:1"})
    for identifier in range(2, 7):
        between.serves(id=identifier, result={})
    between.heard(), between.read()
    between.stop()
    assert between.heard() == []
    between.start()
    told = between.read()
    assert [each["method"] for each in told] == [
        "initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe",
    ]  # fmt: skip
    assert told[0]["params"] == {"protocolVersion": "x"}
    assert (told[2]["params"], told[3]["params"]) == ({"level": "error"}, {"uri": "a:2"})
    between.serves(id=told[0]["id"], result={"capabilities": {"tools": {"listChanged": True}, "prompts": {}}})
    assert between.heard() == [{"method": "notifications/tools/list_changed"}]
    between.serves(id=told[2]["id"], result={})
    between.serves(id=told[3]["id"], error={"code": -32602, "message": "gone"})
    assert between.heard() == []


def test_a_call_under_way_fails_and_is_not_made_again_and_one_that_was_cancelled_is_not_answered() -> None:
    between = opened()
    between.says(id=7, method="tools/call", params={"name": "a"})
    between.says(id=8, method="tools/call", params={"name": "b"})
    between.says(method="notifications/cancelled", params={"requestId": 8})
    between.stop()
    assert between.heard() == [{"id": 7, "error": {"code": -32603, "message": RELOADED}}]
    between.read()
    between.start()
    assert "tools/call" not in [each["method"] for each in between.read()]


def test_what_comes_in_between_waits_and_a_first_message_without_an_answer_is_said_again() -> None:
    between = Between()
    between.start()
    between.says(id=1, method="initialize", params={})
    between.stop()
    between.says(method="notifications/initialized")
    between.says(id=2, method="tools/list")
    assert between.heard() == []
    between.read()
    between.start()
    assert [each.get("id") for each in between.read()] == [1, None, 2]


def test_while_the_file_is_broken_requests_are_refused_except_the_first() -> None:
    between = Between()
    between.says(id=1, method="initialize", params={})
    between.says(id=2, method="tools/list")
    between.stop(broken=True)
    between.says(id=3, method="tools/list")
    between.says(method="notifications/initialized")
    assert [(each["id"], each["error"]["message"]) for each in between.heard()] == [(2, BROKEN), (3, BROKEN)]
    between.start()
    assert [each["id"] for each in between.read()] == [1]


def test_only_so_many_messages_wait() -> None:
    between = Between()
    for number in range(HELD + 2):
        between.says(id=number, method="ping")
    assert [each["id"] for each in between.heard()] == [HELD, HELD + 1]


def test_an_answer_reaches_the_server_that_asked_and_no_other() -> None:
    between = opened()
    between.serves(id=1, method="roots/list")
    between.serves(id=2, method="roots/list")
    first, second = between.heard()
    assert first["id"] != second["id"]
    between.says(id=first["id"], result={"roots": []})
    assert between.read() == [{"id": 1, "result": {"roots": []}}]
    between.stop()
    between.start()
    between.read()
    between.serves(id=2, method="roots/list")
    (third,) = between.heard()
    between.says(id=second["id"], result={"roots": ["late"]})
    assert between.read() == []
    between.says(id=third["id"], error={"code": -1, "message": "no", "data": 1})
    assert between.read() == [{"id": 2, "error": {"code": -1, "message": "no", "data": 1}}]


def test_a_question_is_withdrawn_under_the_id_that_the_client_knows() -> None:
    between = opened()
    between.serves(id=1, method="roots/list")
    (asked,) = between.heard()
    between.serves(method="notifications/cancelled", params={"requestId": 1, "reason": "late"})
    assert between.heard() == [
        {"method": "notifications/cancelled", "params": {"requestId": asked["id"], "reason": "late"}}
    ]
    between.serves(method="notifications/cancelled", params={"requestId": 9})
    assert between.heard() == [{"method": "notifications/cancelled", "params": {"requestId": 9}}]


def test_a_listen_stream_goes_on_with_the_next_server() -> None:
    subscription = "io.modelcontextprotocol/subscriptionId"
    wishes = {"toolsListChanged": True, "promptsListChanged": False, "resourcesListChanged": True}
    between = Between()
    between.start()
    between.says(id="a", method="subscriptions/listen", params={"notifications": wishes})
    between.says(id="b", method="subscriptions/listen", params={"notifications": wishes})
    acknowledged = {"method": "notifications/subscriptions/acknowledged", "params": {"_meta": {subscription: "a"}}}
    between.serves(**acknowledged)
    assert between.heard() == [acknowledged]
    between.says(method="notifications/cancelled", params={"requestId": "b"})
    between.read()
    between.relay.stopping()
    between.serves(method="notifications/cancelled", params={"requestId": "a"})
    between.serves(id="a", result={})
    between.stop()
    assert between.heard() == []
    between.start()
    assert [each["id"] for each in between.read()] == ["a"]
    between.serves(**acknowledged)
    assert between.heard() == [
        {"method": f"notifications/{each}/list_changed", "params": {"_meta": {subscription: "a"}}}
        for each in ("tools", "resources")
    ]
    between.serves(id="a", result={})
    assert between.heard() == [{"id": "a", "result": {}}]


def test_each_call_of_a_batch_is_answered_when_the_server_goes() -> None:
    between = opened()
    calls = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in (1, 2)]
    between.take(between.relay.from_client(json.dumps(calls).encode()))
    between.take(between.relay.from_server(b'[{"jsonrpc":"2.0","id":1,"result":{}}]')[:0])
    between.stop()
    assert [each["id"] for each in between.heard()] == [2]
