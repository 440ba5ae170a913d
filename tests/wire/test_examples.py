"""The official examples of 2026-07-28 decode, and come back as they were. They are read where they lie."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

import dovetail.wire as wire

ROOT = Path(__file__).parents[2]
SPEC = Path(os.environ.get("DOVETAIL_SPEC", ROOT.parent / "shared" / "spec"))
EXAMPLES = sorted((SPEC / "2026-07-28" / "examples").glob("*/*.json"))

if not EXAMPLES:
    pytest.skip("the official examples do not lie here", allow_module_level=True)

ELSEWHERE = {"ElicitRequestFormParams": "ElicitRequestParams", "ElicitRequestURLParams": "ElicitRequestParams"}
CONTENTS = {"TextResourceContents": "ResourceContents", "BlobResourceContents": "ResourceContents"}
FIELDS = {
    "StringSchema",
    "UntitledSingleSelectEnumSchema",
    "TitledSingleSelectEnumSchema",
    "UntitledMultiSelectEnumSchema",
    "TitledMultiSelectEnumSchema",
    "NumberSchema",
    "BooleanSchema",
}


def typed(name: str) -> Any:
    """Return the type of an example that is not an envelope, or None."""
    if name in FIELDS:
        return wire.PrimitiveSchemaDefinition
    return getattr(wire, (ELSEWHERE | CONTENTS).get(name, name), None)


def parts(name: str, document: Any) -> list[tuple[Any, Any]]:
    """Return what stands in an example, and the type of each part."""
    if name.endswith(("Request", "Notification")):
        return [(wire.METHODS[document["method"]].params, document.get("params", {}))]
    if name.endswith("ResultResponse"):
        return [(typed(name.removesuffix("Response")), document["result"])]
    if name == "InputRequests":
        return [(wire.METHODS[question["method"]].params, question.get("params", {})) for question in document.values()]
    if name == "InputResponses":
        return [
            (wire.ElicitResult if "action" in answer else wire.CreateMessageResult, answer)
            for answer in document.values()
        ]
    if name in {"UnsupportedProtocolVersionError", "MissingRequiredClientCapabilityError"}:
        data = wire.UnsupportedVersionData if name.startswith("Uns") else wire.MissingCapabilityData
        return [(data, document["error"]["data"])]
    return [(typed(name), document)]


def said(value: Any) -> Any:
    """Drop what need not be written: `mode: form` is the default."""
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items() if (key, item) != ("mode", "form")}
    return [said(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_official_example_comes_back_as_it_was(path: Path) -> None:
    name, document = path.parent.name, json.loads(path.read_bytes())
    if name.endswith("Error") and "data" not in document.get("error", {}):
        assert isinstance(document.get("error", document)["code"], int)  # written by frames, not by a type
        return
    for type, part in parts(name, document):
        assert type is not None, name
        assert json.loads(msgspec.json.encode(msgspec.json.decode(json.dumps(part), type=type))) == said(part)
