"""Files below a root and never beside it: for whatever is done to them, and while somebody swaps links under it."""

import contextlib
import ctypes
import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dovetail.errors import UnsafePath
from dovetail.servers.files import beneath, opening
from dovetail.servers.files.beneath import Beneath, Changed, Stamp
from dovetail.servers.files.names import steps_of
from dovetail.servers.files.places import Roots
from tests.servers.files.conftest import SECRET

pytestmark = pytest.mark.usefixtures("door")
REFUSALS = (UnsafePath, OSError)


def read(root: Beneath, path: str) -> bytes:
    file, found = root.open(steps_of(path))
    try:
        return os.pread(file, found.st_size + 1, 0)
    finally:
        os.close(file)


def everything_outside(house: Path) -> dict[str, str]:
    """What must stay as it is: all beside the root, by path."""
    return {
        str(path): path.read_text() if path.is_file() else ""
        for path in house.parent.rglob("*")
        if not path.is_relative_to(house)
    }


def links(house: Path) -> Iterator[str]:
    """Lay links out of the root, and name paths through them."""
    (house / "out").symlink_to(house.parent)
    yield "out/a.txt"
    yield "out"
    (house / "sibling").symlink_to("../data-x")
    yield "sibling/a.txt"
    yield "sibling/new.txt"
    (house / "file").symlink_to("../a.txt")
    yield "file"
    (house / "absolute").symlink_to(house.parent / "a.txt")
    yield "absolute"
    (house / "inside").symlink_to("docs/a.txt")
    yield "inside"
    (house / "indoors").symlink_to("docs")
    yield "indoors/a.txt"
    (house / "docs" / "deep" / "file").symlink_to("../../../a.txt")
    (house / "docs" / "deep" / "again").symlink_to("file")
    yield "docs/deep/again"
    (house / "loop").symlink_to("loop")
    yield "loop"
    yield "loop/x"
    (house / "self").symlink_to("/proc/self/cwd")
    yield "self/x"
    (house / "root").symlink_to("/")
    yield "root/etc/passwd"
    (house / "dangling").symlink_to("../new.txt")
    yield "dangling"
    yield "docs/a.txt/x"


@pytest.mark.req("S-19")
def test_nothing_is_read_listed_or_told_through_a_link(house: Path) -> None:
    root = Beneath(str(house))
    for path in links(house):
        with pytest.raises(REFUSALS):
            read(root, path)
        with pytest.raises(REFUSALS), root.directory(steps_of(path)):
            pass
        with contextlib.suppress(*REFUSALS):
            assert stat.S_ISLNK(root.stat(steps_of(path)).st_mode), path


@pytest.mark.req("S-19")
def test_nothing_is_changed_through_a_link(house: Path) -> None:
    root = Beneath(str(house))
    before = everything_outside(house)
    for path in links(house):
        steps = steps_of(path)
        with pytest.raises(REFUSALS):
            root.write(steps, b"x")
        with pytest.raises(REFUSALS):
            root.make_directory((*steps, "x"))
        with pytest.raises(REFUSALS):
            root.move(("docs", "a.txt"), root, (*steps, "x"))
        with pytest.raises(REFUSALS):
            root.remove((*steps, "a.txt"))
    assert everything_outside(house) == before
    assert (house / "docs" / "a.txt").read_text() == "fine"


@pytest.mark.req("S-19")
def test_removing_a_link_removes_the_link(house: Path) -> None:
    (house / "file").symlink_to("../a.txt")
    (house / "out").symlink_to("..")
    root = Beneath(str(house))
    root.remove(("file",))
    root.remove(("out",))
    assert (house.parent / "a.txt").read_text() == SECRET
    assert not (house / "file").is_symlink()


@pytest.mark.req("S-19")
def test_what_is_no_regular_file_is_not_opened(house: Path) -> None:
    os.mkfifo(house / "fifo")
    root = Beneath(str(house))
    with pytest.raises(UnsafePath):
        read(root, "fifo")
    with pytest.raises(REFUSALS):
        root.write(("fifo",), b"x")
    for path in ("docs", ""):
        with pytest.raises(IsADirectoryError):
            read(root, path)
    with pytest.raises(REFUSALS):
        root.write(("docs",), b"x")


@pytest.mark.req("S-19")
def test_the_root_itself_is_neither_written_nor_moved_nor_removed(house: Path) -> None:
    root = Beneath(str(house))
    for change in (
        lambda: root.write((), b"x"),
        lambda: root.remove(()),
        lambda: root.move((), root, ("x",)),
        lambda: root.move(("docs",), root, ()),
    ):
        with pytest.raises(UnsafePath):
            change()


def test_a_root_that_is_a_link_or_was_made_anew_is_its_authors_choice(house: Path) -> None:
    link = house.parent / "link"
    link.symlink_to(house)
    root = Beneath(str(link))
    assert read(root, "docs/a.txt") == b"fine"
    house.rename(house.parent / "aside")
    house.mkdir()
    (house / "new.txt").write_text("new")
    assert read(root, "new.txt") == b"new"


@pytest.mark.req("S-19")
def test_a_root_below_another_is_not_led_elsewhere_by_what_is_moved_there(house: Path) -> None:
    (house.parent / "deep").mkdir()
    (house.parent / "deep" / "b.txt").write_text(SECRET)
    (house / "out").symlink_to("..")
    roots = Roots([Beneath(str(house)), Beneath(str(house / "docs" / "deep"))])
    outer = roots.items[0]
    outer.move(("docs",), outer, ("aside",))
    outer.move(("out",), outer, ("docs",))  # the path of the inner root leads out now
    place = roots.place(f"{house}/docs/deep/b.txt")
    assert (house / "docs" / "deep" / "b.txt").read_text() == SECRET
    assert read(place.root, "/".join(place.steps)) == b"fine"


def test_a_root_is_let_go_with_the_last_who_uses_it(house: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root = Beneath(str(house))
    with root.directory(("docs",)):
        assert len(os.listdir("/proc/self/fd")) == before + 2
        del root
        assert len(os.listdir("/proc/self/fd")) <= before + 2
    assert len(os.listdir("/proc/self/fd")) == before


def test_writing_keeps_the_mode_and_other_names_of_the_file(house: Path) -> None:
    root, file = Beneath(str(house)), house / "docs" / "a.txt"
    file.chmod(0o640)
    os.link(file, house / "other")
    assert root.write(("docs", "a.txt"), b"new") is False
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert (house / "other").read_text() == "fine"
    assert root.write(("fresh.txt",), b"") is True
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((house / "fresh.txt").stat().st_mode) == 0o666 & ~umask
    assert sorted(os.listdir(house)) == ["docs", "fresh.txt", "other"]


def test_a_write_that_fails_leaves_the_old_contents_and_nothing_else(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        Beneath(str(house)).write(("docs", "a.txt"), b"new")
    assert (house / "docs" / "a.txt").read_text() == "fine"
    assert sorted(os.listdir(house / "docs")) == ["a.txt", "deep"]


def test_a_write_of_what_somebody_else_changed_is_refused(house: Path) -> None:
    root, file = Beneath(str(house)), house / "docs" / "a.txt"
    seen = Stamp.of(root.stat(("docs", "a.txt")))
    file.write_text("changed")
    with pytest.raises(Changed):
        root.write(("docs", "a.txt"), b"lost", seen)
    assert file.read_text() == "changed"
    root.write(("docs", "a.txt"), b"mine", Stamp.of(root.stat(("docs", "a.txt"))))
    assert file.read_text() == "mine"
    file.unlink()
    with pytest.raises(Changed):
        root.write(("docs", "a.txt"), b"lost", seen)


def test_a_change_between_the_look_and_the_replacement_is_seen(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, file = Beneath(str(house)), house / "docs" / "a.txt"
    monkeypatch.setattr(os, "fsync", lambda held: file.write_text("theirs"))
    with pytest.raises(Changed):
        root.write(("docs", "a.txt"), b"mine", Stamp.of(root.stat(("docs", "a.txt"))))
    assert file.read_text() == "theirs"


def test_moving_never_replaces(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Beneath(str(house))
    root.write(("b.txt",), b"kept")
    for replaced in (False, True):
        if replaced:  # a system without renameat2
            monkeypatch.setattr(opening, "_libc", lambda: object())
        for target in (("b.txt",), ("docs",)):
            with pytest.raises(FileExistsError):
                root.move(("docs", "a.txt"), root, target)
        root.move(("docs", "a.txt"), root, ("c.txt",))
        root.move(("c.txt",), root, ("docs", "a.txt"))
    with pytest.raises(OSError, match="Invalid argument"):
        root.move(("docs",), root, ("docs", "deep", "docs"))
    assert (house / "b.txt").read_text() == "kept"
    assert (house / "docs" / "a.txt").read_text() == "fine"


def test_read_only_refuses_below_the_tools_too(house: Path) -> None:
    root = Beneath(str(house), read_only=True)
    other = Beneath(str(house))
    for change in (
        lambda: root.write(("x",), b""),
        lambda: root.make_directory(("x",)),
        lambda: root.remove(("docs", "a.txt")),
        lambda: root.move(("docs",), other, ("x",)),
        lambda: other.move(("docs",), root, ("x",)),
    ):
        with pytest.raises(OSError, match="Read-only"):
            change()
    assert sorted(os.listdir(house)) == ["docs"]


def test_directories_are_made_with_those_above_them(house: Path) -> None:
    root = Beneath(str(house))
    assert root.make_directory(("x", "y", "z")) is True
    assert root.make_directory(("x", "y", "z")) is False
    assert (house / "x" / "y" / "z").is_dir()
    with pytest.raises(UnsafePath):
        root.make_directory(("docs", "a.txt", "x"))


def test_a_file_that_may_not_be_written_is_not_replaced(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(directory: int, steps: Sequence[str], flags: int, mode: int = 0) -> int:
        if flags & os.O_WRONLY and not flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "denied")
        return opening.open_under(directory, steps, flags, mode)

    monkeypatch.setattr(beneath, "open_under", denied)
    with pytest.raises(PermissionError):
        Beneath(str(house)).write(("docs", "a.txt"), b"new")
    assert (house / "docs" / "a.txt").read_text() == "fine"


segments = st.text(max_size=4) | st.sampled_from(
    ["..", ".", "/", "docs", "a.txt", "out", "file", "up", "%2e%2e", "data-x", "\\", "~", "\x00", "deep"]
)


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(segments, max_size=6).map("/".join), st.booleans())
def test_no_path_ever_leads_out(house: Path, path: str, absolute: bool) -> None:
    for name, goal in (("out", ".."), ("file", "../a.txt"), ("docs/up", "../..")):
        if not (house / name).is_symlink():
            (house / name).symlink_to(goal)
    outside = everything_outside(house)
    roots = Roots([Beneath(str(house))])
    with contextlib.suppress(*REFUSALS):
        place = roots.place(f"{house}/{path}" if absolute else path)
        assert os.path.normpath(place.path).startswith(str(house))
        with contextlib.suppress(*REFUSALS):
            assert read(place.root, "/".join(place.steps)) == b"fine"
        with contextlib.suppress(*REFUSALS):
            place.root.write(place.steps, b"fine")
        with contextlib.suppress(*REFUSALS):
            place.root.make_directory((*place.steps, "made"))
        with contextlib.suppress(*REFUSALS):
            place.root.remove((*place.steps, "made"))
    assert everything_outside(house) == outside


@contextlib.contextmanager
def swapping(place: Path, goal: Path) -> Iterator[None]:
    """Swap a directory, or a file, for a link that leads elsewhere, and back, as fast as the system can."""
    lure = place.parent / "lure"
    lure.symlink_to(goal)
    stop = threading.Event()
    names = os.fsencode(place), os.fsencode(lure)
    exchange = ctypes.CDLL(None, use_errno=True).renameat2

    def swap() -> None:
        while not stop.is_set():
            assert exchange(-100, names[0], -100, names[1], 2) == 0  # AT_FDCWD, RENAME_EXCHANGE

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def attempts(action: Callable[[int], object]) -> dict[str, int]:
    """Try until both outcomes were seen often enough."""
    outcomes = {"done": 0, "refused": 0}
    for number in range(20_000):
        try:
            action(number)
            outcomes["done"] += 1
        except REFUSALS:
            outcomes["refused"] += 1
        if min(outcomes.values()) > 100:
            break
    assert min(outcomes.values()) > 0
    return outcomes


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("swapped", ["docs", "docs/a.txt"])
def test_reading_while_links_are_swapped_in_never_leads_out(house: Path, swapped: str) -> None:
    root = Beneath(str(house))
    assert read(root, "docs/a.txt") == b"fine"  # it holds its root from now on
    descriptors = len(os.listdir("/proc/self/fd"))

    def action(number: int) -> None:
        assert read(root, "docs/a.txt") == b"fine"

    with swapping(house / swapped, house.parent if swapped == "docs" else house.parent / "a.txt"):
        attempts(action)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.req("S-19")
@pytest.mark.timeout(60)
def test_changing_while_links_are_swapped_in_never_leads_out(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda file: None)
    before = everything_outside(house)
    root = Beneath(str(house))
    assert read(root, "docs/a.txt") == b"fine"  # it holds its root from now on
    descriptors = len(os.listdir("/proc/self/fd"))
    changes: list[Callable[[int], object]] = [
        lambda number: root.write(("docs", "a.txt"), b"fine"),
        lambda number: root.write(("docs", f"new{number}"), b"new"),
        lambda number: root.remove(("docs", f"new{number}")),
        lambda number: root.make_directory(("docs", f"dir{number}", "x")),
        lambda number: root.move(("docs", "deep"), root, ("docs", "deeper")),
        lambda number: root.move(("docs", "deeper"), root, ("docs", "deep")),
    ]

    def action(number: int) -> None:
        changes[number % len(changes)](number // len(changes))

    with swapping(house / "docs", house.parent):
        attempts(action)
    assert everything_outside(house) == before
    assert len(os.listdir("/proc/self/fd")) == descriptors
