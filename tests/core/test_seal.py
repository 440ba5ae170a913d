"""The seal of a request's state: it opens for its own request, in time, and never else."""

import os
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core.seal import LONGEST, Binding, open_state, seal_state
from dovetail.errors import INVALID_PARAMS, LimitExceeded, StateRefused
from tests.fuzz import fuzz_seal

NOW = 1_750_000_000.0
OLD, NEW, OTHER = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
BINDING = Binding(
    principal="https://issuer|client|alice",
    audience="https://a/mcp",
    definition="d1",
    method="tools/call",
    request="r1",
)
REFUSAL = "requestState is not valid for this request"


def seal(payload: bytes = b"answers", binding: Binding = BINDING, ring: tuple[bytes, ...] = (NEW,)) -> str:
    return seal_state(payload, binding, ring, expires=NOW + 600, random=os.urandom)


def reason(state: str, binding: Binding = BINDING, ring: tuple[bytes, ...] = (NEW,), now: float = NOW) -> str:
    """Why it is refused; the peer is told the same, whatever it is."""
    with pytest.raises(StateRefused) as caught:
        open_state(state, binding, ring, now=now)
    assert (caught.value.message, caught.value.code, caught.value.data) == (REFUSAL, INVALID_PARAMS, None)
    return caught.value.reason


@pytest.mark.req("S-12")
@given(payload=st.binary(max_size=2_000))
def test_a_state_opens_to_what_was_sealed(payload: bytes) -> None:
    assert open_state(seal(payload), BINDING, (NEW,), now=NOW) == payload


def test_a_payload_cannot_be_read_from_its_state() -> None:
    state = seal(b"the answer is 42")
    assert b"answer" not in urlsafe_b64decode(state + "==")
    assert state != seal(b"the answer is 42")


@pytest.mark.req("S-12")
def test_a_change_of_any_byte_is_refused() -> None:
    raw = urlsafe_b64decode((state := seal()) + "=" * (-len(state) % 4))
    for place in range(len(raw)):
        for bit in (0x01, 0x80):
            changed = bytearray(raw)
            changed[place] ^= bit
            reason(urlsafe_b64encode(changed).rstrip(b"=").decode())


@pytest.mark.req("S-12")
def test_a_change_of_any_character_is_refused() -> None:
    state = seal()
    for place, character in enumerate(state):
        reason(state[:place] + ("A" if character != "A" else "B") + state[place + 1 :])


@pytest.mark.req("S-12")
def test_every_truncation_and_every_extension_is_refused() -> None:
    state = seal()
    for length in range(len(state)):
        reason(state[:length])
        reason(state[length:] if length else "")
    reason(state + "AAAA")


@pytest.mark.req("S-12")
@pytest.mark.parametrize("field", Binding.__struct_fields__)
def test_a_state_of_another_principal_server_definition_method_or_request_is_refused(field: str) -> None:
    other = msgspec.structs.replace(BINDING, **{field: "another"})
    assert reason(seal(), other) == "does not authenticate"
    assert reason(seal(binding=other)) == "does not authenticate"


@given(
    one=st.tuples(*[st.text(st.sampled_from("ab|\x00\ud800"), max_size=3)] * 5),
    two=st.tuples(*[st.text(st.sampled_from("ab|\x00\ud800"), max_size=3)] * 5),
)
def test_two_bindings_never_share_their_bytes(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    left, right = (Binding(**dict(zip(Binding.__struct_fields__, parts, strict=True))) for parts in (one, two))
    assert (left.canonical() == right.canonical()) == (one == two)


@pytest.mark.req("S-12")
def test_a_state_is_refused_from_the_moment_it_expires() -> None:
    state = seal()
    assert open_state(state, BINDING, (NEW,), now=NOW + 599.99) == b"answers"
    assert reason(state, now=NOW + 600) == "expired"
    assert reason(state, now=NOW + 1e9) == "expired"


@pytest.mark.req("S-12", "R-29")
def test_a_clock_set_back_does_not_lengthen_a_state() -> None:
    state = seal_state(b"", BINDING, (NEW,), expires=NOW + LONGEST, random=os.urandom)
    assert open_state(state, BINDING, (NEW,), now=NOW - 60) == b""
    assert reason(state, now=NOW - 61) == "valid for longer than any state is"


@pytest.mark.req("S-12", "R-29")
def test_rotation_opens_the_old_and_seals_with_the_new_until_the_old_is_retired() -> None:
    before = seal(ring=(OLD,))
    after = seal(ring=(NEW, OLD))
    assert open_state(before, BINDING, (NEW, OLD), now=NOW) == open_state(after, BINDING, (NEW,), now=NOW) == b"answers"
    assert reason(before, ring=(NEW, OTHER)) == "sealed with a key that is not in the ring"
    assert reason(after, ring=(OLD,)) == "sealed with a key that is not in the ring"


@pytest.mark.req("S-12")
@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda state: state + "=", "not canonical base64url"),
        (lambda state: state + "\n", "not canonical base64url"),
        (lambda state: " " + state, "not canonical base64url"),
        (lambda state: state[:8] + "!" + state[8:], "not canonical base64url"),
        (lambda state: state[:8] + "\x00" + state[8:], "not canonical base64url"),
        (lambda state: "+" + state[1:], "not canonical base64url"),
        (lambda state: "ü" + state, "not base64url"),
        (lambda state: "\ud800" + state, "not base64url"),
        (lambda state: "A", "not base64url"),
        (lambda state: "", "too short"),
        (lambda state: "Ag" + state[2:], "of another version"),
    ],
)
def test_another_spelling_of_a_state_is_refused(change: "object", why: str) -> None:
    assert callable(change)
    assert reason(change(seal())) == why


@pytest.mark.req("S-12")
def test_the_unused_bits_of_the_last_character_have_to_be_zero() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for size in range(3):
        state = seal(b"x" * size)
        if len(state) % 4 == 0:
            continue
        sloppy = state[:-1] + alphabet[alphabet.index(state[-1]) + 1]
        assert urlsafe_b64decode(sloppy + "==") == urlsafe_b64decode(state + "==")
        assert reason(sloppy) == "not canonical base64url"


def test_a_state_at_the_limit_is_issued_and_opens_and_one_over_it_does_neither() -> None:
    fits = 64 * 1024 // 4 * 3 - 5 - 12 - 8 - 16
    state = seal(b"x" * fits)
    assert len(state) == 64 * 1024
    assert open_state(state, BINDING, (NEW,), now=NOW) == b"x" * fits
    with pytest.raises(LimitExceeded) as caught:
        seal(b"x" * (fits + 1))
    assert caught.value.limit == "request_state"
    longer = seal_state(b"x" * (fits + 1), BINDING, (NEW,), expires=NOW + 600, random=os.urandom, limit=1 << 20)
    assert reason(longer) == "over the limit"


@given(text=st.text(max_size=200))
def test_no_text_opens_or_raises_anything_else(text: str) -> None:
    reason(text)


@given(data=st.binary(max_size=300))
def test_the_fuzz_target_holds(data: bytes) -> None:
    fuzz_seal.fuzz(data)


def test_randomness_comes_from_outside_and_twelve_bytes_are_asked_for() -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    one, two = (seal_state(b"p", BINDING, (NEW,), expires=NOW + 1, random=random) for _ in range(2))
    assert one == two
    assert asked == [12, 12]


def test_the_cipher_is_not_loaded_before_it_is_used() -> None:
    code = "import sys, dovetail.core.seal; print([m for m in ('cryptography', 'ssl', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
