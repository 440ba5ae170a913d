"""How the client of the conformance suite logs in: each scenario's credentials, as a user of the library gives them."""

from functools import partial
from typing import Any

from dovetail.auth import Client, Provider, SigningKey
from dovetail.client.browser import Headless, consenting
from dovetail.client.login import Authorizer
from dovetail.client.login_grants import credentials_login, managed_login, oauth_login, workload_login
from dovetail.client.login_world import LoginHttp
from dovetail.store import MemoryTokens

REDIRECT_URI = "http://localhost:3000/callback"
"""Nobody listens there: the suite's authorization server redirects at once, and the redirect is read."""
DOCUMENT = "https://conformance-test.local/client-metadata.json"


def login(url: str, scenario: str, context: dict[str, Any]) -> Authorizer:
    """Return the login of one scenario."""
    match scenario:
        case "auth/client-credentials-jwt":
            key = SigningKey.from_pem(context["private_key_pem"], context["signing_algorithm"])
            return credentials_login(url, Client(client_id=context["client_id"]), key=key, store=MemoryTokens())
        case "auth/client-credentials-basic":
            client = Client(client_id=context["client_id"], secret=context["client_secret"])
            return credentials_login(url, client, store=MemoryTokens())
        case "auth/enterprise-managed-authorization":
            client = Client(client_id=context["client_id"], secret=context["client_secret"])
            provider = Provider(
                issuer=context["idp_issuer"],
                client=Client(client_id=context["idp_client_id"]),
                token_endpoint=context["idp_token_endpoint"],
            )
            return managed_login(url, client, provider, lambda: str(context["idp_id_token"]), store=MemoryTokens())
        case "auth/wif-jwt-bearer":
            return workload_login(url, lambda: str(context["valid_jwt"]), client=Client(client_id=context["client_id"]))
    known = None
    if "client_id" in context:
        known = Client(
            client_id=context["client_id"], secret=context.get("client_secret"), issuer=context.get("issuer")
        )
    return oauth_login(
        url,
        browser=Headless(REDIRECT_URI, consenting(partial(LoginHttp, url))),
        client=known,
        # `auth/offline-access-scope` looks the document up on the Internet when it is used, and registers otherwise.
        document=None if scenario == "auth/offline-access-scope" else DOCUMENT,
        store=MemoryTokens(),
    )
