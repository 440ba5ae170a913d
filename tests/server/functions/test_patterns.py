"""Patterns beside types: whatever a pattern is and a caller sends, nothing waits for it."""

from dataclasses import dataclass
from time import process_time
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from dovetail.errors import DovetailError, InvalidArguments
from dovetail.server.functions.elicited import form_of
from dovetail.server.functions.results import Returns
from dovetail.server.functions.signature import Signature
from dovetail.wire import ElicitResult

SLOW = r"^(a+)+$"
TEXT = "a" * 26 + "!"
Slow = Annotated[str, Meta(pattern=SLOW)]


class Held(msgspec.Struct):
    text: Slow


@dataclass
class Kept:
    text: Slow


def plain(value: Slow) -> None: ...
def behind(value: Annotated[str, Meta(pattern=r"^(a|a)*\1?$")]) -> None: ...
def listed(value: list[Slow] | None) -> None: ...
def optional(value: Slow | None = None) -> None: ...
def keyed(value: dict[Slow, int]) -> None: ...
def struct(value: Held) -> None: ...
def kept(value: list[Kept]) -> None: ...


CASES: list[tuple[Any, Any, Any]] = [
    (plain, TEXT, "aa"),
    (behind, TEXT, "aa"),
    (listed, ["a", TEXT], ["a"]),
    (optional, TEXT, None),
    (keyed, {TEXT: 1}, {"a": 1}),
    (struct, {"text": TEXT}, {"text": "a"}),
    (kept, [{"text": TEXT}], [{"text": "a"}]),
]


@pytest.mark.req("S-09", "S-11")
@pytest.mark.parametrize(("function", "bad", "good"), CASES)
def test_no_pattern_of_an_annotation_holds_a_call_up(function: Any, bad: Any, good: Any) -> None:
    signature = Signature.of(function)
    signature.decode(msgspec.json.encode({"value": good}))
    started = process_time()
    with pytest.raises(InvalidArguments) as refused:
        signature.decode(msgspec.json.encode({"value": bad}))
    assert process_time() - started < 1
    assert TEXT not in str(refused.value)
    assert refused.value.path.startswith("$.value")


@pytest.mark.req("S-10", "S-11")
@pytest.mark.parametrize(
    ("annotation", "value"), [(list[Slow], [TEXT]), (Held, Held(TEXT)), (list[Kept], [Kept(TEXT)])]
)
def test_no_pattern_of_a_result_holds_a_call_up(annotation: Any, value: Any) -> None:
    returns = Returns.as_annotated(annotation)
    started = process_time()
    with pytest.raises(DovetailError):
        returns.convert(value)
    assert process_time() - started < 1


@pytest.mark.req("S-14", "S-11")
def test_no_pattern_of_a_form_holds_a_call_up() -> None:
    form = form_of(Slow)
    assert form.read(ElicitResult(action="accept", content={"value": "aa"})).value == "aa"
    started = process_time()
    with pytest.raises(InvalidArguments):
        form.read(ElicitResult(action="accept", content={"value": TEXT}))
    assert process_time() - started < 1
