"""What a server asks on the stateful era, and which of our calls it may be about: those under way when it came.

No question names its call, but when all of those calls have ended, the last one because its caller gave up, nobody
waits for the answer any more: the user is not asked further, and the server hears that.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

NOBODY_WAITS: Final = "Nobody waits for the answer any more"
"""What the server is told."""


class Questions:
    """The questions of one link that are being answered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._about: dict[bytes, tuple[asyncio.Task[None], set[bytes]]] = {}

    def __repr__(self) -> str:
        return f"<Questions, {len(self._about)} being answered>"

    def note(self, question: bytes, task: asyncio.Task[None], calls: Iterable[bytes]) -> None:
        """Note that a task answers a question, and which calls are under way; one without any stands for itself."""
        about = self._about[question] = (task, set(calls))

        def done(_: object) -> None:
            if self._about.get(question) is about:
                del self._about[question]

        task.add_done_callback(done)

    def ended(self, call: bytes) -> None:
        """Note that a call has ended."""
        for _, calls in self._about.values():
            calls.discard(call)

    def given_up(self, call: bytes) -> list[bytes]:
        """Note that a call's caller gave up; cancel, and return, the questions that nobody waits for any more."""
        over = []
        for question, (task, calls) in list(self._about.items()):
            if call in calls:
                calls.discard(call)
                if not calls:
                    task.cancel()
                    over.append(question)
        return over
