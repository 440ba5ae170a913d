"""Dovetail: Model Context Protocol software in Python, on all five protocol revisions."""

__version__ = "0.1.0"
