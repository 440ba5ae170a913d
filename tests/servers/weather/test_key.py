"""The key comes from the system's keyring, else from the environment, and is never shown."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

from dovetail.errors import ToolError
from dovetail.servers.weather.key import NAME, SERVICE, VARIABLE, Key

KEY = "0123456789abcdef0123456789abcdef"


class Ring(KeyringBackend):
    """A keyring of this test."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False
        self.asked = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.asked += 1
        if self.locked:
            raise KeyringLocked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    monkeypatch.delenv(VARIABLE, raising=False)
    before = keyring.get_keyring()
    made = Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


async def test_the_keyring_is_asked_first_and_once(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "from-the-environment")
    ring.kept[SERVICE, NAME] = KEY
    key = Key()
    assert await key.find() == KEY and await key.find() == KEY and ring.asked == 1
    assert KEY not in repr(key)


async def test_the_environment_is_the_second_way(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f" {KEY}\n")
    assert await Key().find() == KEY
    ring.locked = True
    assert await Key().find() == KEY
    assert await Key(keyring=False).find() == KEY and ring.asked == 2


async def test_a_key_that_is_set_later_is_found_then(ring: Ring) -> None:
    key = Key()
    assert await key.find() is None
    ring.kept[SERVICE, NAME] = KEY
    assert await key.find() == KEY


async def test_what_is_no_key_is_not_used_and_not_shown(ring: Ring) -> None:
    ring.kept[SERVICE, NAME] = "a secret & more"
    with pytest.raises(ToolError) as caught:
        await Key().find()
    assert "secret &" not in str(caught.value)


async def test_a_keyring_that_keeps_nothing_secret_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.backends import fail

    monkeypatch.delenv(VARIABLE, raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    try:
        assert await Key().find() is None
    finally:
        keyring.set_keyring(before)
