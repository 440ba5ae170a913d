"""Ask the advisory database about every pinned version. Ends non-zero when a version is known to be vulnerable.

Where the database cannot be reached this says so in one line and lets the build go on: a closed network is not a fault
of the code. It never takes longer than `SECONDS`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 90


def pins(path: str) -> list[str]:
    return [line for line in Path(path).read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]


def audited(path: str) -> list[dict[str, object]] | None:
    """Return what the advisory database says of each pin it knows, or None when it does not answer.

    A database that answers for no pin at all (a package mirror may stand in its place) has not answered.
    """
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--format", "json"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(pins(path)))
        listed.flush()
        try:
            done = subprocess.run(
                [*command, "--progress-spinner", "off", "--timeout", "10", "-r", listed.name],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return [entry for entry in dependencies if "vulns" in entry] or None


def main(paths: list[str]) -> int:
    vulnerable = 0
    for path in paths:
        answers = audited(path)
        if answers is None:
            print("dependencies: NOT audited, the advisory data cannot be reached from here")
            return 0
        bad = [answer for answer in answers if answer["vulns"]]
        vulnerable += len(bad)
        known = f"{len(answers)} of {len(pins(path))} pins of {path}"
        print(f"dependencies: {known} audited, {len(bad)} known to be vulnerable")
        for answer in bad:
            print(f"  {answer['name']} {answer['version']}: {answer['vulns']}")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
