"""A repository for models: history, differences, blame and files at any revision, on libgit2, without shell or git.

    server.make        the server: tools, resources, prompts; runs in the event loop and touches no object of Git
    workers            child processes, each with a time and a memory that it cannot exceed; ended when a call is
    worker, operations what runs in them: one repository, confined by `places` and `landlock`

Nothing of a repository is trusted: not its files, names, configuration, objects or references.
"""

from typing import TYPE_CHECKING

from dovetail._lazy import lazy

if TYPE_CHECKING:
    from dovetail.servers.git.server import make as make
    from dovetail.servers.git.settings import Settings as Settings

__getattr__, __dir__, __all__ = lazy(__name__, {"server": "make", "settings": "Settings"})
