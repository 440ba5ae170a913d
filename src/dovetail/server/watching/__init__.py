"""Watching calls from outside: spans, metrics, logs and audit records. `observing` says how.

Imported only when used."""
