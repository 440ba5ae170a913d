"""The auth room: OAuth 2.1 for MCP as flows that others carry out. No loop, socket, clock or randomness of its own."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.auth.addresses import refusal as refusal
    from dovetail.auth.addresses import refusals as refusals
    from dovetail.auth.authorization import Authorization as Authorization
    from dovetail.auth.challenges import Demand as Demand
    from dovetail.auth.challenges import read_challenges as read_challenges
    from dovetail.auth.challenges import read_demand as read_demand
    from dovetail.auth.clients import Application as Application
    from dovetail.auth.clients import Client as Client
    from dovetail.auth.dpop import ProofKeys as ProofKeys
    from dovetail.auth.dpop import Proofs as Proofs
    from dovetail.auth.keys import SigningKey as SigningKey
    from dovetail.auth.login import Binding as Binding
    from dovetail.auth.login import Plan as Plan
    from dovetail.auth.login import Provider as Provider
    from dovetail.auth.login import find as find
    from dovetail.auth.login import log_in as log_in
    from dovetail.auth.login import log_in_alone as log_in_alone
    from dovetail.auth.login import log_in_managed as log_in_managed
    from dovetail.auth.login import log_in_workload as log_in_workload
    from dovetail.auth.metadata import LARGEST as LARGEST
    from dovetail.auth.metadata import ResourceMetadata as ResourceMetadata
    from dovetail.auth.metadata import ServerMetadata as ServerMetadata
    from dovetail.auth.records import Tokens as Tokens
    from dovetail.auth.records import TokenStore as TokenStore
    from dovetail.auth.records import decode_tokens as decode_tokens
    from dovetail.auth.records import is_binding as is_binding
    from dovetail.auth.records import logging_in_key as logging_in_key
    from dovetail.auth.records import read_tokens as read_tokens
    from dovetail.auth.records import tokens_key as tokens_key
    from dovetail.auth.records import write_tokens as write_tokens
    from dovetail.auth.renewal import is_trusted as is_trusted
    from dovetail.auth.renewal import refresh as refresh
    from dovetail.auth.renewal import revoke as revoke
    from dovetail.auth.steps import Flow as Flow
    from dovetail.auth.steps import Load as Load
    from dovetail.auth.steps import Means as Means
    from dovetail.auth.steps import Prompt as Prompt
    from dovetail.auth.steps import Reply as Reply
    from dovetail.auth.steps import Request as Request
    from dovetail.auth.steps import Save as Save
    from dovetail.auth.steps import Step as Step
    from dovetail.auth.steps import Visit as Visit
    from dovetail.auth.urls import check_url as check_url
    from dovetail.auth.urls import is_loopback as is_loopback
    from dovetail.auth.urls import origin as origin

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "addresses": "refusal refusals",
        "authorization": "Authorization",
        "challenges": "Demand read_challenges read_demand",
        "clients": "Application Client",
        "dpop": "ProofKeys Proofs",
        "keys": "SigningKey",
        "login": "Binding Plan Provider find log_in log_in_alone log_in_managed log_in_workload",
        "metadata": "LARGEST ResourceMetadata ServerMetadata",
        "records": "TokenStore Tokens decode_tokens is_binding logging_in_key read_tokens tokens_key write_tokens",
        "renewal": "is_trusted refresh revoke",
        "steps": "Flow Load Means Prompt Reply Request Save Step Visit",
        "urls": "check_url is_loopback origin",
    },
)
