"""Who we are to an authorization server: the order of the ways, and whom credentials are shown to."""

import base64
import json
from typing import Any

import msgspec
import pytest

from dovetail.auth import Application, Client, Reply, ServerMetadata, SigningKey
from dovetail.auth.clients import ASSERTION_TYPE, assertion, authentication, check_document_url, identify, prove
from dovetail.errors import DefinitionError, LoginRefused, LoginUnavailable, LoginUntrusted
from tests.auth.play import ISSUER, Clock, Dice, Web, document, means

DOCUMENT = "https://app.example/client.json"
KEY = SigningKey.fresh(Dice())


def metadata(**changes: Any) -> ServerMetadata:
    return ServerMetadata(**({"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"} | changes))


def registering(**changes: Any) -> ServerMetadata:
    return metadata(registration_endpoint=f"{ISSUER}/register", **changes)


def web(**given: Any) -> Web:
    return Web({f"{ISSUER}/register": document(201, **({"client_id": "registered"} | given))})


def known_as(app: Application, server: ServerMetadata, web: Web, clock: Clock | None = None) -> Client:
    return web.play(identify(app, server, ("a",), means(clock)))


EVERY_WAY = registering(client_id_metadata_document_supported=True)


@pytest.mark.req("A-31")
def test_the_ways_are_tried_in_the_order_of_the_specification() -> None:
    registered = Client(client_id="known", issuer=ISSUER)
    here = web()
    here.client = Client(client_id="entered")
    assert known_as(Application(registered=(registered,), document=DOCUMENT), EVERY_WAY, here).client_id == "known"
    assert known_as(Application(document=DOCUMENT), EVERY_WAY, here).client_id == DOCUMENT
    assert here.requests == []
    assert known_as(Application(document=DOCUMENT), registering(), here).client_id == "registered"
    assert here.prompts == []
    entered = known_as(Application(document=DOCUMENT), metadata(), here)
    assert (entered.client_id, entered.issuer) == ("entered", ISSUER)
    assert here.prompts == [ISSUER]


@pytest.mark.req("A-31")
def test_where_no_way_is_open_the_error_says_what_to_do() -> None:
    with pytest.raises(LoginUnavailable, match="register one there"):
        known_as(Application(), metadata(), web())


@pytest.mark.req("A-31")
@pytest.mark.parametrize(
    ("redirect_uri", "kind", "said"),
    [
        ("http://127.0.0.1:1/callback", None, "native"),
        ("http://localhost:3000/callback", None, "native"),
        ("com.example.app:/callback", None, "native"),
        ("https://app.example/callback", None, "web"),
        ("https://app.example/callback", "native", "native"),
    ],
)
def test_a_registration_says_what_kind_of_application_this_is_and_that_it_refreshes(
    redirect_uri: str, kind: str | None, said: str
) -> None:
    here = web()
    known_as(Application(name="Tester", redirect_uri=redirect_uri, kind=kind), registering(), here)
    (request,) = here.requests
    asked = json.loads(request.body or b"")
    assert asked["application_type"] == said
    assert asked["grant_types"] == ["authorization_code", "refresh_token"]
    assert asked["redirect_uris"] == [redirect_uri]
    assert (asked["response_types"], asked["scope"], asked["client_name"]) == (["code"], "a", "Tester")


@pytest.mark.parametrize(
    ("supported", "asked"),
    [(None, "client_secret_basic"), (("none",), "none"), (("client_secret_post", "none"), "none"),
     (("client_secret_post",), "client_secret_post"), (("private_key_jwt",), "none")],
)  # fmt: skip
def test_a_registration_asks_for_a_way_to_prove_itself_that_the_server_has(
    supported: tuple[str, ...] | None, asked: str
) -> None:
    here = web()
    known_as(Application(), registering(token_endpoint_auth_methods_supported=supported), here)
    assert json.loads(here.requests[0].body or b"")["token_endpoint_auth_method"] == asked


def test_a_registered_client_is_remembered_for_its_issuer_and_redirect_uri() -> None:
    here = web(client_secret="s")
    first = known_as(Application(), registering(), here)
    assert known_as(Application(), registering(), here) == first
    assert len(here.requests) == 1
    known_as(Application(redirect_uri="http://127.0.0.1:2/callback"), registering(), here)
    assert len(here.requests) == 2


def test_a_secret_that_is_over_is_replaced_by_a_new_registration() -> None:
    clock = Clock()
    here = web(client_secret="s", client_secret_expires_at=clock.at + 3600)
    known_as(Application(), registering(), here, clock)
    clock.at += 3000
    known_as(Application(), registering(), here, clock)
    assert len(here.requests) == 1
    clock.at += 600
    known_as(Application(), registering(), here, clock)
    assert len(here.requests) == 2


@pytest.mark.req("A-26")
def test_what_one_issuer_gave_is_shown_to_no_other() -> None:
    here = web(client_id="of-the-first", client_secret="SECRET")
    known_as(Application(), registering(), here)
    other = metadata(
        issuer="https://other.example",
        token_endpoint="https://other.example/token",
        registration_endpoint="https://other.example/register",
    )
    here.places["https://other.example/register"] = document(201, client_id="of-the-second")
    assert known_as(Application(), other, here).client_id == "of-the-second"
    assert b"SECRET" not in b"".join(request.body or b"" for request in here.requests)
    assert known_as(Application(), registering(), here).client_id == "of-the-first"


@pytest.mark.req("A-26")
def test_a_record_that_names_another_issuer_is_not_believed() -> None:
    here = web(client_id="new")
    known_as(Application(), registering(), here)
    record = here.records[f"client:{ISSUER}"]
    assert known_as(Application(), registering(), here).client_id == "new"
    assert len(here.requests) == 1
    here.records[f"client:{ISSUER}"] = record.replace(ISSUER.encode(), b"https://other.example")
    known_as(Application(), registering(), here)
    assert len(here.requests) == 2


@pytest.mark.req("A-26")
def test_a_client_that_was_registered_with_another_issuer_is_not_used() -> None:
    here = web()
    with pytest.raises(LoginUntrusted, match="another authorization server"):
        known_as(Application(registered=(Client(client_id="c", issuer="https://other.example"),)), EVERY_WAY, here)
    assert here.requests == []


@pytest.mark.req("A-26")
def test_a_client_of_no_known_issuer_belongs_to_the_first_that_it_is_used_with() -> None:
    here = web()
    app = Application(registered=(Client(client_id="c", secret="s"),))
    assert known_as(app, metadata(), here).issuer == ISSUER
    assert known_as(app, metadata(), here).issuer == ISSUER
    with pytest.raises(LoginUntrusted):
        known_as(app, metadata(issuer="https://other.example"), here)
    elsewhere = msgspec.structs.replace(app, server="https://another-server.example/mcp")
    assert known_as(elsewhere, metadata(issuer="https://other.example"), here).issuer == "https://other.example"


def test_a_refused_registration_says_what_was_asked_and_no_word_of_the_answer() -> None:
    here = Web({f"{ISSUER}/register": document(400, error="invalid_redirect_uri", error_description="EVIL")})
    with pytest.raises(LoginRefused, match="application_type native") as caught:
        known_as(Application(), registering(), here)
    assert caught.value.error == "invalid_redirect_uri"
    assert "EVIL" not in str(caught.value)


@pytest.mark.req("A-27")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_registration_that_is_redirected_is_not_sent_again(status: int) -> None:
    here = Web({f"{ISSUER}/register": Reply(status, {"location": "https://evil.example/register"})})
    with pytest.raises(LoginRefused):
        known_as(Application(), registering(), here)
    assert here.urls == [f"{ISSUER}/register"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"client_id":7}', b'{"client_id":"x","client_secret":{}}'])
def test_an_answer_to_a_registration_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(LoginUntrusted):
        known_as(Application(), registering(), Web({f"{ISSUER}/register": Reply(201, {}, body)}))


@pytest.mark.parametrize("url", ["http://a.example/x", "https://a.example", "https://a.example/", "https://u@a/x", "x"])
def test_a_metadata_document_has_an_https_url_with_a_path(url: str) -> None:
    with pytest.raises(DefinitionError):
        check_document_url(url)
    check_document_url(DOCUMENT)


SECRET = Client(client_id="c", secret="s")
PUBLIC = Client(client_id="c")
POSTING = Client(client_id="c", secret="s", method="client_secret_post")


@pytest.mark.parametrize(
    ("client", "key", "supported", "method"),
    [
        (SECRET, None, None, "client_secret_basic"),
        (SECRET, None, ("client_secret_post",), "client_secret_post"),
        (SECRET, None, ("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        (SECRET, None, ("none",), "none"),
        (SECRET, KEY, ("private_key_jwt", "client_secret_basic"), "private_key_jwt"),
        (PUBLIC, KEY, None, "private_key_jwt"),
        (PUBLIC, None, None, "none"),
        (PUBLIC, None, ("client_secret_basic",), "none"),
        (POSTING, None, ("client_secret_basic", "client_secret_post"), "client_secret_post"),
        (POSTING, None, ("client_secret_basic",), "client_secret_basic"),
        (Client(client_id="c", secret="s", method="none"), None, ("client_secret_basic",), "none"),
        (Client(client_id="c", method="client_secret_basic"), None, ("client_secret_basic",), "none"),
    ],
)  # fmt: skip
def test_a_client_proves_itself_as_both_sides_can(
    client: Client, key: SigningKey | None, supported: tuple[str, ...] | None, method: str
) -> None:
    assert authentication(client, metadata(token_endpoint_auth_methods_supported=supported), key) == method


def test_where_no_proof_is_common_the_login_ends() -> None:
    with pytest.raises(LoginUnavailable):
        authentication(SECRET, metadata(token_endpoint_auth_methods_supported=("tls_client_auth",)), None)


@pytest.mark.req("A-50")
def test_a_clients_assertion_is_about_itself_for_the_issuer_and_short() -> None:
    here = means()
    first, second = (assertion(KEY, "c", ISSUER, here) for _ in range(2))
    claims = [json.loads(base64.urlsafe_b64decode(t.split(".")[1] + "==")) for t in (first, second)]
    assert claims[0]["iss"] == claims[0]["sub"] == "c"
    assert claims[0]["aud"] == ISSUER
    assert 0 < claims[0]["exp"] - claims[0]["iat"] <= 300
    assert claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.req("A-50")
def test_each_proof_stands_where_its_rfc_says() -> None:
    def proved(client: Client, key: SigningKey | None, *supported: str) -> tuple[Any, Any]:
        return prove(client, metadata(token_endpoint_auth_methods_supported=supported), key, means())

    assert proved(SECRET, None, "client_secret_basic") == ({"authorization": "Basic Yzpz"}, {})
    assert proved(SECRET, None, "client_secret_post") == ({}, {"client_id": "c", "client_secret": "s"})
    assert proved(PUBLIC, None, "none") == ({}, {"client_id": "c"})
    headers, parameters = proved(PUBLIC, KEY, "private_key_jwt")
    assert headers == {}
    assert parameters.keys() == {"client_assertion_type", "client_assertion"}
    assert parameters["client_assertion_type"] == ASSERTION_TYPE


def test_no_secret_is_in_a_repr() -> None:
    client = Client(client_id="c", issuer=ISSUER, secret="SECRET")
    assert "SECRET" not in repr(client)
    assert "SECRET" not in repr(Application(registered=(client,)))
