"""`python -m dovetail`: the command, as `python -m dovetail.cli` is."""

import runpy

runpy.run_module("dovetail.cli", run_name="__main__", alter_sys=True)
