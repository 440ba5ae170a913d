"""The core room: decisions, sans-I/O. No loop, no socket, no clock, no randomness: they are passed in."""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.core.admission import STATELESS as STATELESS
    from dovetail.core.admission import SUPPORTED as SUPPORTED
    from dovetail.core.admission import Admission as Admission
    from dovetail.core.admission import check_method_header as check_method_header
    from dovetail.core.admission import check_name_header as check_name_header
    from dovetail.core.admission import check_version_header as check_version_header
    from dovetail.core.asks import AskLedger as AskLedger
    from dovetail.core.asks import State as State
    from dovetail.core.asks import digest_of as digest_of
    from dovetail.core.asks import read_state as read_state
    from dovetail.core.asks import without_values as without_values
    from dovetail.core.asks import write_state as write_state
    from dovetail.core.audit import AuditRecord as AuditRecord
    from dovetail.core.audit import AuditSink as AuditSink
    from dovetail.core.caching import PUBLIC as PUBLIC
    from dovetail.core.caching import CachePolicy as CachePolicy
    from dovetail.core.caching import Freshness as Freshness
    from dovetail.core.caching import Question as Question
    from dovetail.core.caching import cache_digest as cache_digest
    from dovetail.core.caching import cache_group as cache_group
    from dovetail.core.caching import cache_place as cache_place
    from dovetail.core.caching import cache_realm as cache_realm
    from dovetail.core.caching import is_cacheable as is_cacheable
    from dovetail.core.caching import is_temporary as is_temporary
    from dovetail.core.caching import unpack_pages as unpack_pages
    from dovetail.core.cors import is_preflight as is_preflight
    from dovetail.core.cors import preflight_fields as preflight_fields
    from dovetail.core.cors import reply_fields as reply_fields
    from dovetail.core.endpoint import Endpoint as Endpoint
    from dovetail.core.guard import LOOPBACK as LOOPBACK
    from dovetail.core.guard import Guard as Guard
    from dovetail.core.handshake import Handshake as Handshake
    from dovetail.core.handshake import Lifecycle as Lifecycle
    from dovetail.core.handshake import negotiate as negotiate
    from dovetail.core.http import PARAM_PREFIX as PARAM_PREFIX
    from dovetail.core.http import RESUME_HEADER as RESUME_HEADER
    from dovetail.core.http import SESSION_HEADER as SESSION_HEADER
    from dovetail.core.http import STREAM_HEADERS as STREAM_HEADERS
    from dovetail.core.http import VERSION_HEADER as VERSION_HEADER
    from dovetail.core.http import Rejected as Rejected
    from dovetail.core.http import accepts_stream as accepts_stream
    from dovetail.core.http import check_body as check_body
    from dovetail.core.http import check_post as check_post
    from dovetail.core.http import event_id as event_id
    from dovetail.core.http import fields_of as fields_of
    from dovetail.core.http import is_json as is_json
    from dovetail.core.http import read_event_id as read_event_id
    from dovetail.core.http import session_is_legal as session_is_legal
    from dovetail.core.http import status_of as status_of
    from dovetail.core.lines import LineSplitter as LineSplitter
    from dovetail.core.lines import Oversize as Oversize
    from dovetail.core.negotiation import Negotiation as Negotiation
    from dovetail.core.negotiation import Opening as Opening
    from dovetail.core.negotiation import ServerPeer as ServerPeer
    from dovetail.core.peer import ANONYMOUS as ANONYMOUS
    from dovetail.core.peer import Call as Call
    from dovetail.core.peer import Peer as Peer
    from dovetail.core.peer import Principal as Principal
    from dovetail.core.ports import Bus as Bus
    from dovetail.core.ports import Cached as Cached
    from dovetail.core.ports import Claim as Claim
    from dovetail.core.ports import Events as Events
    from dovetail.core.ports import Fresh as Fresh
    from dovetail.core.ports import Keys as Keys
    from dovetail.core.ports import Ledger as Ledger
    from dovetail.core.ports import Lost as Lost
    from dovetail.core.ports import Place as Place
    from dovetail.core.ports import ResponseStore as ResponseStore
    from dovetail.core.ports import Running as Running
    from dovetail.core.ports import Sessions as Sessions
    from dovetail.core.ports import Settled as Settled
    from dovetail.core.ports import Stores as Stores
    from dovetail.core.redaction import redact as redact
    from dovetail.core.redaction import redact_text as redact_text
    from dovetail.core.seal import Binding as Binding
    from dovetail.core.seal import open_state as open_state
    from dovetail.core.seal import seal_state as seal_state
    from dovetail.core.sse import KEEP_ALIVE as KEEP_ALIVE
    from dovetail.core.sse import Event as Event
    from dovetail.core.sse import Parser as Parser
    from dovetail.core.sse import event_bytes as event_bytes
    from dovetail.core.subscriptions import LISTS as LISTS
    from dovetail.core.subscriptions import PROMPTS_CHANGED as PROMPTS_CHANGED
    from dovetail.core.subscriptions import RESOURCES_CHANGED as RESOURCES_CHANGED
    from dovetail.core.subscriptions import TOOLS_CHANGED as TOOLS_CHANGED
    from dovetail.core.subscriptions import Filter as Filter
    from dovetail.core.subscriptions import Notice as Notice
    from dovetail.core.subscriptions import resource_updated as resource_updated
    from dovetail.core.subscriptions import url_completed as url_completed
    from dovetail.core.subscriptions import why_not as why_not

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        "admission": "Admission STATELESS SUPPORTED check_method_header check_name_header check_version_header",
        "asks": "AskLedger State digest_of read_state without_values write_state",
        "audit": "AuditRecord AuditSink",
        "caching": (
            "CachePolicy Freshness PUBLIC Question cache_digest cache_group cache_place cache_realm is_cacheable "
            "is_temporary unpack_pages"
        ),
        "cors": "is_preflight preflight_fields reply_fields",
        "endpoint": "Endpoint",
        "guard": "Guard LOOPBACK",
        "handshake": "Handshake Lifecycle negotiate",
        "http": (
            "PARAM_PREFIX RESUME_HEADER Rejected SESSION_HEADER STREAM_HEADERS VERSION_HEADER accepts_stream "
            "check_body check_post event_id fields_of is_json read_event_id session_is_legal status_of"
        ),
        "lines": "LineSplitter Oversize",
        "negotiation": "Negotiation Opening ServerPeer",
        "peer": "ANONYMOUS Call Peer Principal",
        "ports": "Bus Cached Claim Events Fresh Keys Ledger Lost Place ResponseStore Running Sessions Settled Stores",
        "redaction": "redact redact_text",
        "seal": "Binding open_state seal_state",
        "sse": "Event KEEP_ALIVE Parser event_bytes",
        "subscriptions": "Filter LISTS Notice PROMPTS_CHANGED RESOURCES_CHANGED TOOLS_CHANGED resource_updated "
        "url_completed why_not",
    },
)
