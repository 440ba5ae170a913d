"""The commands that visit a server, and those that log in to one: tables of them and of their options, from which help
and page are made."""

from typing import Final, get_args

import msgspec

from dovetail.cli.options import Option
from dovetail.revisions import REVISIONS
from dovetail.wire import LoggingLevel

JSON: Final = Option(flag="--json", key="json", help="Print JSON, for a program.", http=False)
TIMEOUT: Final = Option(
    flag="--timeout",
    key="timeout",
    help="Silence after which the server is given up; opening takes no longer, either.",
    metavar="SECONDS",
    seconds=True,
    default=60,
    http=False,
)
REVISION: Final = Option(
    flag="--revision",
    key="revision",
    help="The only protocol revision to speak; by default the newest of both sides.",
    choices=tuple(revision.version for revision in REVISIONS),
    http=False,
)
HEADER: Final = Option(
    flag="--header",
    key="headers",
    help="A header field of every request.",
    metavar="NAME:VALUE",
    many=True,
)
TOKEN: Final = Option(
    flag="--token",
    key="token",
    help="A bearer token; better kept in the variable DOVETAIL_TOKEN, which nobody else can see.",
    metavar="TOKEN",
)
OAUTH: Final = Option(flag="--oauth", key="oauth", help="Log in with the browser when the server asks for it.")
ENV: Final = Option(
    flag="--env",
    key="env",
    help="A variable for the program: it inherits only harmless ones. NAME alone passes on ours.",
    metavar="NAME[=VALUE]",
    many=True,
    http=False,
)
STDERR: Final = Option(
    flag="--stderr",
    key="stderr",
    help="Show what the program writes to its standard error.",
    http=False,
)
LOG_LEVEL: Final = Option(
    flag="--log-level",
    key="log_level",
    help="The least level of the server's log messages that are shown.",
    choices=get_args(LoggingLevel),
    default="info",
    http=False,
)
ALL_TOOLS: Final = Option(flag="--tools", key="tools", help="Hear of the list of tools.", http=False)
ALL_PROMPTS: Final = Option(flag="--prompts", key="prompts", help="Hear of the list of prompts.", http=False)
ALL_RESOURCES: Final = Option(flag="--resources", key="resources", help="Hear of the list of resources.", http=False)
RESOURCE: Final = Option(
    flag="--resource",
    key="uris",
    help="Hear of the contents of this resource.",
    metavar="URI",
    many=True,
    http=False,
)
COUNT: Final = Option(
    flag="--count",
    key="count",
    help="End after so many changes; by default Ctrl-C ends it.",
    metavar="N",
    number=True,
    http=False,
)
PINGS: Final = Option(
    flag="--pings",
    key="pings",
    help="How often the time of an answer is taken.",
    metavar="N",
    number=True,
    default=20,
    http=False,
)
STORE: Final = Option(
    flag="--store",
    key="store",
    help="Where logins are kept: files whose key lies beside them, or is in the system's keyring.",
    choices=("file", "keyring"),
    default="file",
)
PROFILE: Final = Option(
    flag="--profile",
    key="profile",
    help="Tells several users of one server apart.",
    metavar="NAME",
)
SCOPE: Final = Option(
    flag="--scope",
    key="scopes",
    help="Ask for this scope, besides those that the server names.",
    metavar="SCOPE",
    many=True,
)
CLIENT_ID: Final = Option(
    flag="--client-id",
    key="client_id",
    help="A client that is registered already, for http://127.0.0.1/callback; its secret is in DOVETAIL_CLIENT_SECRET.",
    metavar="ID",
)
HEADLESS: Final = Option(
    flag="--headless",
    key="headless",
    help="Open no browser here: show the address to open anywhere, and take the one where it ends.",
)
NETWORK: Final = Option(
    flag="--network",
    key="networks",
    help="A network that the login may reach although it is a private one, such as 10.0.0.0/8.",
    metavar="CIDR",
    many=True,
)
PATIENCE: Final = Option(
    flag="--timeout",
    key="timeout",
    help="How long the user may take.",
    metavar="SECONDS",
    seconds=True,
    default=300,
)

_REACHING: Final = (TIMEOUT, REVISION, HEADER, TOKEN, OAUTH, ENV, STDERR)


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command.

    Attributes:
        name: As it is typed.
        words: What it takes, for people; the target comes first.
        explained: What the words are.
        about: One sentence.
        table: Its options.
        least: How many words it needs besides the target.
        most: How many it takes at most.
    """

    name: str
    words: str
    explained: str
    about: str
    table: tuple[Option, ...]
    least: int = 0
    most: int = 1000


_TARGET: Final = (
    "A URL; a .py or .js file; FILE.py:object; a manifest (.json or .toml), with :NAME when it has several servers; or "
    "a manifest entry as JSON. A program is given in its place, after all the rest: -- PROGRAM [ARGUMENT ...]."
)
_ARGUMENTS: Final = "Arguments are name=value, name:=JSON, one JSON object, or @file.json."

LIST: Final = Command(
    name="list",
    words="TARGET [tools|resources|templates|prompts]",
    explained=_TARGET,
    about="Show what a server offers.",
    table=(*_REACHING, JSON),
    most=1,
)
CALL: Final = Command(
    name="call",
    words="TARGET TOOL [ARGUMENT ...]",
    explained=f"{_TARGET} {_ARGUMENTS}",
    about="Call a tool.",
    table=(*_REACHING, LOG_LEVEL, JSON),
    least=1,
)
READ: Final = Command(
    name="read",
    words="TARGET URI",
    explained=_TARGET,
    about="Read a resource; into a pipe or a file, as it is.",
    table=(*_REACHING, LOG_LEVEL, JSON),
    least=1,
    most=1,
)
PROMPT: Final = Command(
    name="prompt",
    words="TARGET PROMPT [ARGUMENT ...]",
    explained=f"{_TARGET} {_ARGUMENTS}",
    about="Show the messages of a prompt.",
    table=(*_REACHING, LOG_LEVEL, JSON),
    least=1,
)
LISTEN: Final = Command(
    name="listen",
    words="TARGET",
    explained=_TARGET,
    about="Hear of a server's changes; of all its lists, if nothing is chosen.",
    table=(*_REACHING, ALL_TOOLS, ALL_PROMPTS, ALL_RESOURCES, RESOURCE, COUNT, LOG_LEVEL, JSON),
    most=0,
)
DOCTOR: Final = Command(
    name="doctor",
    words="TARGET",
    explained=_TARGET,
    about="Look a server over, and say what is wrong and what to do.",
    table=(*_REACHING, PINGS, JSON),
    most=0,
)
COMMANDS: Final = (LIST, CALL, READ, PROMPT, LISTEN, DOCTOR)

_SERVER: Final = "A URL, or a manifest with the server's URL; with :NAME when it has several servers."

LOGIN: Final = Command(
    name="auth login",
    words="TARGET",
    explained=_SERVER,
    about="Log in to a server, in the browser; what it gives is kept, sealed, for later commands and programs.",
    table=(HEADLESS, SCOPE, CLIENT_ID, NETWORK, PATIENCE, STORE, PROFILE, JSON),
    most=0,
)
STATUS: Final = Command(
    name="auth status",
    words="[TARGET]",
    explained=_SERVER,
    about="Show where you are logged in; for one server, fail unless you are.",
    table=(STORE, PROFILE, JSON),
    most=0,
)
LOGOUT: Final = Command(
    name="auth logout",
    words="TARGET",
    explained=_SERVER,
    about="Forget the login to a server, and tell its authorization server so.",
    table=(NETWORK, STORE, PROFILE, JSON),
    most=0,
)
LOGINS: Final = (LOGIN, STATUS, LOGOUT)
