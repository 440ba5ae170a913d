"""Listening sockets: where a server can be reached, and who may reach it.

The rule (S-04): what is bound beyond loopback serves only authenticated callers, unless its owner says otherwise in so
many words. It is judged by the addresses that are really bound, never by how the host was spelled.
"""

import errno
import logging
import os
import socket
import stat
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from dovetail.errors import DefinitionError

log = logging.getLogger("dovetail.net")

BACKLOG: Final = 2048
IDLE_SECONDS: Final = 15.0
"""How long a connection is quiet before the system asks whether its client still lives."""
SETTING: Final = "allow_unauthenticated_network"


def bind(host: str, port: int, uds: str | None) -> list[socket.socket]:
    """Return bound sockets that do not listen yet: one an address of `host`, or a Unix socket for its owner alone.

    Args:
        host: An address or a name; empty for every address.
        port: 0 picks one, the same for every address.
        uds: The path of a Unix socket; then `host` and `port` do not matter.

    Raises:
        DefinitionError: The name has no address, or the place is taken or not allowed.
    """
    if uds is not None:
        return [_bind_unix(uds)]
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise DefinitionError(f"host={host!r} has no address: {error.strerror}") from None
    except (UnicodeError, OverflowError):
        raise DefinitionError(f"host={host!r}, port={port}: expected a name or an address, and 0 to 65535") from None
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            sockets += _bind_one(family, address[0], sockets[0].getsockname()[1] if sockets else port, bool(sockets))
    except OSError as error:
        close(sockets)
        raise DefinitionError(f"Cannot listen on {host or '*'}:{port}: {os.strerror(error.errno or 0)}") from None
    return sockets


def _bind_one(family: int, address: str | int, port: int, spare: bool) -> list[socket.socket]:
    """Bind one address; a name's further addresses are taken where the machine has them."""
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if spare and error.errno == errno.EAFNOSUPPORT:
            return []
        raise
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        if spare and error.errno == errno.EADDRNOTAVAIL:
            return []
        raise
    bound.setblocking(False)
    return [bound]


def _bind_unix(path: str) -> socket.socket:
    _clear_stale(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
        # Nobody can connect before it listens, so there is no moment in which another user gets in.
        os.chmod(path, 0o600)
    except OSError as error:
        bound.close()
        raise DefinitionError(f"Cannot listen on {path}: {os.strerror(error.errno or 0)}") from None
    bound.setblocking(False)
    return bound


def _clear_stale(path: str) -> None:
    """Remove a Unix socket that nobody listens on any more; anything else at its place stays."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise DefinitionError(f"{path} exists and is not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise DefinitionError(f"Another server listens on {path}")


def release(sockets: Iterable[socket.socket], uds: str | None) -> None:
    """Close sockets and remove the Unix socket's file."""
    close(sockets)
    if uds is not None and os.path.exists(uds):
        os.unlink(uds)


def close(sockets: Iterable[socket.socket]) -> None:
    """Close sockets."""
    for bound in sockets:
        bound.close()


def check_reach(sockets: Iterable[socket.socket], *, authenticated: bool, allowed: bool) -> None:
    """Refuse a socket that strangers can reach, unless callers are authenticated or the owner allows it (S-04).

    Raises:
        DefinitionError: It names the address and the setting.
    """
    for bound in sockets:
        if bound.family not in (socket.AF_INET, socket.AF_INET6):
            continue
        address = ip_address(bound.getsockname()[0].partition("%")[0])
        if address.is_loopback or authenticated:
            continue
        if not allowed:
            raise DefinitionError(
                f"Binding {address} would let anybody on the network use this server without authentication:"
                f" bind 127.0.0.1, authenticate callers, or set {SETTING}=True (--{SETTING.replace('_', '-')})"
            )
        log.warning("Anybody who reaches %s can use this server without authentication (%s=True)", address, SETTING)


def notice_silence(sockets: Iterable[socket.socket], seconds: float) -> None:
    """Let the system end connections whose client is gone without a word, after so many seconds.

    What is sent into a dead network stays in the system's buffers, so no deadline of ours would see it for a quarter of
    an hour. Idle connections are probed as well. Accepted sockets inherit this (tcp(7)), where the system has it.
    """
    user_timeout: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)
    if user_timeout is None:
        return
    idle = max(1, round(min(seconds / 2, IDLE_SECONDS)))
    for bound in sockets:
        if bound.family in (socket.AF_INET, socket.AF_INET6):
            bound.setsockopt(socket.IPPROTO_TCP, user_timeout, max(1, round(seconds * 1000)))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle // 3))


def url_of(bound: socket.socket, path: str = "") -> str:
    """Return the URL at which a socket is reached."""
    if bound.family not in (socket.AF_INET, socket.AF_INET6):
        return f"unix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
