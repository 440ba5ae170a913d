"""`list`, `call`, `read`, `prompt` and `listen` as a user has them: real processes, real servers, real terminals."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import DOVETAIL, at_a_terminal, dovetail, environment, started

pytestmark = pytest.mark.timeout(60)
Json = dict[str, Any]

SHOP = '''
import os
import sys
from typing import Literal

from dovetail import Context, Image, Server, ToolError
from dataclasses import dataclass

app = Server("shop", version="1.2.3", instructions="Sell \\x1b[31mred\\x1b[0m things.")


@dataclass
class Order:
    item: str
    count: int


@dataclass
class Form:
    size: Literal["small", "large"]
    count: int = 2
    note: str = ""


@app.tool
def order(item: str, count: int = 1) -> Order:
    """Order something.

    Args:
        item: What.
    """
    return Order(item, count)


@app.tool
def greet(name: str) -> str:
    """Say hello, \\x1b]0;owned\\x07and no more."""
    return f"Hello, {name}\\x1b[2J."


@app.tool
def fail() -> str:
    """Fail."""
    raise ToolError("There is none.\\nAsk for another.")


@app.tool
def photo() -> Image:
    """A picture."""
    return Image(b"\\x89PNG" + bytes(96), "image/png")


@app.tool
async def work(ctx: Context) -> str:
    """Report."""
    await ctx.progress(1, 2, "half of it")
    await ctx.log.warning("getting warm")
    print("a word to the side", file=sys.stderr)
    return os.environ.get("SHOP_KEY", "no key")


@app.tool
async def fit(ctx: Context) -> str:
    """Ask."""
    answer = await ctx.elicit("Which size?", Form)
    return f"{answer.action} {answer.value if answer.accepted else ''}"


@app.tool
async def pay(ctx: Context) -> str:
    """Send somebody to a page."""
    answer = await ctx.elicit_url("Please pay", "https://pay.example/7?a=1")
    return answer.action


@app.tool
def learn() -> str:
    """Learn."""
    app.add_tool(shout)
    return "learnt"


def shout(text: str) -> str:
    """Say it loud."""
    return text.upper()


@app.resource("shop://hours", mime_type="text/plain")
def hours() -> str:
    """When it is open."""
    return "9 to 17"


@app.resource("shop://logo", mime_type="image/png")
def logo() -> bytes:
    return b"\\x89PNG\\r\\n"


@app.resource("policy://{topic}")
def policy(topic: str) -> str:
    """What it promises."""
    return topic


@app.prompt
def triage(ticket: str, tone: str = "calm") -> str:
    """Sort a ticket."""
    return f"{ticket}, {tone}"


if __name__ == "__main__":
    app.run()
'''


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(SHOP)
    (folder / "mcp.json").write_text(
        json.dumps({"mcpServers": {"shop": {"command": sys.executable, "args": ["shop.py"]}}})
    )
    return folder


@pytest.fixture(scope="module")
def url(shop: Path) -> Iterator[str]:
    command = [*DOVETAIL, "run", "shop.py", "--transport", "http", "--port", "0"]
    with subprocess.Popen(command, cwd=shop, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        yield process.stderr.readline().split()[2]
        process.terminate()


# What it offers.


def test_what_a_server_offers_is_listed_in_tables(shop: Path) -> None:
    done = dovetail("list", "shop.py", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["shop 1.2.3, MCP 2026-07-28", "  Sell red things."]
    assert "Tools (8)" in lines
    assert "  order  item: string, count?: integer  Order something." in lines
    assert "  greet  name: string                   Say hello, and no more." in lines
    assert "  shop://hours  text/plain  When it is open." in lines
    assert "  triage  ticket, tone?  Sort a ticket." in lines
    assert "\x1b" not in done.stdout
    assert not [line for line in lines if line != line.rstrip()]


def test_one_kind_can_be_listed_and_all_of_it_as_json(shop: Path) -> None:
    done = dovetail("list", "shop.py", "resources", "--json", "--revision", "2025-06-18", cwd=shop)
    found = json.loads(done.stdout)
    assert found["revision"] == "2025-06-18"
    assert found["server"]["name"] == "shop"
    assert [each["uri"] for each in found["resources"]] == ["shop://hours", "shop://logo"]
    assert "tools" not in found
    whole = json.loads(dovetail("list", "shop.py", "--json", cwd=shop).stdout)
    assert {"tools", "resources", "resourceTemplates", "prompts"} < whole.keys()
    assert whole["tools"][0]["inputSchema"]["properties"]["item"]["description"] == "What."


@pytest.mark.parametrize("columns", [40, 64, 80, 200])
def test_no_line_is_wider_than_the_terminal(shop: Path, columns: int) -> None:
    status, screen = at_a_terminal("list", "shop.py", "tools", cwd=shop, columns=columns, NO_COLOR="1")
    plain = screen.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert status == 0
    assert "\x1b" not in plain
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= columns
    assert "Order something." in " ".join(plain.split())


def test_a_terminal_gets_colours(shop: Path) -> None:
    assert "\x1b[36m" in at_a_terminal("list", "shop.py", "tools", cwd=shop)[1]


# Every way to say which server.


def test_every_spelling_of_a_target_leads_to_the_server(shop: Path, url: str) -> None:
    for words in (["shop.py:app"], ["mcp.json:shop"], [url]):
        done = dovetail("call", *words, "greet", "name=you", cwd=shop)
        assert (done.stdout, done.returncode) == ("Hello, you.\n", 0), done.stderr
    done = dovetail("call", "greet", "name=you", "--", sys.executable, "shop.py", cwd=shop)
    assert done.stdout == "Hello, you.\n"


def test_a_program_keeps_its_own_options(shop: Path) -> None:
    code = "import runpy; runpy.run_path('shop.py', run_name='__main__')"
    done = dovetail("list", "prompts", "--json", "--", sys.executable, "-c", code, "--json", cwd=shop)
    assert json.loads(done.stdout)["prompts"][0]["name"] == "triage"


# Calls.


def test_a_result_is_printed_once_for_people_and_whole_for_programs(shop: Path) -> None:
    done = dovetail("call", "shop.py", "order", "item=tea", "count=3", cwd=shop)
    assert json.loads(done.stdout) == {"item": "tea", "count": 3}
    told = json.loads(dovetail("call", "shop.py", "order", '{"item": "tea"}', "--json", cwd=shop).stdout)
    assert told["structuredContent"] == {"item": "tea", "count": 1}
    assert json.loads(told["content"][0]["text"]) == told["structuredContent"]
    assert told["isError"] is False
    assert dovetail("call", "shop.py", "photo", cwd=shop).stdout == "[image, image/png, 100 bytes]\n"


def test_a_tool_that_fails_is_one_message_and_status_1(shop: Path) -> None:
    done = dovetail("call", "shop.py", "fail", cwd=shop)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "dovetail call: fail failed: There is none.\nAsk for another.\n"
    told = dovetail("call", "shop.py", "fail", "--json", cwd=shop)
    assert (told.returncode, json.loads(told.stdout)["isError"]) == (1, True)


def test_progress_and_logs_are_on_stderr_and_the_programs_own_words_on_request(shop: Path) -> None:
    done = dovetail("call", "shop.py", "work", "--env", "SHOP_KEY=k7", "--stderr", cwd=shop)
    assert done.stdout == "k7\n"
    assert {"1/2 (50%) half of it", "warning shop: getting warm", "  | a word to the side"} <= set(
        done.stderr.replace("warning:", "warning shop:").splitlines()
    )
    assert "getting warm" not in dovetail("call", "shop.py", "work", "--log-level", "error", cwd=shop).stderr


def test_a_resource_goes_into_a_pipe_as_it_is(shop: Path) -> None:
    command = [*DOVETAIL, "read", "shop.py", "shop://logo"]
    done = subprocess.run(command, cwd=shop, env=environment(), capture_output=True, timeout=40)
    assert done.stdout == b"\x89PNG\r\n"
    assert dovetail("read", "shop.py", "policy://refund", cwd=shop).stdout == "refund"
    told = json.loads(dovetail("read", "shop.py", "shop://hours", "--json", cwd=shop).stdout)
    assert told == {"contents": [{"uri": "shop://hours", "mimeType": "text/plain", "text": "9 to 17"}]}
    assert "[shop://logo, image/png, 6 bytes]" in at_a_terminal("read", "shop.py", "shop://logo", cwd=shop)[1]


def test_a_prompt_is_shown_message_by_message(shop: Path) -> None:
    assert dovetail("prompt", "shop.py", "triage", "ticket=7", cwd=shop).stdout == "user\n7, calm\n"
    told = json.loads(dovetail("prompt", "shop.py", "triage", "ticket=7", "tone=brisk", "--json", cwd=shop).stdout)
    assert told["messages"][0]["content"]["text"] == "7, brisk"


# Questions.


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
def test_a_form_is_asked_field_by_field_until_it_fits(shop: Path, version: str) -> None:
    answers = ["9", "Large", "many", "5", "", "y"]
    status, screen = at_a_terminal("call", "shop.py", "fit", "--revision", version, cwd=shop, answers=answers)
    assert status == 0
    assert "shop asks: Which size?" in screen
    assert "1. small" in screen
    assert "Please choose from 1 to 2." in screen
    assert "count (whole number, optional) [2]: many\n    Please type a whole number." in screen
    assert "accept Form(size='large', count=5, note='')" in screen


def test_a_form_can_be_edited_declined_and_cancelled(shop: Path) -> None:
    edited = ["1", "5", "", "e", "2", "", "dear", ""]
    assert (
        "accept Form(size='large', count=5, note='dear')"
        in at_a_terminal("call", "shop.py", "fit", cwd=shop, answers=edited)[1]
    )
    assert "decline" in at_a_terminal("call", "shop.py", "fit", cwd=shop, answers=["1", "", "", "n"])[1]
    assert "cancel" in at_a_terminal("call", "shop.py", "fit", cwd=shop, answers=["1", b"\x04"])[1]


def test_ctrl_c_at_a_question_ends_the_command(shop: Path) -> None:
    status, screen = at_a_terminal("call", "shop.py", "fit", cwd=shop, answers=[b"\x03"])
    assert status == 130
    assert "Traceback" not in screen


def test_a_url_is_shown_whole_and_visited_only_when_the_user_says_so(shop: Path) -> None:
    for answer, action in (("", "decline"), ("c", "cancel"), ("y", "accept")):
        status, screen = at_a_terminal("call", "shop.py", "pay", cwd=shop, answers=[answer], BROWSER="/bin/true %s")
        assert status == 0
        assert "It wants you to visit pay.example:\n  https://pay.example/7?a=1" in screen
        assert screen.rstrip().endswith(action)


def test_without_a_terminal_nobody_is_asked(shop: Path) -> None:
    done = dovetail("call", "shop.py", "fit", cwd=shop)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "can be answered at a terminal only" in done.stderr


# Listening.


async def test_changes_are_said_line_by_line_until_ctrl_c(shop: Path, url: str) -> None:
    async with started("listen", url, "--tools", "--json", cwd=shop) as program:
        await program.says("Listening to shop")
        await asyncio.to_thread(dovetail, "call", url, "learn", cwd=shop)
        assert await program.receive() == {"kind": "tools"}
        os.kill(program.process.pid, signal.SIGINT)
        assert await program.ended() == 0


async def test_it_ends_by_itself_after_so_many(shop: Path) -> None:
    async with started("run", "shop.py", "--transport", "http", "--port", "0", cwd=shop) as server:
        where = (await server.says("Serving on")).split()[2]
        async with started("listen", where, "--count", "1", cwd=shop) as program:
            await program.says("Listening to shop")
            await asyncio.to_thread(dovetail, "call", where, "learn", cwd=shop)
            assert await program.ended() == 0


# What goes wrong.


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (["list"], 2, "which server?"),
        (["call", "shop.py"], 2, "which tool?"),
        (["read", "shop.py", "a", "b"], 2, "unexpected 'b'"),
        (["list", "shop.py", "toys"], 2, "there is no kind 'toys'; there are tools, resources, templates, prompts"),
        (["list", "shop.py", "--token", "t"], 2, "--token is for a server over HTTP"),
        (["list", "http://127.0.0.1:9/mcp", "--env", "A=b"], 2, "--env is for a program"),
        (["list", "http://127.0.0.1:9/mcp", "--oauth", "--token", "t"], 2, "choose one"),
        (["call", "shop.py", "oder"], 2, "there is no tool 'oder'; did you mean order?"),
        (["call", "shop.py", "order", "count=x"], 2, "count: expected integer, not 'x'"),
        (["call", "shop.py", "order", "--timeout", "0"], 2, "--timeout needs a number above 0"),
        (["call", "shop.py", "order"], 1, "item"),
        (["read", "shop.py", "nothing://x"], 1, "Resource not found (-32602)"),
        (["list", "http://127.0.0.1:9/mcp"], 1, "is it running, and is the URL right?"),
        (["list", "--", "no-such-program"], 1, "There is no program 'no-such-program'"),
        (["list", "--", "python3", "-c", "raise SystemExit(3)"], 1, "the server ended with exit code 3"),
        (["listen", "shop.py", "--resources", "--resource", "shop://hours"], 2, "one at a time"),
    ],
)
def test_a_mistake_is_one_line_on_stderr(shop: Path, line: list[str], status: int, said: str) -> None:
    done = dovetail(*line, cwd=shop)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"dovetail {line[0]}: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_what_a_program_said_last_stands_before_the_line(shop: Path) -> None:
    done = dovetail("list", "--", "python3", "-c", "import sys; sys.exit('no database')", cwd=shop)
    assert done.stderr.splitlines() == [
        "  | no database",
        "dovetail list: python3 -c: opening: the server ended with exit code 1; is this a server of MCP?",
    ]


def test_who_stops_reading_gets_no_traceback(shop: Path) -> None:
    command = " ".join([*DOVETAIL, "list", "shop.py", "--json", "|", "true"])
    done = subprocess.run(
        ["bash", "-c", command], cwd=shop, env=environment(), capture_output=True, text=True, timeout=40
    )
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
