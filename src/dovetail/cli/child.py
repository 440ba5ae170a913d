"""One server process of `dovetail dev`: `python -m dovetail.cli.child JSON`. Started by `reloading.Reloader` alone.

It ends when its parent is gone, however that went: the parent's end of a pipe closes with it. So nobody finds a port
taken by a server that was left behind.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import Any, Final

import msgspec

from dovetail.cli.loading import NotLoaded, fail, load, stopped
from dovetail.cli.run import serve
from dovetail.core import LISTS
from dovetail.errors import DovetailError
from dovetail.net import say

NOT_LOADED: Final = 3
"""Exit status: the file gives no server; it has to change first."""
CANNOT_SERVE: Final = 4
"""Exit status: the options do not work, or the port is taken; the file is fine."""


class Orders(msgspec.Struct, frozen=True):
    """What the process is told.

    Attributes:
        source: `FILE[:object]`.
        options: Those of `dovetail run`, by their keys.
        life: A descriptor that reads as ended when the parent is gone.
    """

    source: str
    options: dict[str, Any]
    life: int


def main(orders: Orders) -> int:
    """Serve until told to stop; return the exit status."""
    threading.Thread(target=_outlive_nobody, args=(orders.life,), daemon=True).start()
    try:
        app = load(orders.source, orders.options.get("transport", "stdio"))
        app.catalogue.declare(LISTS)  # the next version of the file may have them: who is connected will hear of it
        serve(app, orders.source, orders.options)
    except NotLoaded as error:
        say(error.report("dev"))
        return NOT_LOADED
    except DovetailError as error:
        return fail("dev", str(error), CANNOT_SERVE)
    except Exception as error:
        return stopped("dev", orders.source, error)
    return 0


def _outlive_nobody(life: int) -> None:
    os.set_inheritable(life, False)
    with contextlib.suppress(OSError):
        os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(msgspec.json.decode(sys.argv[1], type=Orders)))
