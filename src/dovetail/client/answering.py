"""Answering what a server asks: one set of handlers for back-channel requests and for multi-round results alike.

Invariants: a question is answered by the handler that its method names, or refused with a typed error; what a handler
returns is checked against what was asked before it leaves; a handler that fails tells the server nothing of why.
"""

import asyncio
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from dovetail.client.handler_threads import HandlerThreads
from dovetail.client.options import OnElicit, OnRoots, OnSample, Roots
from dovetail.errors import DefinitionError, InternalError, InvalidParams, MethodNotFound
from dovetail.wire import (
    ClientCapabilities,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitationCapability,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    Root,
    RootsCapability,
    SamplingCapability,
    TextContent,
    decode,
)

log = logging.getLogger("dovetail.client")

MOST_THREADS: Final = 100
"""Plain handlers of a client that run at a time, each in a thread; more wait."""
_HERE: Final = "file://"
_ELICITED: Final = "a mapping of the form's fields to their values, None to decline, or an ElicitResult"
_ACTIONS: Final = ("accept", "decline", "cancel")
_RESULT: Final = "one whose `action` is accept, decline or cancel, and whose `content` is a dict or None"
_SAMPLED: Final = "a CreateMessageResult, or the text that the model said"
_ROOTS: Final = "directories and `file://` URIs: paths, texts or Root"


class Answering:
    """The handlers of one client."""

    def __init__(
        self,
        on_elicit: OnElicit | None = None,
        on_sample: OnSample | None = None,
        roots: Roots | OnRoots | None = None,
    ) -> None:
        """Answer with these; what has no handler is not declared."""
        self._on_elicit = on_elicit
        self._on_sample = on_sample
        self._roots = roots
        self._threads = HandlerThreads(MOST_THREADS)

    def capabilities(
        self, extensions: Mapping[str, Any] | None = None, experimental: Mapping[str, Any] | None = None
    ) -> ClientCapabilities:
        """Return what to declare: what there are handlers for, and nothing else."""
        return ClientCapabilities(
            roots=None if self._roots is None else RootsCapability(list_changed=True),
            sampling=None if self._on_sample is None else SamplingCapability(tools={}),
            elicitation=None if self._on_elicit is None else ElicitationCapability(form={}, url={}),
            extensions=dict(extensions) if extensions else None,
            experimental=dict(experimental) if experimental else None,
        )

    async def answer(self, method: str, params: bytes | msgspec.Raw | None) -> msgspec.Struct:
        """Answer one question.

        Raises:
            MethodNotFound: There is no handler for it.
            InvalidParams: The question is malformed.
            InternalError: The handler failed, or its answer is not what was asked for.
            DefinitionError: The handler's answer is of no type that means anything.
        """
        raw = params or b"{}"
        match method:
            case "elicitation/create" if self._on_elicit is not None:
                return await self.elicit(decode(raw, ElicitRequestParams))
            case "sampling/createMessage" if self._on_sample is not None:
                return _message(await self._run(self._on_sample, decode(raw, CreateMessageRequestParams)))
            case "roots/list" if self._roots is not None:
                given = await self._run(_collected(self._roots)) if callable(self._roots) else self._roots
                return ListRootsResult(roots=_roots(given))
            case "ping":
                return msgspec.defstruct("Empty", [])()
        raise MethodNotFound(f"{method}: this client does not answer that")

    async def elicit(self, question: ElicitRequestParams) -> ElicitResult:
        """Ask the user.

        Raises:
            MethodNotFound: There is nobody who could.
            InternalError: The handler failed, or filled the form in wrongly.
            DefinitionError: It returned something else than `OnElicit` says.
        """
        if self._on_elicit is None:
            raise MethodNotFound("elicitation/create: this client does not answer that")
        if (question.mode == "url") != (question.url is not None):
            raise InvalidParams("mode: expected `url` with a url, and no other mode with one")
        if question.url is not None and not _is_page(question.url):
            raise InvalidParams("url: expected one of https or http, with a host")
        answer = await self._run(self._on_elicit, question)
        if answer is None:
            return ElicitResult(action="decline")
        if isinstance(answer, Mapping):
            answer = ElicitResult(action="accept", content=None if question.mode == "url" else dict(answer))
        if not isinstance(answer, ElicitResult):
            raise _meaningless("on_elicit", answer, _ELICITED)
        if answer.action not in _ACTIONS or not isinstance(answer.content, dict | None):
            raise _meaningless("on_elicit", answer, _RESULT)
        if answer.action == "accept" and question.requested_schema is not None:
            return ElicitResult(action="accept", content=_filled(question, answer.content or {}), meta=answer.meta)
        return answer

    async def _run(self, handler: Callable[..., Any], *question: Any) -> Any:
        """Call a user's handler: a plain function in a thread, since it may wait for somebody at a keyboard."""
        task = asyncio.current_task()
        try:
            if inspect.iscoroutinefunction(handler):
                return await handler(*question)
            result = await self._threads.call(partial(handler, *question))
            return await result if inspect.isawaitable(result) else result
        except asyncio.CancelledError as error:
            if task is not None and task.cancelling():
                raise
            log.exception("A handler of the client failed")  # what it waited for was cancelled, and nobody cancelled it
            raise InternalError("The client's handler failed") from error
        except Exception as error:
            log.exception("A handler of the client failed")
            raise InternalError("The client's handler failed") from error


def _is_page(url: str) -> bool:
    """Tell whether a URL is one to be opened in a browser: no `javascript:`, no file, no other program's scheme.

    "Clients implementing URL mode elicitation MUST handle URLs carefully to prevent users from unknowingly clicking
    malicious links" (2025-11-25, Elicitation, Safe URL Handling).
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(host) and url.isprintable() and " " not in url


def _filled(question: ElicitRequestParams, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filled-in form with the schema's defaults for what was left out, if it fits the schema.

    "Clients that support defaults SHOULD pre-populate form fields with these values." (2025-11-25, Elicitation)
    """
    from dovetail.wire import compile_schema

    form = question.requested_schema
    assert form is not None
    defaults = {name: field.default for name, field in form.properties.items() if field.default is not None}
    filled = {**defaults, **content}
    try:
        compile_schema(msgspec.json.encode(form)).check(filled)
    except InvalidParams as error:
        log.error("The form was filled in wrongly: %s", error.message)
        raise InternalError("The client's answer does not fit the form") from None
    return filled


def _message(answer: Any) -> CreateMessageResult:
    if isinstance(answer, CreateMessageResult):
        return answer
    if isinstance(answer, str):
        return CreateMessageResult(role="assistant", content=TextContent(text=answer), model="unknown")
    raise _meaningless("on_sample", answer, _SAMPLED)


def _meaningless(option: str, answer: Any, expected: str) -> DefinitionError:
    """Return, and log, what is wrong with a handler's answer: its type, never its value. The server is told nothing."""
    error = DefinitionError(f"{option} returned {type(answer).__name__}: expected {expected}")
    log.error("%s", error)
    return error


def _collected(handler: OnRoots) -> OnRoots:
    """Return a handler whose roots are all there when it returns: a generator's work is done in its thread, too."""
    if inspect.iscoroutinefunction(handler):
        return handler

    def collected() -> Any:
        found = handler()
        return list(found) if isinstance(found, Iterator) else found

    return collected


def _roots(found: Any) -> list[Root]:
    if isinstance(found, str | os.PathLike | Root):
        found = [found]
    if not isinstance(found, Iterable):
        raise _meaningless("roots", found, _ROOTS)
    return [_root(item) for item in found]


def _root(given: Root | str | os.PathLike[str]) -> Root:
    if isinstance(given, Root):
        return given
    if not isinstance(given, str | os.PathLike):
        raise _meaningless("roots", given, _ROOTS)
    text = os.fspath(given)
    # "uri: [...] This MUST be a file:// URI in the current specification." (2025-11-25, Roots)
    return Root(uri=text if text.startswith(_HERE) else Path(text).absolute().as_uri())
