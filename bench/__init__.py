"""The benchmark: ours, the official Python SDK, FastMCP, and bare programs that only decode, add and encode.

`python -m bench` (or `make bench`) measures every row of all sides in one run, interleaved, at least nine rounds;
prints two tables and writes them to `bench/RESULTS.md`. A row is void when the load generator could not reach one and a
half times the floor's rate, and it names each default limit that had to be raised. Peers live in `.venv-peers`.
"""
