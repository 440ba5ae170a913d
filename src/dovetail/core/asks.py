"""The ask ledger of one call on a stateless revision: which question is which, and which answers are already there.

Theory (multi round-trip requests, 2026-07-28). A handler asks straight-line. A question without an answer ends the
turn: its request travels to the client inside the result, together with a sealed state, and the client calls again with
answers. The handler then runs again from the top, and this ledger hands it the answers it already has, each to its own
question:

* Every question has a key, and the digest of its method and parameters. Both are sealed.
* A question whose digest differs from the sealed one is another question: that answer and all later ones are dropped.
* Answers that are missing, or that the question does not accept, are asked for again; the others are kept.
* Answers may come with the very first turn, before anything was asked and so without a state: a client may know the
  keys from before. Each is taken by a question of that key, once, if the question accepts it.
* While answers are left that were not handed out yet, the handler is going over known ground: it is `replaying`.

Answers are attacker-controlled input: the question decides whether it accepts one. Sealing is `core.seal`; suspending
the handler is the server room's.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256

import msgspec

from dovetail.errors import RoundsExceeded, StateRefused


class Question(msgspec.Struct, frozen=True, array_like=True):
    """A question as it is sealed."""

    key: str
    digest: bytes


class Given(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it is sealed.

    `value` is the client's JSON. It is empty when it was too large for the state and lies in the ledger's store.
    """

    key: str
    digest: bytes
    value: bytes


class State(msgspec.Struct, frozen=True, array_like=True):
    """What travels, sealed, through the client from turn to turn.

    Attributes:
        call: The 128-bit id of the logical call; what `once` claims belong to.
        round: How many turns have ended with questions.
        open: The questions of the last turn.
        given: The answers so far.
        placed: The last turn held a place of what it called (`concurrency=`) when it ended.
    """

    call: str
    round: int
    open: tuple[Question, ...] = ()
    given: tuple[Given, ...] = ()
    placed: bool = False


_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(State).decode

KEEP_ABOVE = 8 * 1024
"""Answers over this many bytes go to the store instead of the state (asking, Size)."""


def write_state(state: State) -> bytes:
    """Return the bytes of a state, ready to be sealed."""
    return _encode_state(state)


def read_state(data: bytes) -> State:
    """Read a state that was sealed here.

    Raises:
        StateRefused: It is not a state: sealed by another version of this library.
    """
    try:
        return _decode_state(data)
    except msgspec.MsgspecError:
        raise StateRefused("no state of this version") from None


def digest_of(method: str, params: bytes) -> bytes:
    """Return what tells one question from another: 128 bits over its method and parameters."""
    return sha256(method.encode() + b"\0" + params).digest()[:16]


class AskLedger:
    """The questions and answers of one turn."""

    __slots__ = ("_given", "_handed", "_ordinals", "_volunteered", "call", "pending", "placed", "round")

    def __init__(self, state: State, responses: Mapping[str, bytes]) -> None:
        """Start a turn.

        Args:
            state: The state of the call so far; a new one for a fresh call.
            responses: `inputResponses`: the client's JSON by key. Keys that nobody asked for are ignored.
        """
        self.call = state.call
        self.round = state.round
        self.placed = state.placed
        self.pending: dict[str, tuple[str, bytes, bytes]] = {}
        self._given: dict[str, Given] = {given.key: given for given in state.given}
        for question in state.open:
            value = responses.get(question.key)
            if value is not None:
                self._given[question.key] = Given(question.key, question.digest, value)
        self._volunteered = dict(responses) if state.round == 0 else {}
        self._handed: set[str] = set()
        self._ordinals: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<AskLedger round {self.round}, {len(self._given)} answers, {len(self.pending)} open>"

    @property
    def replaying(self) -> bool:
        """True while the handler goes over ground that an earlier turn has covered."""
        return not self.pending and len(self._handed) < len(self._given)

    def name(self, site: str) -> str:
        """Return the key of the next question asked at a site, or under an explicit key: the site and its ordinal."""
        ordinal = self._ordinals.get(site, 0) + 1
        self._ordinals[site] = ordinal
        return site if ordinal == 1 else f"{site}#{ordinal}"

    def stored(self) -> list[str]:
        """Return the keys of answers whose value lies in the store and must be loaded before the handler runs."""
        return [given.key for given in self._given.values() if not given.value]

    def load(self, key: str, value: bytes | None) -> None:
        """Put in the value of a stored answer; None when the store lost it: the question is asked again."""
        given = self._given.pop(key)
        if value is not None:
            self._given[key] = Given(given.key, given.digest, value)

    def ask(self, key: str, method: str, params: bytes, accepts: Callable[[bytes], bool]) -> bytes | None:
        """Return the answer to a question, or None when it must be asked.

        Args:
            key: From `name`.
            method: `elicitation/create`, `sampling/createMessage` or `roots/list`.
            params: Its parameters, as they go to the client.
            accepts: Whether an answer is valid for this question.
        """
        digest = digest_of(method, params)
        given = self._given.get(key)
        if given is not None and given.digest != digest:
            self._drop_later()
            given = None
        if given is not None and not accepts(given.value):
            del self._given[key]
            given = None
        volunteered = self._volunteered.pop(key, None)
        if given is None and volunteered is not None and accepts(volunteered):
            given = self._given[key] = Given(key, digest, volunteered)
        if given is None:
            self.pending[key] = (method, params, digest)
            return None
        self._handed.add(key)
        return given.value

    def _drop_later(self) -> None:
        # "A digest that does not match drops that answer and all later ones and asks again." (asking) Later is what
        # this turn has not come to yet: answers are kept in the order in which they came, which may be another.
        self._given = {key: given for key, given in self._given.items() if key in self._handed}

    def next_state(self, limit: int) -> State:
        """Return the state that ends this turn.

        Raises:
            RoundsExceeded: The call has asked in more than `limit` turns.
        """
        if self.round >= limit:
            raise RoundsExceeded(f"The call asked its client in more than {limit} rounds")
        questions = tuple(Question(key, digest) for key, (_, _, digest) in self.pending.items())
        return State(self.call, self.round + 1, questions, tuple(self._given.values()), self.placed)

    def oversize(self) -> list[Given]:
        """Return the answers that are too large for a state."""
        return [given for given in self._given.values() if len(given.value) > KEEP_ABOVE]


def without_values(state: State) -> State:
    """Return a state without the values that lie in the store."""
    given = tuple(Given(g.key, g.digest, b"" if len(g.value) > KEEP_ABOVE else g.value) for g in state.given)
    return msgspec.structs.replace(state, given=given)
