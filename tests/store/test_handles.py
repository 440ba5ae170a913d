"""State handles: worth something to whom they were given, for their time, and nothing to anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core import Stores
from dovetail.errors import Disconnected, ToolError
from dovetail.store import Handles, MemoryStores
from tests.store.conftest import Clock


@pytest.mark.req("S-18")
async def test_a_handle_gives_its_principal_what_was_kept(stores: Stores) -> None:
    handles = Handles(stores.ledger, ttl=60.0)
    one, two = await handles.create("alice", b"cart"), await handles.create("", b"open")
    assert await handles.load("alice", one) == b"cart"
    assert await handles.load("alice", one) == b"cart"
    assert await handles.load("", two) == b"open"


@pytest.mark.req("S-18")
async def test_a_handle_is_opaque_and_has_192_random_bits(stores: Stores) -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    handle = await Handles(stores.ledger, random=random).create("alice", b"secret cart")
    assert asked == [24]
    assert handle == bytes(range(24)).hex()
    made = {await Handles(stores.ledger).create("alice", b"x") for _ in range(100)}
    assert len(made) == 100


@pytest.mark.req("S-18")
async def test_a_foreign_an_expired_and_an_unknown_handle_read_the_same(stores: Stores, clock: Clock) -> None:
    handles = Handles(stores.ledger, ttl=60.0)
    handle, old = await handles.create("alice", b"cart"), await handles.create("alice", b"old")
    texts = set()
    for principal, asked in (("bob", handle), ("", handle), ("alice", "0" * 48), ("alice", ""), ("alice", "x" * 257)):
        with pytest.raises(ToolError) as caught:
            await handles.load(principal, asked)
        texts.add(str(caught.value))
    clock.forward(60.0)
    with pytest.raises(ToolError) as caught:
        await handles.load("alice", old)
    assert texts == {str(caught.value)}
    assert not any(part in str(caught.value) for part in (handle, old, "alice", "bob"))


@pytest.mark.req("S-18")
@given(one=st.tuples(st.text(max_size=4), st.text(max_size=4)), two=st.tuples(st.text(max_size=4), st.text(max_size=4)))
async def test_what_is_kept_belongs_to_one_pair_of_principal_and_handle(
    one: tuple[str, str], two: tuple[str, str]
) -> None:
    from dovetail.store.handles import _key

    assert (_key(*one) == _key(*two)) == (one == two)


async def test_a_store_out_of_reach_is_not_an_unknown_handle(clock: Clock) -> None:
    handles = Handles(MemoryStores(clock, max_bytes=100).ledger)
    with pytest.raises(Disconnected):
        await handles.create("alice", b"cart")
