"""What a server asks on the stateful era, and which of our calls it may be about: those under way when it came.

No question names its call, but when all of those calls have ended, the last one because its caller gave up, nobody
waits for the answer any more: the user is not asked further, and the server hears that.

How many questions reach the user's handlers at a time is bounded here, for all transports and both eras: what one link
is asked beyond that is refused, and a call that asks more in one round has failed.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from dovetail.errors import ProtocolViolation

T = TypeVar("T")

MOST_QUESTIONS: Final = 100
"""Questions that are answered at a time, of one link or in one round of a call."""
TOO_MANY: Final = "Too many requests at a time"
"""What the server is told of one that is refused."""

NOBODY_WAITS: Final = "Nobody waits for the answer any more"
"""What the server is told."""


class Questions:
    """The questions of one link that are being answered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._about: dict[bytes, tuple[asyncio.Task[None], set[bytes]]] = {}
        self._answering = 0  # not the same: an id may be used again while the answer to its first use is on its way

    def __repr__(self) -> str:
        return f"<Questions, {self._answering} being answered>"

    @property
    def full(self) -> bool:
        """Whether one more is too many."""
        return self._answering >= MOST_QUESTIONS

    def note(self, question: bytes, task: asyncio.Task[None], calls: Iterable[bytes]) -> None:
        """Note that a task answers a question, and which calls are under way; one without any stands for itself."""
        about = self._about[question] = (task, set(calls))
        self._answering += 1

        def done(_: object) -> None:
            self._answering -= 1
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


def bounded(questions: Mapping[str, T]) -> Mapping[str, T]:
    """Return the questions of one round, if they are not too many.

    Raises:
        ProtocolViolation: They are: none of them is answered.
    """
    if len(questions) > MOST_QUESTIONS:
        raise ProtocolViolation(
            f"The server asked {len(questions)} questions in one round, and at most {MOST_QUESTIONS} are answered"
        )
    return questions
