"""What looks like a credential does not reach an error or a log; what does not, stays readable."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dovetail.core import redact, redact_text
from dovetail.core.redaction import MARK
from tests.pace import growth

CANARY = "c4n4ryc4n4ryc4n4ry"


@pytest.mark.req("W-12")
@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer CANARY-canary",
        "authorization: basic CANARYcanary=",
        "using key sk-CANARYcanary123",
        "ghp_CANARYcanary12345",
        "token eyJhbGciOiJub25lIn0.CANARYcanary.CANARY",
        "GITHUB_TOKEN=CANARY",
        '{"client_secret": "CANARY"}',
        "{'api-key': 'CANARY'}",
        "AWS_SECRET_ACCESS_KEY=CANARY",
        "DB_PASSWORD: CANARY",
        "postgres://user:CANARY@db/x",
        "https://user:CANARY@example.com/",
        "GET https://example.com/cb?code=CANARY&state=1",
    ],
)
def test_what_looks_like_a_credential_is_taken_out(text: str) -> None:
    assert "CANARY" not in redact_text(text)
    assert "[redacted]" in redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        'File "/srv/app/server.py", line 3, in <module>',
        "ModuleNotFoundError: No module named 'requests'",
        "Listening on http://127.0.0.1:8000/mcp",
        "npm error code E404",
        "Segmentation fault (core dumped)",
    ],
)
def test_what_a_person_needs_to_find_the_fault_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("unit", ["a-", "token", "eyJ", "https://a", "bearer ", "-----BEGIN ", "token=", "a://"])
def test_no_text_makes_it_slow(unit: str) -> None:
    assert growth(lambda size: lambda: redact_text(unit * size), 8_000) < 3


@pytest.mark.req("S-23")
@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {CANARY}",
        f"bearer {CANARY}",
        f"got DPoP {CANARY} from upstream",
        f"sk-{CANARY}",
        f"ghp_{CANARY}",
        f"token eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}",
        f"GET https://example.com/cb?code={CANARY}&state=1",
        f"password={CANARY}",
        f'{{"client_secret": "{CANARY}"}}',
        f"Cookie: {CANARY}",
        f"refresh_token={CANARY}; next",
    ],
)
def test_a_text_loses_what_looks_like_a_credential(text: str) -> None:
    assert CANARY not in redact_text(text)
    assert MARK in redact_text(text)


@pytest.mark.parametrize(
    "text", ["Looked up order 17", "https://example.com/a/b", "The token count is fine", "", "a?b=c", "basic income"]
)
def test_a_text_without_a_credential_stays_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.req("S-23")
def test_a_value_under_a_name_of_a_secret_is_replaced_at_any_depth() -> None:
    data = {"user": "ada", "steps": [{"api_key": CANARY, "n": 1}, (f"Bearer {CANARY}",)], "password": {"old": CANARY}}
    shown = redact(data)
    assert CANARY not in json.dumps(shown)
    assert (shown["user"], shown["steps"][0]["n"]) == ("ada", 1)


@pytest.mark.req("S-23")
def test_what_nests_without_end_is_cut_off_and_not_shown() -> None:
    deep: list[object] = [CANARY]
    for _ in range(10_000):
        deep = [deep]
    assert CANARY not in json.dumps(redact(deep))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_value_can_be_redacted_and_a_second_time_changes_nothing(value: object) -> None:
    once = redact(value)
    assert redact(once) == once
