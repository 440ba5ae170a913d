"""No fetch of a login reaches what only this machine, or its network, can reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.auth import refusal, refusals

REFUSED = """
127.0.0.1 127.255.255.254 127.0.0.53 ::1 0.0.0.0 0.1.2.3 :: 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255
192.168.0.1 192.168.255.255 100.64.0.1 100.127.255.255 169.254.169.254 169.254.0.1 fe80::1 fe80::1%eth0 febf::1
192.0.0.1 192.0.0.170 192.0.2.1 198.51.100.7 203.0.113.9 192.88.99.1 192.31.196.1 192.52.193.1 192.175.48.1
198.18.0.1 198.19.255.255 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ff02::1 ff0e::1 fc00::1 fd12:3456::1
fec0::1 feff::1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8
::ffff:0:7f00:1 ::7f00:1 ::8.8.8.8 2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 2001::1 2001:0:4136:e378::1
2001:db8::1 2001:db8:ffff::1 3fff::1 2001:2::1 2001:10::1 2001:20::1 2001:1ff::1 100::1 100:0:0:1::1 5f00::1
2620:4f:8000::1 2a00:1450::5efe:7f00:1 2a00:1450::200:5efe:a00:1 4000::1 e000::1 8000::1
0x7f000001 0x7f.1 2130706433 0177.0.0.1 127.1 127.0.1 017700000001 1.2.3 1.2.3.4.5 localhost 999.1.1.1 127.0.0.1:80
[::1] 127.0.0.1/8 ::ffff:127.0.0.1%1
""".split()
ALLOWED = """
1.1.1.1 8.8.8.8 9.9.9.9 11.0.0.1 93.184.216.34 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255
172.15.255.255 172.32.0.1 192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.255 2606:4700::1111
2001:4860:4860::8888 2a00:1450:4001:80b::200e 2400:cb00::1 2003::1
""".split()


@pytest.mark.req("A-29")
@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_no_login_has_business_with_is_refused(address: str) -> None:
    assert refusal(address) is not None


@pytest.mark.req("A-29")
@pytest.mark.parametrize("address", ALLOWED)
def test_an_address_of_the_internet_is_allowed(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.req("A-29")
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("bad", ["10.0.0.1", "::1", "169.254.169.254"])
def test_one_refused_address_among_those_of_a_name_is_enough(bad: str, at: int) -> None:
    addresses = ["8.8.8.8", "1.1.1.1"]
    addresses.insert(at, bad)
    assert refusals(addresses) is not None
    assert refusals(["8.8.8.8", "1.1.1.1"]) is None


@pytest.mark.req("A-29")
def test_a_name_without_addresses_is_refused() -> None:
    assert refusals([]) == "no address"


@pytest.mark.req("A-29")
def test_this_machine_is_allowed_only_when_it_is_said() -> None:
    for address in ("127.0.0.1", "127.9.9.9", "::1"):
        assert refusal(address) is not None
        assert refusal(address, loopback=True) is None
    for address in ("10.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "64:ff9b::7f00:1", "127.1"):
        assert refusal(address, loopback=True) is not None


@pytest.mark.req("A-29")
def test_a_network_can_be_allowed_and_allows_nothing_else() -> None:
    from ipaddress import ip_network

    intranet = [ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")]
    assert refusal("10.1.2.3", networks=intranet) is None
    assert refusal("fd00:1::5", networks=intranet) is None
    assert refusal("10.2.0.1", networks=intranet) is not None
    assert refusal("fd00:2::5", networks=intranet) is not None


@given(st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str) | st.text(max_size=40))
def test_every_text_is_decided_on(address: str) -> None:
    reason = refusal(address)
    assert reason is None or reason
