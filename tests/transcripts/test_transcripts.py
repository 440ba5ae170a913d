"""Golden conversations, one file each: `tests/transcripts/<revision>/<scenario>.txt`.

A line that begins with `> ` is what the client sends, `< ` is what the server sends then, everything else is prose. The
same lines are sent again here, and the server must say the same, byte for byte. What is different every time (a sealed
state, say) is written as a word in braces. `make transcripts` writes the server's lines anew; read the difference then.
"""

import asyncio
from pathlib import Path

import pytest

from dovetail.revisions import REVISIONS
from tests.transcripts.replay import replayed

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*/*.txt"))


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}-{path.stem}" for path in FILES])
def test_the_server_says_what_it_said(path: Path, request: pytest.FixtureRequest) -> None:
    then = path.read_text(encoding="utf-8")
    now = asyncio.run(replayed(then, path.parent.name))
    if request.config.getoption("--update"):
        path.write_text(now, encoding="utf-8")
    else:
        assert now == then


def test_every_revision_has_its_transcripts() -> None:
    scenarios = {path.stem for path in FILES}
    assert {path.parent.name for path in FILES} == {revision.version for revision in REVISIONS}
    assert len(FILES) >= len(scenarios) * (len(REVISIONS) - 1)
