"""Fuzz target: any Host and Origin get a verdict; what passes is a loopback name."""

from dovetail.core.guard import Guard

_GUARD = Guard()


def fuzz(data: bytes) -> None:
    host, separator, origin = data.partition(b"|")
    rejected = _GUARD.check(host, origin if separator else None)
    if rejected is not None:
        assert rejected.status in {400, 403, 421}
        assert rejected.error.message.isascii()
        assert len(rejected.error.message) < 400
        return
    assert host.lower().startswith((b"localhost", b"127.0.0.1", b"["))
    assert host.isascii()
    assert not set(host) & set(b"@/\\%\r\n \x00")
