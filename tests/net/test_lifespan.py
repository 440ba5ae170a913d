"""The lifespan of an application, as uvicorn's server sees it: answers, silence and failures."""

from types import SimpleNamespace
from typing import Any

import pytest

from dovetail.errors import DefinitionError
from dovetail.net.lifespan import Lifespan


def lifespan(app: Any) -> Lifespan:
    return Lifespan(SimpleNamespace(loaded_app=app))


async def test_an_application_that_has_no_lifespan_is_served() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"

    life = lifespan(app)
    await life.startup()
    await life.shutdown()
    assert repr(life) == "<Lifespan over>"


async def test_what_a_start_fails_with_is_raised_and_what_an_end_fails_with_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuses(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("mine")

    with pytest.raises(DefinitionError, match="could not start: no database"):
        await lifespan(refuses).startup()
    with pytest.raises(RuntimeError, match="mine"):
        await lifespan(breaks).startup()

    async def breaks_later(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise RuntimeError("later")

    life = lifespan(breaks_later)
    await life.startup()
    assert repr(life) == "<Lifespan open>"
    await life.shutdown()
    assert "The application did not stop cleanly: RuntimeError" in caplog.text
