"""Fuzz target: a request's state as a client may send it. Only a refusal may come out, or what was sealed."""

from dovetail.core.seal import Binding, open_state, seal_state
from dovetail.errors import StateRefused

_RING = (bytes(range(32)), bytes(32))
_BINDING = Binding(principal="p", audience="a", definition="d", method="tools/call", request="r")
_GENUINE = seal_state(b"payload", _BINDING, _RING, expires=600.0, random=bytes)


def fuzz(data: bytes) -> None:
    """The first byte says where the input is put into a genuine state; past its end, the input is all there is."""
    text = data[1:].decode("utf-8", "surrogateescape")
    place = data[0] if data else 0
    state = text if place >= len(_GENUINE) else _GENUINE[:place] + text + _GENUINE[place + len(text) :]
    try:
        payload = open_state(state, _BINDING, _RING, now=0.0)
    except StateRefused:
        return
    assert state == _GENUINE
    assert payload == b"payload"
