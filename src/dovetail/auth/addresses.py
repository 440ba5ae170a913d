"""Which network addresses a login's fetches may connect to (A-29): a table, and a pure decision over it.

A server names the URLs of its own login, so that without this it could make a client talk to anything that the client's
machine can reach. `ipaddress.is_global` is no such check: it lets NAT64, 6to4, translated and multicast addresses
through. The decision is made over every address that a name resolves to, and the connection goes to one of those.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

_LOOPBACK: Final = tuple(map(ip_network, ("127.0.0.0/8", "::1/128")))

# What no authorization server on the Internet has (IANA special-purpose registries, RFC 6890 and later).
_REFUSED: Final[tuple[tuple[str, tuple[Network, ...]], ...]] = tuple(
    (reason, tuple(map(ip_network, ranges.split())))
    for reason, ranges in (
        ("loopback", "127.0.0.0/8 ::1/128"),
        ("unspecified", "0.0.0.0/8 ::/128"),
        ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"),
        ("shared by carriers", "100.64.0.0/10"),
        ("link-local", "169.254.0.0/16 fe80::/10"),
        ("reserved for protocols", "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24"),
        ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        ("benchmarking", "198.18.0.0/15 2001:2::/48"),
        ("multicast", "224.0.0.0/4 ff00::/8"),
        ("reserved", "240.0.0.0/4"),
        ("unique local", "fc00::/7"),
        ("site-local", "fec0::/10"),
        ("NAT64", "64:ff9b::/96 64:ff9b:1::/48"),
        ("IPv4 in IPv6", "::ffff:0:0/96 ::ffff:0:0:0/96 ::/96"),
        ("6to4", "2002::/16"),
        ("Teredo", "2001::/32"),
        ("reserved for protocols", "2001::/23 2001:10::/28 2001:20::/28 2620:4f:8000::/48 5f00::/16"),
        ("discard-only", "100::/64 100:0:0:1::/64"),
    )
)
_GLOBAL: Final = ip_network("2000::/3")
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)


def refusal(address: str, *, loopback: bool = False, networks: Iterable[Network] = ()) -> str | None:
    """Say why an address may not be connected to; None when it may.

    Args:
        address: As a resolver returns it: four numbers, or IPv6. Nothing else is understood, so that `0x7f000001`,
            `127.1` and the like are refused.
        loopback: This machine may be connected to.
        networks: Networks that are allowed although the table refuses them.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        return "link-local"
    if any(_within(found, network) for network in (*networks, *(_LOOPBACK if loopback else ()))):
        return None
    for reason, ranges in _REFUSED:
        if any(_within(found, network) for network in ranges):
            return reason
    if isinstance(found, IPv6Address):
        if (int(found) >> 32) & 0xFFFF_FFFF in _ISATAP:
            return "ISATAP"
        if found not in _GLOBAL:
            return "not allocated"
    return None


def refusals(addresses: Sequence[str], *, loopback: bool = False, networks: Iterable[Network] = ()) -> str | None:
    """Say why a name may not be connected to: one refused address among those it resolves to is enough.

    Returns:
        The reason for the first that is refused; `no address` when there is none; None when all may be connected to.
    """
    allowed = tuple(networks)
    for address in addresses:
        reason = refusal(address, loopback=loopback, networks=allowed)
        if reason is not None:
            return reason
    return None if addresses else "no address"


def _within(address: IPv4Address | IPv6Address, network: Network) -> bool:
    return address.version == network.version and address in network
