"""The git server's parsers: revisions, paths, dates, people, commits, trees, tags. Only their own errors come out."""

from datetime import UTC, datetime

from dovetail.servers.git.dates import BadDate, parse_date
from dovetail.servers.git.names import BadName, quote_name, read_name, read_path
from dovetail.servers.git.objects import BadObject, parse_commit, parse_tag, parse_tree
from dovetail.servers.git.revisions import BadRevision, parse_range
from dovetail.servers.git.text import readable

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fuzz(data: bytes) -> None:
    """Parse data as everything that a repository or a model could send."""
    text = data.decode("utf-8", "replace")
    for read in (parse_range, read_path, lambda given: parse_date(given, _NOW)):
        try:
            read(text)
        except (BadRevision, BadName, BadDate):
            pass
    for parse in (lambda raw: parse_commit("1" * 40, raw), parse_tree, parse_tag):
        try:
            parse(data)
        except BadObject:
            pass
    readable(data).encode()
    if data and len(data) < 4_000 and read_name(quote_name(data)) != data:
        raise AssertionError("a name that was shown does not come back")
