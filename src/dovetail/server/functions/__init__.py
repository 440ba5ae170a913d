"""From a Python function to what MCP knows of it: its parameters as a schema, arguments in, results out.

Nothing here knows of a call, a connection or a server."""
