"""What `dovetail dev --transport stdio` knows of a conversation, so that it outlives the server it is held with.

Sans-I/O: lines in, `To`s out. The client keeps one conversation; behind it one server after the other comes and goes.

* A new server is told what the last one knew: the client's `initialize` and `initialized`, its log level, its resource
  subscriptions, its `subscriptions/listen` requests. What it answers to that is not passed on.
* Then the client hears that lists have changed, in the way of its era: pushed, or on its listen streams.
* A call that was under way fails, with an error that says why. It is never made again: it may have had effects.
* What comes while there is no server waits for the next one. While the file is broken it is refused, except
  `initialize`.
* Questions of servers get ids of their own, so that a late answer to one server never reaches the next.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw

from dovetail.errors import INTERNAL_ERROR, Refusal
from dovetail.wire import (
    SUBSCRIPTION_ID,
    Answer,
    Batch,
    Failure,
    Limits,
    Message,
    Notification,
    Request,
    error_frame,
    id_key,
    notification_frame,
    parse,
    request_frame,
    result_frame,
)

HELD: Final = 1000
"""Messages that wait for the next server at most; more are refused."""
RELOADED: Final = "The server was reloaded before it answered; call again"
BROKEN: Final = "The server's file cannot be loaded; the error output of dovetail dev says why"

_LISTEN: Final = "subscriptions/listen"
_CANCELLED: Final = "notifications/cancelled"
_LISTS: Final = ("tools", "prompts", "resources")
_WISHES: Final = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}


class To(msgspec.Struct, frozen=True):
    """A line, and who gets it."""

    client: bool
    line: bytes


class Relay:
    """One client's conversation."""

    def __init__(self, limits: Limits) -> None:
        """Start with no server. A line over the limits is passed on as it is: the server says what is wrong."""
        self._limits = limits
        self._up = self._broken = self._leaving = False
        self._generation = 0
        self._held: list[bytes] = []
        self._calls: dict[bytes, Request] = {}
        self._questions: dict[bytes, tuple[int, bytes]] = {}
        self._remembered: dict[str, bytes] = {}  # what every new server is told, in the order it was said
        self._listens: dict[bytes, Request] = {}
        self._replayed: dict[bytes, str] = {}
        self._unheard: set[bytes] = set()  # listen requests whose acknowledgement the client had before

    def __repr__(self) -> str:
        state = "up" if self._up else "broken" if self._broken else "down"
        return f"<Relay {state}, {len(self._calls)} calls, {len(self._listens)} listens, {len(self._held)} held>"

    # Servers come and go.

    def started(self) -> list[To]:
        """A server reads now: tell it what the last one knew, then what waited."""
        self._up, self._broken, self._leaving = True, False, False
        self._generation += 1
        out = [To(False, line) for line in self._introduction()]
        out += [To(False, request_frame(r.id, r.method, r.params)) for r in self._listens.values()]
        self._unheard = set(self._listens)
        held, self._held = self._held, []
        for line in held:
            out += self.from_client(line)
        return out

    def stopping(self) -> None:
        """The server is being stopped: it still answers, but is told nothing more, and its streams go on elsewhere."""
        self._up, self._leaving = False, True

    def stopped(self, *, broken: bool = False) -> list[To]:
        """The server is gone; `broken` says that the next one comes only when the file has changed."""
        self._up, self._broken = False, broken
        self._replayed.clear()
        self._unheard.clear()
        calls, self._calls = self._calls, {}
        again = [r for r in calls.values() if r.method == "initialize"]
        if again:
            self._remembered.clear()
        self._held[:0] = [request_frame(r.id, r.method, r.params) for r in again]
        out = [_refused(r.id, BROKEN if broken else RELOADED) for r in calls.values() if r.method != "initialize"]
        if broken:
            held, self._held = self._held, []
            for line in held:
                out += self._hold(line, parse(line, self._limits))
        return out

    def _introduction(self) -> Iterator[bytes]:
        for what, line in self._remembered.items():
            message = parse(line, self._limits)
            if isinstance(message, Request):
                identifier = msgspec.json.encode(f"dovetail-dev-{self._generation}-{what}")
                self._replayed[identifier] = what
                yield request_frame(identifier, message.method, message.params)
            else:
                yield line

    # The client speaks.

    def from_client(self, line: bytes) -> list[To]:
        """Take a line of the client's."""
        message = parse(line, self._limits)
        if not self._up:
            return self._hold(line, message)
        match message:
            case Request():
                self._note(message, line)
            case Notification(method="notifications/initialized"):
                self._remembered["initialized"] = line
            case Notification(method="notifications/cancelled"):
                self._cancelled(message)
            case Answer() | Failure():
                return self._answer(message)
            case Batch():
                for item in message.items:
                    if isinstance(item, Request):
                        self._note(item, request_frame(item.id, item.method, item.params))
        return [To(False, line)]

    def _hold(self, line: bytes, message: Message) -> list[To]:
        first = isinstance(message, Request) and message.method == "initialize"
        if (self._broken and not first) or len(self._held) >= HELD:
            requests = message.items if isinstance(message, Batch) else (message,)
            return [_refused(each.id, BROKEN) for each in requests if isinstance(each, Request)]
        self._held.append(line)
        return []

    def _note(self, request: Request, line: bytes) -> None:
        if request.method == _LISTEN:
            self._listens[id_key(request.id)] = request
            return
        self._calls[id_key(request.id)] = request
        match request.method:
            case "initialize":
                self._remembered = {"initialize": line}
            case "logging/setLevel":
                self._remembered["level"] = line
            case "resources/subscribe":
                self._remembered[f"resource {_uri(request)}"] = line
            case "resources/unsubscribe":
                self._remembered.pop(f"resource {_uri(request)}", None)

    def _cancelled(self, notice: Notification) -> None:
        """A cancelled request is never answered, so nothing need be known of it any more."""
        identifier = _member(notice.params, "requestId")
        if identifier:
            self._calls.pop(id_key(identifier), None)
            self._listens.pop(id_key(identifier), None)

    def _answer(self, message: Answer | Failure) -> list[To]:
        """Pass an answer on to the server that asked; to no other."""
        asked = self._questions.pop(message.id or b"", None)
        if asked is None or asked[0] != self._generation:
            return []
        if isinstance(message, Answer):
            return [To(False, result_frame(asked[1], message.result))]
        error = message.error
        return [To(False, error_frame(asked[1], Refusal(error.message, data=error.data, code=error.code)))]

    # The server speaks.

    def from_server(self, line: bytes) -> list[To]:
        """Take a line of the server's."""
        message = parse(line, self._limits)
        match message:
            case Request():
                own = b'"d%d-%b"' % (self._generation, message.id.strip(b'"'))
                self._questions[own] = (self._generation, message.id)
                return [To(True, request_frame(own, message.method, message.params))]
            case Answer() | Failure():
                return self._answered(message, line)
            case Notification():
                return self._noticed(message, line)
            case Batch():
                for item in message.items:
                    if isinstance(item, Answer | Failure) and item.id is not None:
                        self._calls.pop(id_key(item.id), None)
        return [To(True, line)]

    def _answered(self, message: Answer | Failure, line: bytes) -> list[To]:
        key = id_key(message.id) if message.id is not None else b""
        what = self._replayed.pop(key, None)
        if what is not None:
            return self._changed(message) if what == "initialize" and isinstance(message, Answer) else []
        if self._leaving and key in self._listens:
            return []
        self._calls.pop(key, None)
        self._listens.pop(key, None)
        return [To(True, line)]

    def _noticed(self, message: Notification, line: bytes) -> list[To]:
        if message.method == _CANCELLED:
            return self._withdrawn(message, line)
        if message.method == "notifications/subscriptions/acknowledged":
            meta = _member(message.params, "_meta")
            identifier = _member(meta, SUBSCRIPTION_ID)
            key = id_key(identifier) if identifier else b""
            if key in self._unheard:
                self._unheard.discard(key)
                return self._changed_on(self._listens[key])
        return [To(True, line)]

    def _withdrawn(self, message: Notification, line: bytes) -> list[To]:
        """A server cancels a question, which has an id of ours, or ends a listen stream."""
        identifier = _member(message.params, "requestId") or b""
        if self._leaving and id_key(identifier) in self._listens:
            return []
        own = next((own for own, asked in self._questions.items() if asked == (self._generation, identifier)), None)
        if own is None:
            return [To(True, line)]
        del self._questions[own]
        params = msgspec.json.decode(message.params or b"{}", type=dict[str, Raw])
        return [To(True, notification_frame(_CANCELLED, msgspec.json.encode({**params, "requestId": Raw(own)})))]

    # Lists may have changed.

    def _changed(self, answer: Answer) -> list[To]:
        """What a session of a stateful revision is told once the new server has answered for itself."""
        declared = msgspec.json.decode(answer.result).get("capabilities", {})
        lists = [each for each in _LISTS if (declared.get(each) or {}).get("listChanged")]
        return [To(True, notification_frame(f"notifications/{each}/list_changed", None)) for each in lists]

    def _changed_on(self, listen: Request) -> list[To]:
        """What a listen stream is told that the new server has taken over."""
        wishes: Any = msgspec.json.decode(_member(listen.params, "notifications") or b"{}")
        params = msgspec.json.encode({"_meta": {SUBSCRIPTION_ID: Raw(listen.id)}})
        lists = [each for each in _LISTS if wishes.get(_WISHES[each])]
        return [To(True, notification_frame(f"notifications/{each}/list_changed", params)) for each in lists]


def _refused(identifier: bytes, why: str) -> To:
    return To(True, error_frame(identifier, Refusal(why, code=INTERNAL_ERROR)))


def _member(raw: bytes | None, name: str) -> bytes | None:
    """Return a member of an object as it was written; None where there is none."""
    try:
        found = msgspec.json.decode(raw or b"{}", type=dict[str, Raw]).get(name)
    except msgspec.MsgspecError:
        return None
    return None if found is None else bytes(found)


def _uri(request: Request) -> str:
    return (_member(request.params, "uri") or b"").decode(errors="replace")
