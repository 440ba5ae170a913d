"""The client room: one server, any revision, any transport."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.client.browser import Headless as Headless
    from dovetail.client.browser import SystemBrowser as SystemBrowser
    from dovetail.client.client import Client as Client
    from dovetail.client.jsonc import plain_json as plain_json
    from dovetail.client.listening import Change as Change
    from dovetail.client.listening import Changes as Changes
    from dovetail.client.listings import Listing as Listing
    from dovetail.client.login import Authorizer as Authorizer
    from dovetail.client.login import StaticToken as StaticToken
    from dovetail.client.login_grants import credentials_login as credentials_login
    from dovetail.client.login_grants import managed_login as managed_login
    from dovetail.client.login_grants import oauth_login as oauth_login
    from dovetail.client.login_grants import workload_login as workload_login
    from dovetail.client.login_keeper import Login as Login
    from dovetail.client.login_world import known_logins as known_logins
    from dovetail.client.manifest import address_in as address_in
    from dovetail.client.manifest import environment_key as environment_key
    from dovetail.client.manifest import meant as meant
    from dovetail.client.manifest import read_entry as read_entry
    from dovetail.client.manifest import servers_in as servers_in
    from dovetail.client.manifest import switched_off as switched_off
    from dovetail.client.manifest import telling as telling
    from dovetail.client.manifest import words_in as words_in
    from dovetail.client.options import Caching as Caching
    from dovetail.client.options import CallOptions as CallOptions
    from dovetail.client.options import ClientOptions as ClientOptions
    from dovetail.client.options import Retry as Retry
    from dovetail.client.portal import SyncClient as SyncClient
    from dovetail.client.results import ToolResult as ToolResult

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "browser": "Headless SystemBrowser",
        "client": "Client",
        "jsonc": "plain_json",
        "listening": "Change Changes",
        "listings": "Listing",
        "login": "Authorizer StaticToken",
        "login_grants": "credentials_login managed_login oauth_login workload_login",
        "login_keeper": "Login",
        "login_world": "known_logins",
        "manifest": "address_in environment_key meant read_entry servers_in switched_off telling words_in",
        "options": "CallOptions Caching ClientOptions Retry",
        "portal": "SyncClient",
        "results": "ToolResult",
    },
)
