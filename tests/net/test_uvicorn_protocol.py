"""Every raw-socket row against a real server: what is refused, at which byte, and when a silent client is let go."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dovetail.net.http_connection import AHEAD_LIMIT
from dovetail.net.uvicorn_protocol import HttpSite
from dovetail.wire import Limits
from tests.net.http_server import GET, HOST, App, Running, read_all, read_head, read_response, running, status_of

SMALL = Limits(header_seconds=2.0, header_block=1000, header_count=20, header_value=200, body=100_000)
QUICK = Limits(header_seconds=0.4, body_seconds=1.2, body_rate=10, write_seconds=0.4)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(SMALL, request.param) as found:
        yield found


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def quick(request: pytest.FixtureRequest) -> Iterator[Running]:
    with running(QUICK, request.param) as found:
        yield found


def refusal(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Check that an answer is one whole refusal; return its status and error."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head and b"date: " in head
    assert f"content-length: {len(body)}".encode() in head
    message = json.loads(body)
    assert message["jsonrpc"] == "2.0" and "id" not in message
    return status_of(answer), message["error"]


def test_a_request_is_served_and_the_connection_stays_open(server: Running) -> None:
    with server.connect() as client:
        for number in range(3):
            body = b"%d" % number
            client.sendall(b"POST /echo?q=%d HTTP/1.1\r\n%bContent-Length: 1\r\n\r\n%b" % (number, HOST, body))
            status, fields, answer = read_response(client)
            shown = json.loads(answer)
            assert (status, shown["body"], shown["query"]) == (200, body.decode(), f"q={number}")
            assert fields["content-type"] == "application/json" and "date" in fields and "server" not in fields


def test_a_request_may_come_byte_by_byte(server: Running) -> None:
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc":
            client.sendall(bytes([byte]))
        assert json.loads(read_response(client)[2])["body"] == "abc"


def test_white_space_around_a_value_is_trimmed(server: Running) -> None:
    request = b"GET /echo HTTP/1.1\r\nHost: \t localhost \t\r\nX-A:b\r\nX-Empty:\r\n\r\n"
    headers = json.loads(server.ask_once(request)[2])["headers"]
    assert headers == [["host", "localhost"], ["x-a", "b"], ["x-empty", ""]]


LINE = b"GET /echo HTTP/1.1\r\n"
MALFORMED = {
    "no host": LINE + b"\r\n",
    "no host, other fields": LINE + b"Accept: */*\r\n\r\n",
    "two hosts": LINE + HOST + b"Host: other\r\n\r\n",
    "two equal hosts": LINE + HOST + HOST + b"\r\n",
    "empty host": LINE + b"Host:\r\n\r\n",
    "host list": LINE + b"Host: a, b\r\n\r\n",
    "host with user": LINE + b"Host: localhost:1@evil\r\n\r\n",
    "host with path": LINE + b"Host: localhost/x\r\n\r\n",
    "host with letters for a port": LINE + b"Host: 127.0.0.1:80evil\r\n\r\n",
    "host with a zone": LINE + b"Host: [fe80::1%25eth0]\r\n\r\n",
    "host with a space": LINE + b"Host: local host\r\n\r\n",
    "host beyond ascii": LINE + b"Host: l\xc3\xb6calhost\r\n\r\n",
    "absolute form": b"GET http://localhost/echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "relative target": b"GET echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /echo#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "target beyond ascii": b"GET /\xc3\xa9cho HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces in the request line": b"GET  /echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "tab in the request line": b"GET\t/echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "space after the version": b"GET /echo HTTP/1.1 \r\n" + HOST + b"\r\n",
    "space before the method": b" GET /echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower-case method": b"get /echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "HTTP/0.9": b"GET /echo\r\n\r\n",
    "HTTP/2.0": b"GET /echo HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": b"GET /echo HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/1.10": b"GET /echo HTTP/1.10\r\n" + HOST + b"\r\n",
    "lower-case version": b"GET /echo http/1.1\r\n" + HOST + b"\r\n",
    "space before the colon": LINE + HOST + b"X-A : b\r\n\r\n",
    "tab before the colon": LINE + HOST + b"X-A\t: b\r\n\r\n",
    "space before the host's colon": LINE + b"Host : localhost\r\n\r\n",
    "white space before a name": LINE + HOST + b" X-A: b\r\n\r\n",
    "white space before the first name": LINE + b" Host: localhost\r\n\r\n",
    "folded line": LINE + HOST + b"X-A: b\r\n c\r\n\r\n",
    "line folded with a tab": LINE + HOST + b"X-A: b\r\n\tc\r\n\r\n",
    "no colon": LINE + HOST + b"X-A\r\n\r\n",
    "no name": LINE + HOST + b": b\r\n\r\n",
    "name with a parenthesis": LINE + HOST + b"X(A): b\r\n\r\n",
    "name beyond ascii": LINE + HOST + b"X-\xc3\xa4: b\r\n\r\n",
    "NUL in a name": LINE + HOST + b"X\x00A: b\r\n\r\n",
    "NUL in a value": LINE + HOST + b"X-A: b\x00c\r\n\r\n",
    "bare CR in a value": LINE + HOST + b"X-A: b\rc\r\n\r\n",
    "bare LF in a value": LINE + HOST + b"X-A: b\nX-B: c\r\n\r\n",
    "bare LF everywhere": b"GET /echo HTTP/1.1\nHost: localhost\n\n",
    "bare LF after the request line": b"GET /echo HTTP/1.1\nHost: localhost\r\n\r\n",
    "bare CR everywhere": b"GET /echo HTTP/1.1\rHost: localhost\r\r\n\r\n",
    "vertical tab in a value": LINE + HOST + b"X-A: b\x0bc\r\n\r\n",
    "vertical tab around a value": LINE + HOST + b"X-A: \x0bb\r\n\r\n",
    "form feed in a value": LINE + HOST + b"X-A: b\x0c\r\n\r\n",
    "DEL in a value": LINE + HOST + b"X-A: b\x7f\r\n\r\n",
    "length and coding": LINE + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": LINE + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": LINE + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "two equal lengths": LINE + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "list of lengths": LINE + HOST + b"Content-Length: 1, 1\r\n\r\na",
    "signed length": LINE + HOST + b"Content-Length: +1\r\n\r\na",
    "negative length": LINE + HOST + b"Content-Length: -1\r\n\r\na",
    "hexadecimal length": LINE + HOST + b"Content-Length: 0x1\r\n\r\na",
    "underscored length": LINE + HOST + b"Content-Length: 1_0\r\n\r\na",
    "empty length": LINE + HOST + b"Content-Length:\r\n\r\n",
    "length beyond counting": LINE + HOST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two codings": LINE + HOST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding list": LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding twice": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity": LINE + HOST + b"Transfer-Encoding: identity\r\n\r\n",
    "unknown coding": LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "coding with a vertical tab": LINE + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding with a parameter": LINE + HOST + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    "coding over HTTP/1.0": b"POST /echo HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
}
SINGLE = (
    "Content-Type Authorization Origin MCP-Protocol-Version Mcp-Session-Id Mcp-Method Mcp-Name Mcp-Param-City "
    "Last-Event-ID User-Agent Referer Expect DPoP Content-Encoding"
).split()


@pytest.mark.req("S-07", "S-02", "W-12")
@pytest.mark.parametrize("name", MALFORMED)
def test_what_two_parsers_could_read_differently_is_refused(server: Running, name: str) -> None:
    before = len(server.app.seen)
    status, error = refusal(server.ask(MALFORMED[name]))
    assert (status, error["code"]) == (400, -32600)
    assert len(server.app.seen) == before


@pytest.mark.req("S-07")
@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_a_field_with_one_value_may_stand_once(server: Running, name: str, spelled: Any) -> None:
    value = "100-continue" if name == "Expect" else "a"
    lines = f"{name}: {value}\r\n{spelled(name)}: {value}\r\n".encode()
    assert refusal(server.ask(LINE + HOST + lines + b"\r\n"))[0] == (403 if name == "Origin" else 400)


@pytest.mark.parametrize("name", ["Accept", "Via", "Cookie", "X-Forwarded-For", "Baggage", "Tracestate", "X-Mine"])
def test_a_list_may_be_spread_over_lines(server: Running, name: str) -> None:
    lines = f"{name}: a\r\n{name}: b\r\n".encode()
    shown = json.loads(server.ask_once(LINE + HOST + lines + b"\r\n")[2])
    assert shown["headers"][1:] == [[name.lower(), "a"], [name.lower(), "b"]]


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:80", b"127.0.0.1:8000", b"[::1]", b"[::1]:8000", b"a-b.example.", b"a_b"]
)
def test_a_well_formed_host_is_left_to_the_guard(server: Running, host: bytes) -> None:
    assert server.ask_once(LINE + b"Host: " + host + b"\r\n\r\n")[0] == 200


@pytest.mark.req("S-02", "W-12")
@pytest.mark.parametrize(("line", "said"), [(b"Host: a b\r\n", "'a b' is malformed"), (b"", "is missing")])
def test_a_host_that_is_refused_is_named(server: Running, line: bytes, said: str) -> None:
    message = refusal(server.ask(LINE + line + b"\r\n"))[1]["message"]
    assert message.startswith("Host") and said in message


# Limits: the last value that passes, and the first that does not.


def fields(size: int) -> bytes:
    """Header fields of exactly `size` bytes with their line endings, none of them long."""
    lines = [HOST]
    while size - sum(map(len, lines)) >= 200:
        lines.append(b"X-%03d: %b\r\n" % (len(lines), b"v" * 91))
    rest = size - sum(map(len, lines)) - len(b"X-R: \r\n")
    return b"".join(lines) + b"X-R: " + b"v" * rest + b"\r\n"


@pytest.mark.req("S-07")
def test_the_header_block_has_a_limit(server: Running) -> None:
    limit = SMALL.header_block
    assert len(fields(limit)) == limit
    assert server.ask_once(LINE + fields(limit) + b"\r\n")[0] == 200
    assert refusal(server.ask(LINE + fields(limit + 1) + b"\r\n"))[0] == 431


@pytest.mark.req("S-07")
def test_header_fields_are_counted(server: Running) -> None:
    def request(count: int) -> bytes:
        return LINE + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(count - 1)) + b"\r\n"

    assert server.ask_once(request(SMALL.header_count))[0] == 200
    assert refusal(server.ask(request(SMALL.header_count + 1)))[0] == 431


@pytest.mark.req("S-07")
def test_one_header_value_has_a_limit(server: Running) -> None:
    def request(size: int) -> bytes:
        return LINE + HOST + b"X-A:  " + b"a" * size + b" \r\n" + b"X-B: " + b"b" * 100 + b"\r\n\r\n"

    assert server.ask_once(request(SMALL.header_value))[0] == 200
    assert refusal(server.ask(request(SMALL.header_value + 1)))[0] == 431


@pytest.mark.req("S-07")
def test_the_request_line_has_a_limit(server: Running) -> None:
    def request(size: int) -> bytes:
        return b"GET /" + b"a" * (size - 14) + b" HTTP/1.1\r\n" + HOST + b"\r\n"

    assert server.ask_once(request(8192))[0] == 200
    assert refusal(server.ask(request(8193)))[0] == 414


@pytest.mark.req("S-07", "R-23")
@pytest.mark.parametrize(
    ("start", "status"), [(b"GET /", 414), (LINE + b"X-A: ", 431), (LINE + HOST + b"A: b\r\n" * 20 + b"C", 431)]
)
def test_a_head_without_end_is_refused_while_it_is_read(server: Running, start: bytes, status: int) -> None:
    with server.connect() as client:
        client.sendall(start)
        with pytest.raises(OSError):  # refused long before this is all sent
            for _ in range(4096):
                client.sendall(b"a" * 65536)
            client.shutdown(socket.SHUT_WR)
            raise AssertionError("256 MiB of head were taken")
    assert refusal(server.ask(start + b"a" * 9000))[0] == status


@pytest.mark.req("S-07")
def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(server: Running) -> None:
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n"
    body = b"x" * SMALL.body
    assert server.ask_once(head % len(body) + body)[0] == 200
    assert refusal(server.ask(head % (len(body) + 1)))[0] == 413
    assert (
        refusal(server.ask(head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n") % (len(body) + 1)))[0] == 413
    )


@pytest.mark.req("S-07")
def test_a_chunked_body_over_the_limit_is_refused_while_it_is_read(server: Running) -> None:
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
    assert json.loads(server.ask_once(head + chunk * 10 + b"0\r\n\r\n")[2])["body"] == SMALL.body
    assert refusal(server.ask(head + chunk * 10 + b"1\r\nx\r\n0\r\n\r\n"))[0] == 413
    assert refusal(server.ask(head + chunk * 10 + b"1\r\nx"))[0] == 413


@pytest.mark.parametrize(
    "body",
    [
        b"g\r\n",
        b"-1\r\n",
        b"0x1\r\na\r\n0\r\n\r\n",
        b"1\na\n0\n\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"1 \x00\r\na\r\n0\r\n\r\n",
        b"\r\n1\r\na\r\n0\r\n\r\n",
        b"ffffffff0\r\n",
        b"1;" + b"x" * 300 + b"\r\na\r\n0\r\n\r\n",
        b"1;\n\r\na\r\n0\r\n\r\n",
        b"0\r\nX : y\r\n\r\n",
        b"0\r\n" + b"X: yyyyyyyyyyyyyy\r\n" * 300 + b"\r\n",
        b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n",
    ],
)
@pytest.mark.req("S-07")
def test_a_broken_chunked_coding_is_refused(server: Running, body: bytes) -> None:
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert refusal(server.ask(head + body))[0] == 400


def test_a_chunked_body_may_have_extensions_and_trailers(server: Running) -> None:
    head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: Chunked\r\n\r\n"
    body = b"3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n"
    with server.connect() as client:
        client.sendall(head + body)
        assert json.loads(read_response(client)[2])["body"] == "abc0123456789"
        client.sendall(GET)
        assert read_response(client)[0] == 200


# One request after another.


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_who_came_right_before_the_end_is_answered_and_then_parted_from(loop: str) -> None:
    with running(Limits(), loop, drain_seconds=8) as server, server.connect() as client:
        server.ask_once(GET)  # by now the server has the connection, too
        server.stop()
        while not server.app.drained:
            pass
        client.sendall(GET)
        status, fields, _ = read_response(client)
        assert (status, fields["connection"]) == (200, "close")


def test_who_says_nothing_holds_up_the_end_no_longer_than_a_second() -> None:
    with running(Limits(), drain_seconds=600) as server, server.connect():
        server.ask_once(GET)  # by now the server has the connection, too; the end is waited for eight seconds


def test_requests_sent_ahead_are_answered_in_order(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\n%b\r\n" % (n, HOST) for n in range(50)))
        data = b""
        while data.count(b'"path"') < 50:
            data += client.recv(65536)
    places = [data.index(b'"path": "/%d"' % n) for n in range(50)]
    assert places == sorted(places)


def test_a_request_that_came_ahead_waits_for_its_client_to_read(server: Running) -> None:
    asked = 60
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.settimeout(8)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /direct-big HTTP/1.1\r\n%b\r\n" % HOST * asked)
        for _ in range(50):  # time enough to serve them all, if nothing held them
            server.ask_once(GET)
        begun = sum(scope["path"] == "/direct-big" for scope in server.app.seen)
        assert 0 < begun < asked // 2  # what the system holds of a socket is a few megabytes
        answered = 0
        while answered < asked * 1_000_000:
            answered += client.recv(65_536).count(b"x")


@pytest.mark.req("S-07")
def test_what_is_sent_ahead_is_bounded(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        assert read_head(client)[0] == 200
        client.setblocking(False)
        sent = 0
        stuck = time.monotonic() + 5
        try:
            while time.monotonic() < stuck:
                sent += client.send(GET * 1000)
        except BlockingIOError:
            pass
        kept = max(len(c._ahead) for c in tuple(server.site.connections))
        assert kept <= AHEAD_LIMIT + 262_144
        assert sent < 16_000_000


def test_bytes_behind_a_refused_request_are_not_read_as_http(server: Running) -> None:
    before = len(server.app.seen)
    answer = server.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert len(server.app.seen) == before


def test_bytes_behind_a_request_with_a_short_length_are_the_next_request(server: Running) -> None:
    answer = server.ask(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabcXYZ\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200") == 1 and answer.count(b"HTTP/1.1 400") == 1


def test_one_empty_line_before_a_request_is_ignored(server: Running) -> None:
    assert server.ask_once(b"\r\n" + GET)[0] == 200


def test_an_early_answer_closes_instead_of_reading_the_body(server: Running) -> None:
    head = b"POST /refuses-early HTTP/1.1\r\n" + HOST + b"Content-Length: 90000\r\n\r\n"
    answer = server.ask(head + b"x" * 1000)
    assert status_of(answer) == 403 and b"connection: close" in answer


def test_a_client_that_says_close_is_closed(server: Running) -> None:
    for value in (b"close", b"Close", b"keep-alive, close", b"keep-alive\r\nConnection: close"):
        answer = server.ask(LINE + HOST + b"Connection: " + value + b"\r\n\r\n")
        assert status_of(answer) == 200 and b"connection: close" in answer


@pytest.mark.req("S-07")
def test_http_1_0_is_served_with_a_host_and_closed(server: Running) -> None:
    answer = server.ask(b"GET /echo HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n")
    assert status_of(answer) == 200 and b"connection: close" in answer and b'"1.0"' in answer
    assert refusal(server.ask(b"GET /echo HTTP/1.0\r\n\r\n"))[0] == 400


def test_a_stream_over_http_1_0_is_not_chunked(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"GET /stream HTTP/1.0\r\n" + HOST + b"\r\n")
        status, shown, rest = read_head(client)
        assert status == 200 and "transfer-encoding" not in shown and shown["connection"] == "close"
        while b"one" not in rest:
            rest += client.recv(100)
        assert rest == b"data: one\n\n"


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"TLS/1.0"])
@pytest.mark.req("S-05", "S-07")
def test_an_upgrade_is_never_taken(server: Running, upgrade: bytes) -> None:
    lines = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\nContent-Length: 2\r\n\r\nab"
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + lines)
        status, _, body = read_response(client)
        assert status == 200 and json.loads(body)["body"] == "ab"
        client.sendall(GET)
        assert read_response(client)[0] == 200


def test_a_client_that_waits_for_100_continue_gets_it(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert json.loads(read_response(client)[2])["body"] == "abc"
    assert refusal(server.ask(LINE + HOST + b"Expect: miracles\r\n\r\n"))[0] == 417


# Responses.


def test_a_response_to_head_has_no_body(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"HEAD /echo HTTP/1.1\r\n" + HOST + b"\r\n" + b"HEAD /direct HTTP/1.1\r\n" + HOST + b"\r\n")
        client.sendall(LINE + HOST + b"Connection: close\r\n\r\n")
        answer = read_all(client)
    first, second, third, body = answer.split(b"\r\n\r\n")
    assert b"content-length: " in first and second.startswith(b"HTTP/1.1 200") and third.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["method"] == "GET"


def test_204_has_neither_body_nor_length(server: Running) -> None:
    status, shown, body = server.ask_once(b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (status, body) == (204, b"") and not {"content-length", "transfer-encoding"} & set(shown)


def test_the_short_cut_answers_in_one_piece(server: Running) -> None:
    request = b"POST /direct HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
    status, shown, body = server.ask_once(request)
    assert (status, body, shown["content-length"]) == (200, b"hello", "5")


@pytest.mark.req("S-25", "W-12", "S-23")
@pytest.mark.parametrize("path", [b"raises", b"exits", b"returns", b"bad-header"])
def test_an_application_that_fails_is_a_500_and_harms_nobody(
    server: Running, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    status, error = refusal(server.ask(b"GET /" + path + b" HTTP/1.1\r\n" + HOST + b"\r\n"))
    assert (status, error["code"]) == (500, -32603)
    assert "secret-canary" not in error["message"] and "secret-canary" not in caplog.text and caplog.records
    assert server.ask_once(GET)[0] == 200


def test_a_response_longer_than_it_said_is_a_500(server: Running) -> None:
    assert refusal(server.ask(b"GET /too-long HTTP/1.1\r\n" + HOST + b"\r\n"))[0] == 500


def test_a_stream_reaches_its_client_at_once_and_ends_with_a_last_chunk(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        status, shown, rest = read_head(client)
        assert status == 200 and shown["transfer-encoding"] == "chunked"
        while len(rest) < len(b"b\r\ndata: one\n\n\r\n"):
            rest += client.recv(100)
        assert rest == b"b\r\ndata: one\n\n\r\n"


@pytest.mark.parametrize("path", [b"stream", b"disconnect"])
def test_an_application_learns_that_its_client_has_left(server: Running, path: bytes) -> None:
    with server.connect() as client:
        client.sendall(b"GET /" + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        if path == b"stream":
            read_head(client)
    assert server.app.gone.acquire(timeout=5)


def test_a_client_that_leaves_within_its_body_is_reported(server: Running) -> None:
    with server.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 30\r\n\r\nabc")
    assert server.app.gone.acquire(timeout=5)


def test_a_large_body_flows_through_a_small_window(server: Running) -> None:
    request = b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % SMALL.body
    assert json.loads(server.ask_once(request + b"x" * SMALL.body)[2])["body"] == SMALL.body


# Deadlines.


@pytest.mark.req("R-20", "S-07")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"\r\n", None),
        (b"G", 408),
        (b"GET /echo HTTP/1.1\r\nHost: loc", 408),
        (GET[:-1], 408),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 30\r\n\r\n", 408),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 30\r\n\r\nabc", 408),
        (b"POST /echo HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n", 408),
    ],
)
def test_a_client_that_falls_silent_is_let_go(quick: Running, sent: bytes, status: int | None) -> None:
    started = time.monotonic()
    with quick.connect() as client:
        client.sendall(sent)
        answer = read_all(client)
    assert time.monotonic() - started < 5
    assert (refusal(answer)[0] == status) if status else answer == b""


@pytest.mark.req("R-20")
def test_a_client_that_says_nothing_more_after_a_response_is_let_go_without_a_word(quick: Running) -> None:
    answer = quick.ask(GET)
    assert answer.count(b"HTTP/1.1 ") == 1 and status_of(answer) == 200


@pytest.mark.req("R-20")
def test_dripping_bytes_does_not_move_the_deadline_of_the_head(quick: Running) -> None:
    started = time.monotonic()
    with quick.connect(timeout=0.02) as client:
        client.sendall(LINE + HOST + b"X-A: ")
        answer = drip(client, started)
    assert 0.3 < time.monotonic() - started < 4
    assert status_of(answer) == 408


@pytest.mark.req("R-20")
def test_dripping_bytes_does_not_move_the_deadline_of_the_body(quick: Running) -> None:
    started = time.monotonic()
    with quick.connect(timeout=0.02) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 90000\r\n\r\n")
        answer = drip(client, started)
    assert 1.0 < time.monotonic() - started < 5
    assert status_of(answer) == 408


def drip(client: socket.socket, started: float) -> bytes:
    """Send a byte whenever nothing comes, until the server has had enough."""
    answer = b""
    while time.monotonic() - started < 6:
        try:
            part = client.recv(1000)
        except TimeoutError:
            client.sendall(b"a")
            continue
        except ConnectionError:
            break
        if not part:
            break
        answer += part
    return answer


@pytest.mark.req("R-20", "R-21")
def test_a_client_that_does_not_read_is_let_go(quick: Running) -> None:
    with quick.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /flood HTTP/1.1\r\n" + HOST + b"\r\n")
        assert quick.app.gone.acquire(timeout=8)


@pytest.mark.req("R-20")
@pytest.mark.timeout(60)
def test_a_hundred_slow_clients_are_all_let_go_while_others_are_served(quick: Running) -> None:
    kinds = [b"", b"GET /e", b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 99\r\n\r\nx", GET]
    slow = [quick.connect() for _ in range(100)]
    started = time.monotonic()
    try:
        for number, client in enumerate(slow):
            client.sendall(kinds[number % 4])
        asked = time.monotonic()
        assert quick.ask_once(GET)[0] == 200
        assert time.monotonic() - asked < 1
        for client in slow:
            read_all(client)
        assert time.monotonic() - started < QUICK.body_seconds + 2
    finally:
        for client in slow:
            client.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class OnClock:
    """A site on a clock that the test holds: the defaults of the limits, to the second, without waiting for one."""

    def __init__(self) -> None:
        self.app = App()
        self.clock = Clock()
        self.limits = Limits()
        self.site = HttpSite(self.limits, clock=self.clock)
        config = type("Config", (), {"loaded_app": staticmethod(self.app), "root_path": ""})
        names = {"connections": set(), "tasks": set(), "default_headers": [], "total_requests": 0}
        state = type("State", (), names)
        self.make: Any = lambda: self.site(config, state, {})

    async def __aenter__(self) -> "OnClock":
        self.server = await asyncio.get_running_loop().create_server(self.make, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.site.abort_all()
        await self.settled(0)

    async def connect(self, data: bytes) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(self.server.sockets[0].getsockname())
        client.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(client, data)
        return client

    async def settled(self, connections: int) -> None:
        while len(self.site.connections) != connections:  # sockets have no event to wait on
            await asyncio.sleep(0)

    def at(self, seconds: float) -> int:
        """Go to a time; return how many have been reaped by then."""
        self.clock.now = 100.0 + seconds
        self.site.sweep(self.clock.now)
        return self.site.reaped


async def rest_of(client: socket.socket) -> bytes:
    parts = []
    with client:
        while part := await asyncio.get_running_loop().sock_recv(client, 1_000_000):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.req("R-20")
async def test_the_header_deadline_is_exact() -> None:
    async with OnClock() as on:
        idle, partial = await on.connect(b""), await on.connect(b"GET / HT")
        await on.settled(2)
        while not any(c._partial for c in on.site.connections):
            await asyncio.sleep(0)
        assert on.at(9.999) == 0
        assert on.at(10.001) == 2
        assert await rest_of(idle) == b""
        assert status_of(await rest_of(partial)) == 408


@pytest.mark.req("R-20")
async def test_the_body_deadline_is_exact_and_a_steady_body_may_use_it_all() -> None:
    async with OnClock() as on:
        head = b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 90000\r\n\r\n"
        steady, slow = await on.connect(head + b"x" * 40_000), await on.connect(head + b"x" * 5_000)
        await on.settled(2)
        while sum(c._cycle.received for c in on.site.connections if c._cycle) < 45_000:
            await asyncio.sleep(0)
        assert on.at(4.999) == 0
        assert on.at(5.001) == 1  # 5,000 bytes in 5 seconds are less than 1 KiB a second
        assert status_of(await rest_of(slow)) == 408
        for seconds in range(6, 30):
            assert on.at(seconds) == 1
        assert on.at(30.001) == 2
        assert status_of(await rest_of(steady)) == 408


@pytest.mark.req("R-20", "R-21")
async def test_a_client_that_reads_slowly_gets_all_and_one_that_reads_nothing_does_not() -> None:
    loop = asyncio.get_running_loop()
    async with OnClock() as on:
        reader = await on.connect(b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n")
        await on.settled(1)
        (connection,) = on.site.connections
        while not connection.out.paused:
            await asyncio.sleep(0)
        start = 0.0
        for _ in range(2):
            waiting = connection.out.unsent
            while connection.out.unsent > waiting - 100_000:
                await loop.sock_recv(reader, 1_000_000)
            start += 30.001
            assert on.at(start) == 0
        assert on.at(start + 29.999) == 0
        assert on.at(start + 30.001) == 1
        await on.settled(0)
        reader.close()


@pytest.mark.req("R-19", "R-37")
def test_connections_over_the_cap_are_turned_away_and_come_back_later() -> None:
    with running(Limits(), max_connections=3) as server:
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.sendall(GET)
            assert read_response(client)[0] == 200
        assert refusal(server.ask(b""))[0] == 503
        assert server.site.turned_away == 1
        clients[0].close()
        while len(server.site.connections) > 2:
            time.sleep(0)
        assert server.ask_once(GET)[0] == 200
        for client in clients[1:]:
            client.close()
