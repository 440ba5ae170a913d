"""A function's parameters as its author wrote them: names, kinds, resolved annotations, defaults.

Reads functions, methods, partials, callable objects and classes; annotations that are strings are resolved where the
function stands, names that are local to an enclosing function included. Never here: what a parameter means (see
`signature`).
"""

import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from types import FrameType, SimpleNamespace
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from dovetail.errors import DefinitionError

MISSING: Final = inspect.Parameter.empty
_POSITIONAL: Final = inspect.Parameter.POSITIONAL_ONLY
_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY
_LOCALS: Final = ".<locals>."


class Declared(msgspec.Struct, frozen=True):
    """One parameter.

    Attributes:
        name: As it stands in the source.
        annotation: Resolved; Any when there is none.
        default: `MISSING` when there is none.
        positional: Can be given by place only.
        keyword: Can be given by name only.
    """

    name: str
    annotation: Any
    default: Any
    positional: bool
    keyword: bool


class Declaration(msgspec.Struct, frozen=True):
    """All that a function says of its parameters.

    Attributes:
        parameters: In order, without those that a partial has fixed by name.
        open: It takes any further name (`**rest`).
        namespace: Where strings in annotations of its parameters' types are resolved, too.
        globals: What is global where it stands.
    """

    parameters: tuple[Declared, ...]
    open: bool
    namespace: Mapping[str, Any]
    globals: dict[str, Any]


def declaration_of(function: Callable[..., Any], *, open_ended: bool = False) -> Declaration:
    """Read a function.

    Args:
        function: Whatever can be called.
        open_ended: `**rest` is fine.

    Raises:
        DefinitionError: `*args`, `**rest`, an annotation that does not resolve, or something that says nothing of
            itself.
    """
    name = name_of(function)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise DefinitionError(f"{name} says nothing of its parameters") from None
    fixed = _fixed(function)
    namespace = namespace_of(function)
    declared: list[Declared] = []
    rest = False
    for parameter in signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            raise DefinitionError(f"{name}: *{parameter.name} has no schema; give each parameter a name")
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            if not open_ended:
                raise DefinitionError(f"{name}: **{parameter.name} has no schema; give each parameter a name")
            rest = True
        elif parameter.name not in fixed:
            declared.append(_declared(function, parameter, namespace))
    return Declaration(tuple(declared), rest, namespace, globals_of(function))


def returned_by(function: Callable[..., Any]) -> Any:
    """Return a function's resolved return annotation; `MISSING` when there is none.

    Raises:
        DefinitionError: It does not resolve.
    """
    try:
        annotation = inspect.signature(function).return_annotation
    except (TypeError, ValueError):
        return MISSING
    if annotation is MISSING:
        return MISSING
    return _resolved(function, "return", annotation, namespace_of(function))


def awaited(annotation: Any) -> Any:
    """Return what a plain function's awaitable is awaited for."""
    if get_origin(annotation) in (Awaitable, Coroutine):
        return get_args(annotation)[-1]
    return annotation


def called_by(function: Any) -> Any:
    """Return what runs when something is called: behind partials, and of an object its method."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isclass(function) or inspect.isroutine(function):
        return function
    return getattr(function, "__call__", function)  # noqa: B004


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling it makes a coroutine."""
    return inspect.iscoroutinefunction(called_by(function))


def name_of(function: Any) -> str:
    """Return what to call a function in an error, or where it was given no name."""
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def doc_of(function: Any) -> str | None:
    """Return what a callable says of itself; a partial says what its function does, an object what calling it does."""
    while isinstance(function, partial):
        function = function.func
    if not inspect.isclass(function) and not inspect.isroutine(function):
        function = type(function).__call__ if type(function).__call__.__doc__ else type(function)
    text = function.__doc__
    return text if isinstance(text, str) else None


def _declared(function: Any, parameter: inspect.Parameter, namespace: Mapping[str, Any]) -> Declared:
    annotation: Any = Any
    if parameter.annotation is not MISSING:
        annotation = _resolved(function, parameter.name, parameter.annotation, namespace)
    default = parameter.default
    if type(default).__name__ == "FieldInfo" and type(default).__module__ == "pydantic.fields":
        # `limit: int = Field(5, ge=1)`: what stands there is not the default, but says what it is.
        annotation = Annotated[annotation, _without_default(default)]
        default = MISSING if default.is_required() else default.get_default(call_default_factory=True)
    return Declared(parameter.name, annotation, default, parameter.kind is _POSITIONAL, parameter.kind is _KEYWORD)


def _without_default(field: Any) -> Any:
    from copy import copy

    bare = copy(field)
    bare.default_factory = None
    return bare


def _resolved(function: Any, name: str, annotation: Any, namespace: Mapping[str, Any]) -> Any:
    holder = SimpleNamespace(__annotations__={name: annotation})
    try:
        # A namespace of its own, so that one name that does not resolve spoils one annotation only.
        hints = get_type_hints(holder, globals_of(function), dict(namespace), include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{name_of(function)}: the annotation of {name!r} names {error.name!r}, which is not known where it stands"
        ) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        raise DefinitionError(f"{name_of(function)}: the annotation of {name!r} is no type: {error}") from None
    return None if annotation is None else hints[name]


def _fixed(function: Any) -> set[str]:
    """Return the names that a partial has given values to: their author decided, so callers do not."""
    names: set[str] = set()
    while isinstance(function, partial):
        names |= set(function.keywords)
        function = function.func
    return names


def _source(function: Any) -> Any:
    """Return the plain function behind a callable: where its annotations were written."""
    while isinstance(function, partial):
        function = function.func
    if inspect.isclass(function):
        function = function.__init__
    elif not inspect.isroutine(function):
        function = type(function).__call__
    return inspect.unwrap(getattr(function, "__func__", function))


def globals_of(function: Any) -> dict[str, Any]:
    """Return what is global where a function was written."""
    found: dict[str, Any] = getattr(_source(function), "__globals__", {})
    return found


def namespace_of(function: Any) -> Mapping[str, Any]:
    """Return the names around a function that are not global: its closure's, and those of a function around it."""
    source = _source(function)
    code = getattr(source, "__code__", None)
    names: dict[str, Any] = dict(_enclosing(source))
    if code is not None:
        for name, cell in zip(code.co_freevars, source.__closure__ or (), strict=True):
            try:
                names[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
    return names


def _enclosing(source: Any) -> Mapping[str, Any]:
    outer, _, _ = getattr(source, "__qualname__", "").rpartition(_LOCALS)
    if not outer:
        return {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_qualname == outer and frame.f_globals is source.__globals__:
            return frame.f_locals
        frame = frame.f_back
    return {}
