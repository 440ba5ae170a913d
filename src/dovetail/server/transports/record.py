"""What is stored of a session of the stateful revisions, and how it changes.

Several workers serve one session, and each hears of what the others changed a little later. So a change says what is to
be different, never what the whole is to be, and it is made in the store, to the record that is there.

Invariants: a change has no effects besides its result. Each makes the record one version newer, so that what is heard
late undoes nothing.
"""

from collections.abc import Callable, Set

import msgspec

from dovetail.core import LISTS, why_not
from dovetail.errors import InvalidParams
from dovetail.wire import ClientCapabilities, Implementation, Limits

MOST_VISITS = 100
"""Visits to URLs that one client can be told the end of."""


class Record(msgspec.Struct, frozen=True):
    """A session as it is stored."""

    version: str
    capabilities: ClientCapabilities
    info: Implementation | None
    principal: str
    log_level: str
    subscriptions: list[str]
    visits: list[str] = []
    listens: bool = False
    declared: frozenset[str] = LISTS
    changes: int = 0


Change = Callable[[Record], Record]

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def read(record: bytes) -> Record | None:
    """Return what was stored; None when it was stored by a version whose records are no longer read."""
    try:
        return _decode(record)
    except msgspec.MsgspecError:
        return None


def changing(change: Change) -> Callable[[bytes], bytes]:
    """Return a change as the store makes it."""
    return lambda stored: encode(changed(_decode(stored), change))


def changed(record: Record, change: Change) -> Record:
    """Return a record after a change: the same one where nothing is different."""
    after = change(record)
    return after if after is record else msgspec.structs.replace(after, changes=record.changes + 1)


# The changes that there are.


def subscribed(uri: str, limits: Limits) -> Change:
    """Subscribe to a resource; the change raises `InvalidParams` where the client may not be to one more."""

    def change(record: Record) -> Record:
        if (reason := why_not(uri, record.subscriptions, limits)) is not None:
            raise InvalidParams(f"params.uri: {reason}")
        if uri in record.subscriptions:
            return record
        return msgspec.structs.replace(record, subscriptions=[*record.subscriptions, uri])

    return change


def unsubscribed(uri: str) -> Change:
    """Subscribe to a resource no longer."""

    def change(record: Record) -> Record:
        if uri not in record.subscriptions:
            return record
        return msgspec.structs.replace(record, subscriptions=[held for held in record.subscriptions if held != uri])

    return change


def logging_at(level: str) -> Change:
    """Send log messages from a level on."""
    return lambda record: record if record.log_level == level else msgspec.structs.replace(record, log_level=level)


def expecting(visit: str) -> Change:
    """Note a visit to a URL that the client is asked for; of very many, the oldest are forgotten."""

    def change(record: Record) -> Record:
        visits = [*(known for known in record.visits if known != visit), visit]
        return msgspec.structs.replace(record, visits=visits[-MOST_VISITS:])

    return change


def told(visits: Set[str]) -> Change:
    """Note visits that the client was told the end of."""

    def change(record: Record) -> Record:
        left = [visit for visit in record.visits if visit not in visits]
        return record if len(left) == len(record.visits) else msgspec.structs.replace(record, visits=left)

    return change


def listening(record: Record) -> Record:
    """Note that the client listens. The version that this makes says in which order two of its streams were opened."""
    return msgspec.structs.replace(record, listens=True)
