"""The system's keyring, by a keyring of the library's own kind that keeps its entries in memory."""

import asyncio
import sys
import threading
from hashlib import sha256
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as Missing

from dovetail.errors import DefinitionError, StoreUnusable
from dovetail.store import FileTokens, KeyringKeys, KeyringTokens
from dovetail.store.keyring_tokens import SERVICE, system_keyring


class Drawer(KeyringBackend):
    """A keyring in memory, with a size limit as Windows has it."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise RuntimeError(f"locked: {self.entries}")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if len(password) > 2560:
            raise ValueError(f"too large: {password}")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


async def test_records_are_entries_of_the_keyring(tmp_path: Path) -> None:
    drawer = Drawer()
    store = KeyringTokens(drawer, tmp_path)
    assert await store.load("k") is None
    await store.save("k", b"one")
    await store.save("k", b"two")
    assert await store.load("k") == b"two"
    assert await store.keys() == ["k"]
    await store.save("k", None)
    await store.save("k", None)
    assert await store.load("k") is None
    assert await store.keys() == []
    assert {service for service, _ in drawer.entries} == {SERVICE}
    async with store.alone("k"):
        pass
    assert repr(store) == "<KeyringTokens>"


@pytest.mark.req("A-32")
async def test_a_keyring_that_refuses_says_so_without_what_it_was_given(tmp_path: Path) -> None:
    drawer = Drawer()
    store = KeyringTokens(drawer, tmp_path)
    with pytest.raises(StoreUnusable) as caught:
        await store.save("k", b"SECRET" * 1000)
    assert "SECRET" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    await store.save("k", b"SECRET")
    drawer.locked = True
    with pytest.raises(StoreUnusable) as caught:
        await store.load("k")
    assert "SECRET" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"


@pytest.mark.req("A-32")
async def test_files_can_be_sealed_with_a_key_that_only_the_keyring_has(tmp_path: Path) -> None:
    drawer = Drawer()

    def ring(drawer: Drawer) -> KeyringKeys:
        return KeyringKeys(drawer, directory=tmp_path / "locks")

    await FileTokens(tmp_path / "t", ring(drawer)).save("k", b"v" * 10_000)
    again = ring(drawer)
    assert await FileTokens(tmp_path / "t", again).load("k") == b"v" * 10_000
    assert await FileTokens(tmp_path / "t", ring(Drawer())).load("k") is None
    assert len(again.ring()[0]) == 32
    assert repr(again) == "<KeyringKeys 1 keys>"
    again.rotate()
    assert await FileTokens(tmp_path / "t", ring(drawer)).load("k") is None


@pytest.mark.req("A-32")
@pytest.mark.parametrize("shared", [False, True])
async def test_of_two_who_log_in_first_at_once_one_makes_the_key_and_both_use_it(tmp_path: Path, shared: bool) -> None:
    class Slow(Drawer):
        """Tells each of the first two that there is no key yet."""

        both = threading.Barrier(2, timeout=5)
        looks = 0

        def get_password(self, service: str, username: str) -> str | None:
            found = super().get_password(service, username)
            self.looks += 1
            if self.looks <= 2:
                self.both.wait()
            return found

    drawer = Slow()
    one = KeyringKeys(drawer, directory=tmp_path / "locks")
    other = one if shared else KeyringKeys(drawer, directory=tmp_path / "locks")
    rings = await asyncio.gather(asyncio.to_thread(one.ring), asyncio.to_thread(other.ring))
    assert rings[0] == rings[1] == KeyringKeys(drawer).ring()


def test_a_key_that_cannot_be_made_alone_is_not_made(tmp_path: Path) -> None:
    drawer = Drawer()
    keys = KeyringKeys(drawer, directory=tmp_path)
    (tmp_path / f"{sha256(b'token-key').hexdigest()[:40]}.lock").mkdir()
    with pytest.raises(StoreUnusable, match="lock"):
        keys.ring()
    assert not drawer.entries


async def test_locks_that_cannot_be_made_are_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="locks cannot be made"):
        async with KeyringTokens(Drawer(), tmp_path / "file" / "locks").alone("x"):
            pass


def test_a_damaged_key_is_not_replaced_in_silence() -> None:
    drawer = Drawer()
    for damaged in ("", "x", "!!!!"):
        drawer.entries[SERVICE, "token-key"] = damaged
        with pytest.raises(StoreUnusable, match="damaged"):
            KeyringKeys(drawer).ring()


def test_a_keyring_that_keeps_no_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: Missing())  # type: ignore[no-untyped-call]
    with pytest.raises(StoreUnusable, match="file store"):
        system_keyring()
    drawer = Drawer()
    monkeypatch.setattr(keyring, "get_keyring", lambda: drawer)
    assert system_keyring() is drawer


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(DefinitionError, match="keyring"):
        system_keyring()
