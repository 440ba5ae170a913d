"""Who holds how many sessions here, and which of them nobody has used yet.

An `initialize` costs its sender one request and us a record. So a session counts for little until its client came
back to it: the oldest of those that were never used makes room for who comes (S-22). Decides; ends nothing itself.
"""


class Census:
    """The sessions that one worker knows of, by the bucket of who holds them."""

    __slots__ = ("_holders", "_unused")

    def __init__(self) -> None:
        """Start with none."""
        self._holders: dict[str, dict[str, None]] = {}
        self._unused: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Census {len(self._holders)} holders, {len(self._unused)} unused>"

    def add(self, session: str, bucket: str, *, used: bool) -> None:
        """Note a session of a holder."""
        self._holders.setdefault(bucket, {})[session] = None
        if not used:
            self._unused[session] = bucket

    def remove(self, session: str, bucket: str) -> None:
        """Forget a session; unknown ones are ignored."""
        self._unused.pop(session, None)
        held = self._holders.get(bucket)
        if held is not None:
            held.pop(session, None)
            if not held:
                del self._holders[bucket]

    def use(self, session: str) -> None:
        """Note that a client came back to its session."""
        self._unused.pop(session, None)

    def is_unused(self, session: str) -> bool:
        """Tell whether nobody came back to a session yet."""
        return session in self._unused

    def held(self, bucket: str) -> int:
        """Return how many sessions a holder has."""
        return len(self._holders.get(bucket, ()))

    def sessions_of(self, bucket: str) -> list[str]:
        """Return the sessions of a holder, the oldest first."""
        return list(self._holders.get(bucket, ()))

    def oldest_unused(self, bucket: str | None = None) -> str | None:
        """Return the session that was left unused for longest, of one holder or of all; None when there is none."""
        if bucket is None:
            return next(iter(self._unused), None)
        return next((session for session in self._holders.get(bucket, ()) if session in self._unused), None)
