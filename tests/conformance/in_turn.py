"""Runs a client of the conformance suite when it is its turn: `in_turn.py FOLDER COMMAND... URL`.

The suite starts the clients of all scenarios at once and looks at no exit code. Here they wait for each other, none may
take longer than a minute, and how each ended is left in FOLDER for the judge.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

SECONDS = 60


def main() -> int:
    folder, *command = sys.argv[1:]
    name = os.environ["MCP_CONFORMANCE_SCENARIO"].replace("/", "+")
    with (Path(folder) / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        try:
            code = subprocess.run(command, timeout=SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            code = 124
    (Path(folder) / f"{name}.exit").write_text(str(code))
    return code


if __name__ == "__main__":
    sys.exit(main())
