"""What looks like a credential does not reach an error or a log; what does not, stays readable."""

import pytest

from dovetail.core import redact_text
from tests.pace import growth


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
