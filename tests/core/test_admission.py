"""The admission of stateless requests: what is missing, what disagrees, and what is remembered of nobody."""

import msgspec
import pytest

from dovetail.core.admission import Admission, check_method_header, check_name_header, check_version_header
from dovetail.errors import HeaderMismatch, InvalidParams, UnsupportedRevision
from dovetail.revisions import NEWEST, NEWEST_STATEFUL
from dovetail.wire import RequestMeta, encode_value

PREFIX = "io.modelcontextprotocol/"


def raw_meta(text: bytes) -> RequestMeta:
    return msgspec.json.decode(text.replace(b"$", PREFIX.encode()), type=RequestMeta)


def good(capabilities: bytes = b"{}", info: bytes = b"") -> RequestMeta:
    version = NEWEST.version.encode()
    return raw_meta(b'{"$protocolVersion":"%b","$clientCapabilities":%b%b}' % (version, capabilities, info))


@pytest.mark.req("S-08")
def test_a_request_says_who_asks() -> None:
    peer = Admission().peer(good(b'{"sampling":{}}', b',"$clientInfo":{"name":"n","version":"1"}'))
    assert peer.revision is NEWEST
    assert peer.capabilities.sampling is not None
    assert peer.capabilities.elicitation is None
    assert peer.info is not None
    assert peer.info.name == "n"


@pytest.mark.req("S-08")
def test_the_client_may_keep_its_name_to_itself() -> None:
    assert Admission().peer(good()).info is None


@pytest.mark.req("S-08")
@pytest.mark.parametrize(
    ("given", "field"),
    [
        (None, "protocolVersion"),
        (raw_meta(b"{}"), "protocolVersion"),
        (raw_meta(b'{"$clientCapabilities":{}}'), "protocolVersion"),
        (raw_meta(b'{"$protocolVersion":"%b"}' % NEWEST.version.encode()), "clientCapabilities"),
        (good(b"null"), "clientCapabilities"),
        (good(b"[]"), "clientCapabilities"),
        (good(b'{"sampling":7}'), "clientCapabilities"),
        (good(b"{}", b',"$clientInfo":{"name":"n"}'), "clientInfo"),
    ],
)
def test_a_required_field_that_is_missing_or_malformed_is_named(given: RequestMeta | None, field: str) -> None:
    with pytest.raises(InvalidParams, match=field) as caught:
        Admission().peer(given)
    assert type(caught.value) is InvalidParams


@pytest.mark.req("S-08")
@pytest.mark.parametrize("version", ["2099-01-01", "", NEWEST_STATEFUL.version])
def test_a_version_that_is_not_spoken_here_is_answered_with_those_that_are(version: str) -> None:
    for capabilities in (b',"$clientCapabilities":{}', b""):
        with pytest.raises(UnsupportedRevision) as caught:
            Admission().peer(raw_meta(b'{"$protocolVersion":"%b"%b}' % (version.encode(), capabilities)))
        assert caught.value.code == -32022
        assert caught.value.data["requested"] == version
        assert NEWEST.version in caught.value.data["supported"]
        assert version not in caught.value.data["supported"]


@pytest.mark.req("S-08", "S-17")
def test_what_one_request_declared_another_has_not() -> None:
    admission = Admission()
    assert admission.peer(good(b'{"sampling":{}}')).capabilities.sampling is not None
    assert admission.peer(good()).capabilities.sampling is None
    with pytest.raises(InvalidParams):
        admission.peer(raw_meta(b'{"$protocolVersion":"%b"}' % NEWEST.version.encode()))


def test_descriptions_that_never_repeat_do_not_pile_up() -> None:
    admission = Admission()
    for number in range(2_000):
        admission.peer(good(b"{}", b',"$clientInfo":{"name":"n%d","version":"1"}' % number))
    assert int(repr(admission).split()[1]) <= 512


VERSION = NEWEST.version


@pytest.mark.req("S-06")
def test_headers_that_say_what_the_body_says_pass() -> None:
    check_version_header({b"mcp-protocol-version": VERSION.encode()}, VERSION)
    check_method_header({b"mcp-method": b"tools/call"}, "tools/call")
    check_method_header({b"mcp-method": b" \ttools/call "}, "tools/call")
    check_name_header({b"mcp-name": b"add"}, "add")
    check_name_header({b"mcp-name": b" add\t"}, "add")
    for name in ("grüße", "=?base64?YQ==?=", " padded ", "a\nb"):
        check_name_header({b"mcp-name": encode_value(name).encode()}, name)


@pytest.mark.req("S-06")
def test_a_required_header_that_is_missing_is_refused() -> None:
    with pytest.raises(HeaderMismatch, match="MCP-Protocol-Version"):
        check_version_header({}, VERSION)
    with pytest.raises(HeaderMismatch, match="Mcp-Method"):
        check_method_header({}, "tools/call")
    with pytest.raises(HeaderMismatch, match="Mcp-Name"):
        check_name_header({}, "add")


@pytest.mark.req("S-06")
@pytest.mark.parametrize("method", [b"tools/list", b"Tools/Call", b"tools/call,tools/call", b"", b"tools/call\x00"])
def test_a_method_header_that_says_something_else_is_refused(method: bytes) -> None:
    with pytest.raises(HeaderMismatch):
        check_method_header({b"mcp-method": method}, "tools/call")


@pytest.mark.req("S-06")
def test_a_version_header_that_says_something_else_is_refused() -> None:
    with pytest.raises(HeaderMismatch):
        check_version_header({b"mcp-protocol-version": NEWEST_STATEFUL.version.encode()}, VERSION)


@pytest.mark.req("S-06")
@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"sub", "add"),
        (b"Add", "add"),
        (b"", "add"),
        (b"=?base64?YWRk?=", "=?base64?YWRk?="),  # decodes to `add`, so it does not name what it spells
        (b"=?base64?YWRk?=", "sub"),
        (b"=?base64?YWR?=", "add"),
        (b"=?base64?!!!?=", "add"),
        (b"=?BASE64?YWRk?=", "add"),
    ],
)
def test_a_name_header_that_says_something_else_is_refused(header: bytes, name: str) -> None:
    with pytest.raises(HeaderMismatch):
        check_name_header({b"mcp-name": header}, name)
