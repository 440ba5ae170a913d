"""From a refusal to the authorization server: the order of looking, and what is not believed."""

import pytest

from dovetail.auth import Demand, Reply, ServerMetadata
from dovetail.auth.discovery import (
    choose_issuer,
    discover_legacy,
    discover_resource,
    discover_server,
    resource_urls,
    server_urls,
)
from dovetail.errors import LoginUnavailable, LoginUntrusted
from dovetail.revisions import NEWEST
from tests.auth.play import ISSUER, ISSUER_AT, RESOURCE_AT, SERVER, Web, document, resource, server, world

ROOT_AT = "https://mcp.example.com/.well-known/oauth-protected-resource"


@pytest.mark.req("A-20")
def test_a_servers_own_metadata_is_looked_for_at_its_path_and_then_at_the_root() -> None:
    assert resource_urls(SERVER) == (RESOURCE_AT, ROOT_AT)
    assert resource_urls("https://mcp.example.com/") == (ROOT_AT,)
    web = Web({ROOT_AT: resource(resource="https://mcp.example.com")})
    found = web.play(discover_resource(SERVER, Demand()))
    assert found is not None
    assert found.resource == "https://mcp.example.com"
    assert web.urls == [RESOURCE_AT, ROOT_AT]


@pytest.mark.req("A-20")
def test_the_url_in_the_challenge_comes_first() -> None:
    at = "https://mcp.example.com/custom/metadata.json"
    web = Web({at: resource(), RESOURCE_AT: resource()})
    web.play(discover_resource(SERVER, Demand(metadata=at)))
    assert web.urls == [at]


@pytest.mark.req("A-20")
@pytest.mark.parametrize("at", ["https://evil.example/prm", "https://mcp.example.com:8443/prm", "http://localhost/prm"])
def test_a_challenge_that_names_another_origin_is_not_followed_unless_it_is_allowed(at: str) -> None:
    web = Web({at: resource()})
    with pytest.raises(LoginUntrusted):
        web.play(discover_resource(SERVER, Demand(metadata=at)))
    assert web.requests == []
    assert web.play(discover_resource(SERVER, Demand(metadata=at), foreign=True)) is not None


@pytest.mark.req("A-20")
@pytest.mark.parametrize("other", ["https://evil.example.com/mcp", "https://mcp.example.com/other", "", "mcp"])
def test_metadata_of_another_resource_ends_the_login(other: str) -> None:
    web = Web({RESOURCE_AT: resource(resource=other)})
    with pytest.raises(LoginUntrusted, match="another resource"):
        web.play(discover_resource(SERVER, Demand()))


def test_metadata_without_an_authorization_server_ends_the_login() -> None:
    with pytest.raises(LoginUntrusted, match="no authorization server"):
        Web({RESOURCE_AT: resource(authorization_servers=[])}).play(discover_resource(SERVER, Demand()))


def test_a_server_without_metadata_is_told_apart_from_one_that_fails() -> None:
    assert Web({RESOURCE_AT: Reply(200, {}, b"<html>")}).play(discover_resource(SERVER, Demand())) is None
    with pytest.raises(LoginUnavailable, match="503"):
        Web({RESOURCE_AT: Reply(503, {})}).play(discover_resource(SERVER, Demand()))


@pytest.mark.req("A-21")
@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://a.example/t1",
            [
                "https://a.example/.well-known/oauth-authorization-server/t1",
                "https://a.example/.well-known/openid-configuration/t1",
                "https://a.example/t1/.well-known/openid-configuration",
            ],
        ),
        (
            "https://a.example",
            [
                "https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration",
            ],
        ),
        (
            "https://a.example/",
            [
                "https://a.example/.well-known/oauth-authorization-server",
                "https://a.example/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_an_issuers_metadata_is_looked_for_in_the_order_of_the_specification(issuer: str, urls: list[str]) -> None:
    assert list(server_urls(issuer)) == urls
    for place in range(len(urls)):
        web = Web({urls[place]: server(issuer)})
        assert web.play(discover_server(issuer)).issuer == issuer
        assert web.urls == urls[: place + 1]
    with pytest.raises(LoginUnavailable):
        Web().play(discover_server(issuer))


@pytest.mark.req("A-21")
@pytest.mark.parametrize(
    "named",
    [
        "https://evil.example",
        ISSUER + "/",
        ISSUER.upper(),
        "https://auth.example.com:443",
        "http://auth.example.com",
        "",
    ],
)
def test_a_document_that_names_another_issuer_is_not_used_and_nothing_else_is_tried(named: str) -> None:
    web = Web({ISSUER_AT: server(ISSUER, issuer=named), f"{ISSUER}/.well-known/openid-configuration": server()})
    with pytest.raises(LoginUntrusted, match="another issuer"):
        web.play(discover_server(ISSUER))
    assert web.urls == [ISSUER_AT]


@pytest.mark.req("A-28")
@pytest.mark.parametrize("member", ["authorization_endpoint", "token_endpoint", "registration_endpoint"])
@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://auth.example.com/x", "https://x/$(id)", "file:///x"])
def test_an_endpoint_that_is_no_plain_https_url_is_not_used(member: str, url: str) -> None:
    with pytest.raises(LoginUntrusted):
        Web({ISSUER_AT: server(**{member: url})}).play(discover_server(ISSUER))


@pytest.mark.req("A-21")
@pytest.mark.parametrize("issuer", ["http://auth.example.com", "https://a.example?x=1", "x", "https://a.example#f"])
def test_an_issuer_that_cannot_be_one_is_not_asked(issuer: str) -> None:
    web = Web()
    with pytest.raises(LoginUntrusted):
        web.play(discover_server(issuer))
    assert web.requests == []


def redirect(to: str, status: int = 302) -> Reply:
    return Reply(status, {"location": to})


@pytest.mark.req("A-27")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_discovery_is_followed_within_its_origin(status: int) -> None:
    web = Web({ISSUER_AT: redirect("/moved", status), f"{ISSUER}/moved": server()})
    assert web.play(discover_server(ISSUER)).issuer == ISSUER


@pytest.mark.req("A-27")
@pytest.mark.parametrize(
    "to",
    ["https://evil.example/x", "http://auth.example.com/x", "https://auth.example.com:444/x", "file:///x", "//evil/x"],
)
def test_a_redirect_to_elsewhere_is_not_followed(to: str) -> None:
    web = Web({ISSUER_AT: redirect(to), to: server()})
    with pytest.raises(LoginUntrusted):
        web.play(discover_server(ISSUER))
    assert web.urls == [ISSUER_AT]


@pytest.mark.req("A-27")
def test_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    chain = {ISSUER_AT: redirect("/1"), f"{ISSUER}/1": redirect("/2"), f"{ISSUER}/2": redirect("/3")}
    assert Web({**chain, f"{ISSUER}/3": server()}).play(discover_server(ISSUER)).issuer == ISSUER
    web = Web({**chain, f"{ISSUER}/3": redirect("/4"), f"{ISSUER}/4": server()})
    with pytest.raises(LoginUntrusted, match="more than 3"):
        web.play(discover_server(ISSUER))


def test_a_server_of_the_first_revision_with_login_is_its_own_authorization_server() -> None:
    web = Web({"https://mcp.example.com/.well-known/oauth-authorization-server": server("https://mcp.example.com")})
    found = web.play(discover_legacy(SERVER))
    assert (found.legacy, found.assumed, found.server.issuer) == (True, False, "https://mcp.example.com")
    assert web.requests[0].headers["mcp-protocol-version"] == NEWEST.version


def test_without_any_metadata_the_default_endpoints_are_used() -> None:
    found = Web().play(discover_legacy(SERVER))
    assert found.assumed
    assert found.server.token_endpoint == "https://mcp.example.com/token"
    assert found.server.authorization_endpoint == "https://mcp.example.com/authorize"
    assert found.server.registration_endpoint == "https://mcp.example.com/register"


def test_legacy_metadata_of_somebody_else_is_not_used() -> None:
    web = Web({"https://mcp.example.com/.well-known/oauth-authorization-server": server("https://evil.example")})
    with pytest.raises(LoginUntrusted):
        web.play(discover_legacy(SERVER))


def test_a_known_authorization_server_is_preferred() -> None:
    assert choose_issuer(["a", "b"], ["b"]) == "b"
    assert choose_issuer(["a", "b"], ["c"]) == "a"


def test_the_whole_world_of_the_tests_is_in_order() -> None:
    web = world()
    found = web.play(discover_server(ISSUER))
    assert isinstance(found, ServerMetadata)
    assert document().body == b"{}"
