"""How calls come in and outcomes go out: stdio and in-memory conversations, HTTP of both eras, HTTP with SSE.

Nothing here knows what a handler does."""
