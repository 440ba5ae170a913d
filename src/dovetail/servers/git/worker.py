"""A worker process: `python -P -m dovetail.servers.git.worker`. Reads a `Setup`, then answers one `Asked` at a time.

What libgit2 does cannot be interrupted, and much of it holds Python's lock; what a repository holds is hostile. So each
call has an alarm that ends the process, whatever it is in; its memory is bounded; it opens nothing outside the
repository (`places` looks, the kernel holds it: `landlock`). It ends when its standard input does.
"""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import pygit2

from dovetail.servers.children import alarm, begin, orders, reply
from dovetail.servers.git.dates import BadDate
from dovetail.servers.git.landlock import restrict
from dovetail.servers.git.messages import Answer, Asked, Setup
from dovetail.servers.git.names import BadName
from dovetail.servers.git.objects import BadObject
from dovetail.servers.git.operations import OPERATIONS
from dovetail.servers.git.places import Outside, Places, check_links, locate
from dovetail.servers.git.repository import Late, Missing, Refused, Repository
from dovetail.servers.git.revisions import BadRevision
from dovetail.servers.git.text import cut, readable

_PATH: Final = re.compile(r"(?<![\w.])/[^\s'\"]+")
_AROUND: Final = 65_536
_DAMAGE: Final = (pygit2.GitError, OSError)
_NOT_READ: Final = {
    "unsupported mandatory extension: 'link'": (
        "its index is split, which is not read here. The user joins it: `git update-index --no-split-index`."
    ),
    "unsupported mandatory extension: 'sdir'": (
        "its index is sparse, which is not read here. The user makes it whole: `git config index.sparse false`, "
        "then `git sparse-checkout reapply`; or `git sparse-checkout disable`."
    ),
    "unknown object format": (
        "its objects have ids of another kind (SHA-256), which are not read here. Nothing is damaged: the user works "
        "on it with the git program, or on a copy with SHA-1 ids."
    ),
    "unsupported extension name": (
        "it uses an extension that is not read here (reftables, for one). Nothing is damaged: the user works on it "
        "with the git program."
    ),
}
"""What libgit2 does not read, by its word for it; a sound repository may have it."""
_DEEPEST: Final = 5
_MAPPED: Final = 536_870_912


class Worker:
    """One repository and what may be done with it; opened at the first call, as what is wrong with it is an answer."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._repository: Repository | None = None

    def answer(self, asked: Asked) -> Answer:
        """Carry out a call; whatever fails is an answer."""
        try:
            data = msgspec.msgpack.encode(self._run(asked))
            most = self.setup.max_file if asked.operation == "contents" else 4 * self.setup.max_output
            if len(data) > most + _AROUND:
                return Answer(
                    refused=f"The answer would have {len(data)} bytes: ask for fewer entries, lines or paths."
                )
            return Answer(result=msgspec.Raw(data))
        except Late:
            return Answer(late=True)
        except BadName as error:
            return Answer(refused=f"That path cannot be one: {error}.", invalid=True)
        except (BadRevision, BadDate) as error:
            return Answer(refused=str(error), invalid=True)
        except (Refused, BadObject, Outside) as error:
            return Answer(refused=str(error), missing=isinstance(error, Missing))
        except MemoryError:
            return Answer(refused="That needs more memory than a worker has; ask for less, or start with --memory.")
        except (pygit2.GitError, KeyError, ValueError, OSError, RecursionError) as error:
            said = _said(error)
            damage = isinstance(error, _DAMAGE) and not said.endswith(".")  # what is ours to say is no damage
            advice = ". If it stays so, `git fsck` tells the user what is damaged." if damage else ""
            return Answer(refused=f"Git says: {said}{advice}")

    def _run(self, asked: Asked) -> Any:
        operation = OPERATIONS.get(asked.operation)
        if operation is None or (operation.writes and not self.setup.writes):
            raise Refused("Nothing is written here: the server was started without --allow-commit.")
        arguments = msgspec.msgpack.decode(asked.arguments, type=operation.takes)
        if self._repository is None:
            self._repository = self._open()
        else:
            self._repository.again()
        self._repository.start(asked.seconds)
        return operation.run(self._repository, arguments)

    def _open(self) -> Repository:
        setup = self.setup
        places = locate(setup.repository, setup.also)
        check_links(places)
        _lock(places, writes=setup.writes)
        return Repository(places, setup.max_file, setup.max_output)


def _said(error: Exception) -> str:
    """Return what libgit2 says, without a path of this machine."""
    if "not owned by current user" in str(error):
        return (
            "it belongs to somebody else. If the user trusts it: `git config --global --add safe.directory FOLDER`, "
            "with its whole path."
        )
    for sign, meaning in _NOT_READ.items():
        if sign in str(error):
            return meaning
    said = error.args[0] if error.args and isinstance(error.args[0], str) else type(error).__name__
    return cut(_PATH.sub("(a path)", readable(said.encode("utf-8", "surrogateescape"))), 200)


def _lock(places: Places, *, writes: bool) -> None:
    """Let the kernel hold this process to the repository, the user's own configuration of Git, and Python."""
    home, config = Path(os.path.expanduser("~")), os.environ.get("XDG_CONFIG_HOME")
    own = Path(config) / "git" if config else home / ".config" / "git"
    configuration = [home / ".gitconfig", own / "config", Path("/etc/gitconfig")]
    named = [name for path in configuration for name in _named(path)]
    python = [path for path in (*sys.path, sys.prefix, sys.base_prefix) if path and os.path.isabs(path)]
    system = ["/dev/null", "/dev/urandom", "/etc/localtime", "/usr/share/zoneinfo"]
    read = (*places.roots, places.git, places.common, *configuration, own, *named, *python, *system)
    written = [places.git, places.common] if writes else []
    restrict(map(str, read), map(str, written))


def _named(path: Path, deep: int = 0) -> list[Path]:
    """Return the files that the user's own configuration of Git names: included ones, and what they name."""
    found: list[Path] = []
    if deep > _DEEPEST or not path.is_file():
        return found
    with contextlib.suppress(OSError, KeyError, ValueError, pygit2.GitError):
        for entry in pygit2.Config(str(path)):
            name, value = entry.name.lower(), entry.value or ""
            file = path.parent / os.path.expanduser(value)
            if name in ("core.excludesfile", "core.attributesfile"):
                found.append(file)
            elif name.startswith("include") and name.endswith(".path"):
                found += [file, *_named(file, deep + 1)]
    return found


def _bound(memory: int) -> None:
    """Bound what the process may hold, and what libgit2 maps of pack files."""
    pygit2.settings.mwindow_mapped_limit = _MAPPED
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (memory << 20, memory << 20))


def main() -> int:
    """Serve until the standard input ends."""
    first = begin()
    if first is None:
        return 0
    setup = msgspec.msgpack.decode(first, type=Setup)
    _bound(setup.memory)
    worker = Worker(setup)
    for message in orders():
        asked = msgspec.msgpack.decode(message, type=Asked)
        alarm(asked.seconds + asked.grace)
        answer = worker.answer(asked)
        alarm(0)
        reply(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
