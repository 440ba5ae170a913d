"""Fuzz target: no path leads out of a root, no pattern goes wild, and no program's output breaks its reader."""

import os

from dovetail import ToolError
from dovetail.errors import UnsafePath
from dovetail.servers.files.beneath import Beneath
from dovetail.servers.files.globs import Glob
from dovetail.servers.files.hits import Splitter
from dovetail.servers.files.names import path_of, uri_of
from dovetail.servers.files.places import Roots

SEEDS = [
    b"docs/a.txt",
    b"../../etc/passwd",
    b"/data/%2e%2e/x",
    b"file:///data/a%20b",
    b"/data-x/..\\a",
    b"src/**/[!a]*.py",
    b'{"type":"match","data":{"path":{"text":"a"},"lines":{"bytes":"/w=="},"absolute_offset":1}}\n',
]
ROOTS = Roots([Beneath("/data"), Beneath("/data/deep")])


def fuzz(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        place = ROOTS.place(text)
    except UnsafePath:
        pass
    else:
        assert os.path.normpath(place.path) == place.path.rstrip("/")
        assert (place.path + "/").startswith("/data/")
        assert path_of(place.uri) == place.path
        assert ROOTS.place(place.uri).path == place.path
    found = path_of(text)
    assert found is None or path_of(uri_of(found)) == found
    try:
        glob = Glob(text)
    except ToolError:
        pass
    else:
        glob.matches(("docs", "a.txt"))
    parts = Splitter()
    assert Splitter().feed(data) == [hit for at in range(len(data)) for hit in parts.feed(data[at : at + 1])]
