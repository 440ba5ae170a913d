"""What `dovetail doctor` finds: one thing each, whether it is well, and what to do when it is not."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "note", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """One thing.

    Attributes:
        check: What was looked at.
        verdict: `ok`; `note`: it works, and could be better; `wrong`.
        said: What was found, in one line.
        advice: What to do; empty when nothing is to be done.
    """

    check: str
    verdict: Verdict
    said: str
    advice: str = ""


def ok(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", said)


def note(check: str, said: str, advice: str) -> Finding:
    """It works, and could be better."""
    return Finding(check, "note", said, advice)


def wrong(check: str, said: str, advice: str) -> Finding:
    """It is wrong."""
    return Finding(check, "wrong", said, advice)
