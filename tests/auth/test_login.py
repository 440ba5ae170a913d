"""Whole logins, without a network: what is asked of whom, in which order, and what is kept."""

import json
from typing import Any

import msgspec
import pytest

from dovetail.auth import (
    Application,
    Client,
    Demand,
    Provider,
    Reply,
    Request,
    Tokens,
    is_trusted,
    log_in,
    log_in_alone,
    log_in_managed,
    log_in_workload,
    refresh,
)
from dovetail.errors import AuthRequired, LoginRefused, LoginUnavailable, LoginUntrusted
from tests.auth.play import (
    ISSUER,
    ISSUER_AT,
    RESOURCE_AT,
    SERVER,
    Clock,
    Web,
    consent,
    document,
    form_of,
    plan,
    query_of,
    resource,
    server,
    world,
)
from tests.auth.test_assertions import token as id_jag

TOKEN_AT = f"{ISSUER}/token"
CLIENT = Client(client_id="c", secret="s", issuer=ISSUER)
EVIL = "https://evil.example"


def evil_world(web: Web) -> None:
    """The server names another authorization server from now on."""
    web.places |= {
        RESOURCE_AT: resource(authorization_servers=[EVIL]),
        f"{EVIL}/.well-known/oauth-authorization-server": server(EVIL),
        f"{EVIL}/register": document(201, client_id="of-evil"),
        f"{EVIL}/token": document(access_token="evil-1", token_type="Bearer"),
    }
    web.visit = consent(EVIL)


@pytest.mark.req("A-24")
def test_a_login_goes_from_the_refusal_to_tokens() -> None:
    web = world(scopes_supported=["a", "offline_access"])
    web.places[TOKEN_AT] = document(access_token="t", token_type="Bearer", expires_in=60, refresh_token="r")
    tokens = web.play(log_in(plan(), Application(), Demand(scopes=("a",))))
    assert web.urls == [RESOURCE_AT, ISSUER_AT, f"{ISSUER}/register", TOKEN_AT]
    (visit,) = map(query_of, web.visits)
    sent = form_of(web.to(TOKEN_AT)[0])
    assert sent["resource"] == visit["resource"] == SERVER
    assert sent["code"] == "the-code"
    assert sent["redirect_uri"] == visit["redirect_uri"]
    assert visit["scope"] == "a offline_access"
    assert (tokens.access_token, tokens.refresh_token, tokens.expires_at) == ("t", "r", Clock().at + 60)
    assert (tokens.issuer, tokens.resource, tokens.client_id) == (ISSUER, SERVER, "registered")
    assert tokens.scopes == tokens.requested == ("a", "offline_access")


@pytest.mark.req("A-24")
@pytest.mark.parametrize(
    "published", ["https://mcp.example.com", "https://mcp.example.com/", "https://MCP.example.com/mcp"]
)
def test_the_resource_is_sent_byte_for_byte_as_it_was_published(published: str) -> None:
    web = world()
    web.places[RESOURCE_AT] = resource(resource=published)
    tokens = web.play(log_in(plan(), Application(), Demand()))
    assert query_of(web.visits[0])["resource"] == form_of(web.to(TOKEN_AT)[0])["resource"] == published
    web.places[TOKEN_AT] = document(access_token="t", token_type="Bearer")
    web.play(refresh(plan(), msgspec.structs.replace(tokens, refresh_token="r")))
    assert form_of(web.to(TOKEN_AT)[1])["resource"] == published


@pytest.mark.req("A-20", "A-21", "A-22", "A-23")
@pytest.mark.parametrize(
    ("place", "answer"),
    [
        (RESOURCE_AT, resource(resource=f"{EVIL}/mcp")),
        (ISSUER_AT, server(EVIL)),
        (ISSUER_AT, server(code_challenge_methods_supported=None)),
        (ISSUER_AT, server(code_challenge_methods_supported=["plain"])),
    ],
)
def test_what_does_not_fit_ends_the_login_before_anything_is_sent(place: str, answer: Reply) -> None:
    web = world()
    web.places[place] = answer
    with pytest.raises(LoginUntrusted):
        web.play(log_in(plan(), Application(registered=(CLIENT,)), Demand()))
    assert web.visits == []
    assert all(request.method == "GET" for request in web.requests)


@pytest.mark.req("A-23")
@pytest.mark.parametrize("iss", [EVIL, ISSUER + "/", ""])
def test_a_code_of_another_issuer_is_never_sent_to_a_token_endpoint(iss: str) -> None:
    web = world()
    web.visit = consent(iss)
    with pytest.raises(LoginUntrusted):
        web.play(log_in(plan(), Application(), Demand()))
    assert web.visits
    assert web.to(TOKEN_AT) == []


@pytest.mark.req("A-26")
def test_after_a_move_to_another_authorization_server_nothing_of_the_first_is_shown_to_it() -> None:
    web = world()
    web.places[f"{ISSUER}/register"] = document(201, client_id="of-the-first", client_secret="SECRET-C")
    web.places[TOKEN_AT] = document(access_token="SECRET-A", token_type="Bearer", refresh_token="SECRET-R")
    here = plan()
    first = web.play(log_in(here, Application(), Demand()))
    evil_world(web)
    assert not web.play(is_trusted(here, first, Demand()))
    second = web.play(log_in(here, Application(), Demand(), first))
    assert (second.issuer, second.client_id) == (EVIL, "of-evil")
    shown = [f"{r.url} {r.headers} {r.body!r}" for r in web.requests if r.url.startswith(EVIL)]
    shown += [visit for visit in web.visits if visit.startswith(EVIL)]
    assert shown
    assert not [text for text in shown if "SECRET" in text or "of-the-first" in text]


@pytest.mark.req("A-26")
def test_a_refresh_token_goes_to_the_endpoint_that_gave_it_whatever_the_metadata_says_now() -> None:
    web = world()
    web.places[TOKEN_AT] = document(access_token="a", token_type="Bearer", refresh_token="SECRET-R")
    tokens = web.play(log_in(plan(), Application(), Demand()))
    evil_world(web)
    web.places[ISSUER_AT] = server(token_endpoint=f"{EVIL}/token")
    web.play(refresh(plan(), tokens))
    assert form_of(web.requests[-1])["refresh_token"] == "SECRET-R"
    assert web.requests[-1].url == TOKEN_AT
    assert web.to(f"{EVIL}/token") == []


def test_a_rotated_refresh_token_replaces_the_former_and_one_that_is_not_stays() -> None:
    web = world()
    web.places[TOKEN_AT] = document(access_token="a", token_type="Bearer", refresh_token="r1", scope="x")
    tokens = web.play(log_in(plan(), Application(), Demand(scopes=("x", "y"))))
    assert tokens.scopes == ("x",)
    web.places[TOKEN_AT] = document(access_token="b", token_type="Bearer")
    same = web.play(refresh(plan(), tokens))
    assert (same.access_token, same.refresh_token, same.scopes, same.requested) == ("b", "r1", ("x",), ("x", "y"))
    web.places[TOKEN_AT] = document(access_token="c", token_type="Bearer", refresh_token="r2", scope="x y")
    rotated = web.play(refresh(plan(), same))
    assert (rotated.refresh_token, rotated.scopes) == ("r2", ("x", "y"))
    with pytest.raises(LoginUnavailable):
        web.play(refresh(plan(), msgspec.structs.replace(tokens, refresh_token=None)))


@pytest.mark.req("A-30")
def test_stepping_up_asks_for_what_was_asked_for_before_as_well() -> None:
    web = world()
    first = web.play(log_in(plan(), Application(), Demand(scopes=("read",))))
    web.play(log_in(plan(), Application(), Demand(scopes=("write",), error="insufficient_scope"), first))
    assert [query_of(visit)["scope"] for visit in web.visits] == ["read", "read write"]


@pytest.mark.req("A-30")
def test_without_any_scope_to_name_none_is_sent() -> None:
    web = world()
    web.play(log_in(plan(), Application(), Demand()))
    assert "scope" not in query_of(web.visits[0])
    web.places[RESOURCE_AT] = resource(scopes_supported=["p", "q"])
    web.play(log_in(plan(), Application(), Demand()))
    assert query_of(web.visits[1])["scope"] == "p q"


def test_a_client_that_the_server_has_forgotten_is_registered_anew_once() -> None:
    web = world()
    answers = [document(401, error="invalid_client"), document(access_token="t", token_type="Bearer")]
    web.places[TOKEN_AT] = lambda request: answers.pop(0)
    web.play(log_in(plan(), Application(), Demand()))
    assert len(web.to(f"{ISSUER}/register")) == 2
    web.places[TOKEN_AT] = document(401, error="invalid_client")
    with pytest.raises(LoginRefused):
        web.play(log_in(plan(), Application(), Demand()))
    assert len(web.to(f"{ISSUER}/register")) == 3


def test_a_server_of_2025_03_26_is_logged_in_to_unless_that_is_ruled_out() -> None:
    root = "https://mcp.example.com"
    web = Web(
        {
            f"{root}/register": document(201, client_id="x"),
            f"{root}/token": document(access_token="t", token_type="Bearer"),
        }
    )
    web.visit = consent("")
    tokens = web.play(log_in(plan(), Application(), Demand()))
    assert (tokens.issuer, tokens.resource) == (root, SERVER)
    assert web.play(is_trusted(plan(), tokens, Demand()))
    with pytest.raises(LoginUnavailable):
        web.play(log_in(plan(legacy=False), Application(), Demand()))


@pytest.mark.req("A-10")
@pytest.mark.parametrize(
    ("policy", "offered", "demand", "published", "binds"),
    [
        ("auto", ["ES256"], Demand(dpop=True), {}, True),
        ("auto", ["ES256"], Demand(), {"dpop_bound_access_tokens_required": True}, True),
        ("auto", ["ES256"], Demand(), {"dpop_signing_alg_values_supported": ["ES256"]}, True),
        ("auto", ["ES256"], Demand(), {}, False),
        ("auto", ["RS256"], Demand(dpop=True), {}, False),
        ("auto", None, Demand(dpop=True), {}, False),
        ("always", None, Demand(), {}, True),
        ("never", ["ES256"], Demand(dpop=True), {"dpop_bound_access_tokens_required": True}, False),
    ],
)
def test_tokens_are_bound_when_both_sides_want_it(
    policy: Any, offered: list[str] | None, demand: Demand, published: dict[str, Any], binds: bool
) -> None:
    web = world(dpop_signing_alg_values_supported=offered)
    web.places[RESOURCE_AT] = resource(**published)
    web.places[TOKEN_AT] = lambda request: document(
        access_token="t", token_type="DPoP" if "dpop" in request.headers else "Bearer", refresh_token="r"
    )
    here = plan(dpop=policy)
    tokens = web.play(log_in(here, Application(), demand))
    assert ("dpop" in web.requests[-1].headers) is binds is (tokens.dpop is not None)
    assert tokens.scheme == ("DPoP" if binds else "Bearer")
    web.play(refresh(here, tokens))
    assert ("dpop" in web.requests[-1].headers) is binds


@pytest.mark.req("A-50")
def test_client_credentials_keep_no_refresh_token_and_no_secret() -> None:
    web = world(token_endpoint_auth_methods_supported=["client_secret_basic"])
    web.places[TOKEN_AT] = document(access_token="t", token_type="Bearer", refresh_token="r")
    tokens = web.play(log_in_alone(plan(), CLIENT, None, Demand(scopes=("a",))))
    (request,) = web.to(TOKEN_AT)
    assert form_of(request) == {"grant_type": "client_credentials", "resource": SERVER, "scope": "a"}
    assert request.headers["authorization"] == "Basic Yzpz"
    assert (tokens.refresh_token, tokens.secret) == (None, None)
    assert web.visits == []


@pytest.mark.req("A-26", "A-50")
def test_client_credentials_are_not_shown_to_another_issuer() -> None:
    web = world()
    evil_world(web)
    with pytest.raises(LoginUntrusted):
        web.play(log_in_alone(plan(), CLIENT, None, Demand()))
    assert [r for r in web.requests if r.method == "POST"] == []


IDP = Provider(issuer="https://idp.example", client=Client(client_id="at-idp"), token_endpoint="https://idp.example/t")


def exchanged(**changes: Any) -> Reply:
    given = {
        "access_token": id_jag(**changes),
        "token_type": "N_A",
        "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag",
    }
    return document(**given)


def managed(web: Web, provider: Provider = IDP) -> Tokens:
    return web.play(log_in_managed(plan(), CLIENT, None, provider, "ID-TOKEN", Demand(scopes=("a",))))


@pytest.mark.req("A-51")
def test_an_enterprise_login_exchanges_the_id_token_and_shows_the_assertion_to_its_audience() -> None:
    web = world(token_endpoint_auth_methods_supported=["client_secret_basic"])
    web.places["https://idp.example/t"] = exchanged()
    assert managed(web).access_token == "access-1"
    first, second = (form_of(request) for request in web.requests if request.method == "POST")
    assert (first["subject_token"], first["audience"], first["resource"]) == ("ID-TOKEN", ISSUER, SERVER)
    assert first["client_id"] == "at-idp"
    assert second["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert second["assertion"] == json.loads(exchanged().body)["access_token"]
    assert web.requests[-1].url == TOKEN_AT
    assert web.visits == []


@pytest.mark.req("A-51")
@pytest.mark.parametrize(
    "answer",
    [
        exchanged(aud=EVIL), exchanged(client_id="other"), exchanged(resource=EVIL), exchanged(exp=1),
        exchanged(iss=EVIL), document(access_token=id_jag(), token_type="N_A"),
        document(access_token=id_jag(), token_type="Bearer",
                 issued_token_type="urn:ietf:params:oauth:token-type:access_token"),
    ],
)  # fmt: skip
def test_an_assertion_that_is_not_the_one_asked_for_is_shown_to_nobody(answer: Reply) -> None:
    web = world()
    web.places["https://idp.example/t"] = answer
    with pytest.raises(LoginUntrusted):
        managed(web)
    assert web.to(TOKEN_AT) == []


@pytest.mark.req("A-51")
def test_a_provider_without_a_token_endpoint_is_looked_up_by_its_issuer() -> None:
    web = world()
    web.places["https://idp.example/.well-known/openid-configuration"] = server(
        "https://idp.example", token_endpoint="https://idp.example/t"
    )
    web.places["https://idp.example/t"] = exchanged()
    provider = Provider(issuer="https://idp.example", client=Client(client_id="at-idp"))
    assert managed(web, provider).access_token == "access-1"


@pytest.mark.req("A-52")
@pytest.mark.parametrize("error", ["invalid_grant", "invalid_scope", "unauthorized_client", "invalid_client"])
def test_a_refused_workload_is_refused_after_one_request(error: str) -> None:
    web = world()
    web.places[TOKEN_AT] = document(400, error=error)
    with pytest.raises(LoginRefused) as caught:
        web.play(log_in_workload(plan(), id_jag(), None, Demand()))
    assert caught.value.error == error
    (request,) = web.to(TOKEN_AT)
    assert form_of(request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": id_jag(),
        "resource": SERVER,
    }


@pytest.mark.req("A-52")
def test_a_workloads_token_is_shown_to_its_audience_only() -> None:
    web = world()
    evil_world(web)
    with pytest.raises(LoginUntrusted, match="not shown"):
        web.play(log_in_workload(plan(), id_jag(), None, Demand()))
    assert [r for r in web.requests if r.method == "POST"] == []


CANARY = "CANARY7f3a"


def spiteful(request: Request) -> Reply:
    """Repeat all that was sent, in every place where a client might show it."""
    echo = f"{request.url} {dict(request.headers)} {request.body!r}"[:4000]
    return document(400, error=echo, error_description=echo, error_uri=echo)


@pytest.mark.req("A-29")
def test_no_error_shows_a_secret_whoever_repeats_it() -> None:
    client = Client(client_id="c", secret=CANARY, issuer=ISSUER)
    app = Application(registered=(client,))
    tokens = Tokens(
        server=SERVER, issuer=ISSUER, resource=SERVER, token_endpoint=TOKEN_AT, access_token=CANARY,
        refresh_token=CANARY, secret=CANARY, client_id="c",
    )  # fmt: skip
    attempts: list[Any] = [
        lambda: log_in(plan(), app, Demand()),
        lambda: refresh(plan(), tokens),
        lambda: log_in_alone(plan(), client, None, Demand()),
        lambda: log_in_workload(plan(), id_jag(jti=CANARY), client, Demand()),
        lambda: log_in_managed(plan(), client, None, IDP, CANARY, Demand()),
    ]
    for attempt in attempts:
        for place in (TOKEN_AT, "https://idp.example/t", ISSUER_AT, RESOURCE_AT):
            web = world()
            web.places[place] = spiteful
            try:
                web.play(attempt())
            except AuthRequired as error:
                told = f"{error} {error!r} {error.args} {error.__cause__!r} {vars(error)}"
                assert CANARY not in told
